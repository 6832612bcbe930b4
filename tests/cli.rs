//! Does every mistake get one clear line and the right exit code? Does every command do its work?

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test")]

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use support::{bundled, lines, private, root, text, tokentrail};

fn capture() -> PathBuf {
    root().join("pcaps/token-replay.pcap")
}

fn run(arguments: &[&str]) -> Output {
    tokentrail().args(arguments).output().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// Runs, and checks the exit code and that exactly one line says all of `words`.
fn refused(arguments: &[&str], code: i32, words: &[&str]) {
    let output = run(arguments);
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
    assert_eq!(said.lines().count(), 1, "{arguments:?}: {said}");
    assert!(said.starts_with("tokentrail: "), "{arguments:?}: {said}");
    for word in words {
        assert!(said.contains(word), "{arguments:?} does not say `{word}`: {said}");
    }
    assert!(output.stdout.is_empty(), "{arguments:?}: {}", stdout(&output));
}

#[test]
fn wrong_arguments_exit_with_2() {
    refused(&["replay"], 2, &["required", "--help"]);
    refused(&["repaly", "x.pcap"], 2, &["repaly", "did you mean `replay`"]);
    refused(&["replay", "--alert", "x", "a.pcap"], 2, &["--alert", "did you mean `--alerts`"]);
    refused(&["replay", "--fail-on", "bad", "a.pcap"], 2, &["bad", "critical"]);
    refused(&["replay", "--from", "yesterday", "a.pcap"], 2, &["yesterday", "2026-11-22"]);
    refused(&["replay", capture().to_str().unwrap(), "not", "a", "filter"], 2, &["filter `not a filter`"]);
    refused(&["replay", "https://example.test/a.pcap"], 2, &["not fetched"]);
    refused(&["run", "--web.listen-address", "0.0.0.0:1", "-i", "lo"], 2, &["no loopback address", "not available"]);
    refused(&["rules", "show", "no_such_rule"], 2, &["no_such_rule"]);
    let path = capture().to_str().unwrap().to_owned();
    refused(&["replay", &path, "no/such"], 2, &["filter `no/such`", "if `no/such` is meant as an input"]);
    refused(&["replay", &path, "--from", "+8s", "--to", "+5s"], 2, &["--to is not after --from"]);
    refused(&[&path], 2, &["did you mean `tokentrail replay "]);
    refused(&["run", "lo"], 2, &["no interface", "did you mean `-i lo`?"]);
    assert_eq!(run(&[]).status.code(), Some(2));
}

#[test]
fn key_logs_are_read_and_what_is_broken_is_named_but_never_shown() {
    let capture = bundled()[0].to_string_lossy().into_owned();
    refused(&["replay", &capture, "--keylog", "/no/such.keys"], 3, &["key log /no/such.keys"]);
    let dir = tempfile::tempdir().unwrap();
    let keys = dir.path().join("some.keys");
    let (random, secret) = ("5a".repeat(32), "c3".repeat(48));
    std::fs::write(&keys, format!("# made up\nCLIENT_RANDOM {random} {secret}\nCLIENT_RANDOM {random} {secret}f\n"))
        .unwrap();
    let keys = keys.to_str().unwrap();
    let output = run(&["replay", &capture, "--alerts", "/dev/null", "--keylog", keys]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("some.keys: line 3 is left out: the secret is not 64 or 96 hexadecimal digits"), "{said}");
    assert!(!said.contains("c3c3") && !said.contains("5a5a"), "{said}");
    // A slip that would cost somebody their keys.
    refused(&["replay", &capture, "--keylog", keys, "--alerts", keys], 2, &[]);
}

#[test]
fn what_is_of_a_later_version_is_refused_by_name() {
    for flag in ["--evidence", "--report"] {
        refused(&["replay", "a.pcap", flag, "x"], 2, &[flag, "not available in this version"]);
    }
    for command in ["explain", "doctor", "ctl"] {
        refused(&[command], 2, &[command, "not available in this version"]);
    }
    refused(&["rules", "test"], 2, &["test", "not available in this version"]);
    for format in ["ocsf", "eve", "cef"] {
        refused(&["replay", "a.pcap", "--format", format], 2, &[format, "not available in this version"]);
    }
    for workers in ["0", "65", "-1", "many"] {
        refused(&["replay", "a.pcap", &format!("--workers={workers}")], 2, &["a number of workers from 1 to 64"]);
    }
}

#[test]
fn wrong_configuration_exits_with_3() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("t.yaml");
    let path = file.to_str().unwrap();
    let cases = [
        ("sessions:\n  idle_timout: 1h\n", vec!["t.yaml:2:3", "idle_timout", "sessions.idle_timeout"]),
        ("memory: much\n", vec!["t.yaml:1:9", "much", "256MiB"]),
        ("tls:\n  key_wait: 2s\n", vec!["t.yaml:1:1", "tls", "not available in this version"]),
        ("web: {listen: '192.0.2.1:80'}\n", vec!["t.yaml:1:15", "no loopback address"]),
        ("memory: [\n", vec!["t.yaml:"]),
        ("hello\n", vec!["t.yaml:1:1", "expected keys with their values"]),
    ];
    for (content, words) in cases {
        fs::write(&file, content).unwrap();
        refused(&["check", "-c", path], 3, &words);
        refused(&["-T", "-c", path], 3, &words);
        refused(&["replay", "-c", path, capture().to_str().unwrap()], 3, &words);
    }
    refused(&["check", "-c", "/nonexistent.yaml"], 3, &["/nonexistent.yaml"]);
    refused(&["check", "--set", "memroy=1GiB"], 3, &["memroy", "`memory`"]);
    let output = tokentrail().arg("check").env("TOKENTRAIL_CONFIG", "/nonexistent.yaml").output().unwrap();
    assert_eq!(output.status.code(), Some(3));
}

#[test]
fn wrong_rules_exit_with_3() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("bad.yaml");
    fs::write(&file, "schema: 1\ntokens:\n  - token: x\n    wher: [{cookie: X}]\n    class: session\n").unwrap();
    refused(&["check", "--rules", dir.path().to_str().unwrap()], 3, &["bad.yaml", "4", "wher"]);
    refused(&["check", "--rules", "/nonexistent"], 3, &["/nonexistent"]);
    fs::write(
        &file,
        "tokens:\n  - {token: x, class: session, where: [{cookie: A}]}\n".to_owned()
            + "  - {token: x, class: session, where: [{cookie: B}]}\n",
    )
    .unwrap();
    refused(&["check", "--rules", dir.path().to_str().unwrap()], 3, &["bad.yaml:3:6", "`x` is given twice", "line 2"]);
    refused(&["check", "--set", "capture.interfaces=[{name: lo, filter: tcp prot 80}]"], 3, &["filter `tcp prot 80`"]);
}

#[test]
fn check_tells_every_mistake_of_every_file() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let config = "memory: lots\nsessions: {idle_timeout: 5, key_file: KEY}\noutputs:\n  - {name: a, path: /a}\n  \
                  - {name: b, path: /a}\ncapture: {interfaces: [{name: lo, filter: tcp prot 80}]}\n\
                  web: {config_file: /nonexistent.yml}\nrules: {paths: [RULES]}\n";
    fs::write(at("key"), [7; 31]).unwrap();
    private(&at("key"));
    fs::create_dir(at("rules")).unwrap();
    fs::write(at("rules/a.yaml"), "weights: {netwrk: 5, network: 101}\n").unwrap();
    fs::write(at("rules/b.yaml"), "tokens:\n  - {token: a, where: [], class: session}\n").unwrap();
    let config = config.replace("KEY", at("key").to_str().unwrap()).replace("RULES", at("rules").to_str().unwrap());
    fs::write(at("t.yaml"), config).unwrap();
    let output = run(&["check", "-c", at("t.yaml").to_str().unwrap(), "--set", "memroy=1"]);
    let said = stderr(&output);
    assert_eq!((output.status.code(), said.lines().count()), (Some(3), 10), "{said}");
    for (line, words) in said.lines().zip([
        ["t.yaml:1:9", "`lots`"],
        ["t.yaml:2:26", "`5`"],
        ["t.yaml:5:15", "two outputs write to `/a`"],
        ["--set memroy=1", "`memory`"],
        ["tcp prot 80", "filter"],
        ["/nonexistent.yml", "No such file"],
        ["key", "31 bytes"],
        ["a.yaml:1:11", "`netwrk`"],
        ["a.yaml:1:22", "0 to 100"],
        ["b.yaml:2:13", "at least one place"],
    ]) {
        assert!(words.iter().all(|word| line.contains(word)), "{line}: {words:?}");
    }
}

#[test]
fn check_tells_which_rules_are_the_operators() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().to_str().unwrap();
    let empty = run(&["check", "--rules", path]);
    assert_eq!(empty.status.code(), Some(0));
    assert!(stderr(&empty).contains("warning: ") && stderr(&empty).contains("no *.yaml"), "{}", stderr(&empty));
    refused(&["check", "--strict", "--rules", path], 3, &["no *.yaml"]);
    fs::write(dir.path().join("own.yml"), "detectors:\n  - {detector: token.new_ip, enabled: false}\n").unwrap();
    let told = stdout(&run(&["check", "--strict", "--rules", path]));
    assert!(told.contains("own.yml: token.new_ip (instead of that in rules/detectors.yaml)"), "{told}");
    let quiet = run(&["check", "-q", "--rules", path]);
    assert_eq!((quiet.status.code(), stdout(&quiet).as_str()), (Some(0), ""));
    let roaming = root().join("pcaps/roaming-client.pcap");
    let replayed = run(&["replay", roaming.to_str().unwrap(), "-q", "--rules", path]);
    assert!(lines(&replayed.stdout).iter().all(|alert| text(alert, "rule.name") != "token.new_ip"));
    fs::write(dir.path().join("own.yml"), "detectors:\n  - {detector: token.new_ip, tags: [T1539]}\n").unwrap();
    let replayed = run(&["replay", roaming.to_str().unwrap(), "-q", "--rules", path]);
    let told = |alert: &serde_json::Value| text(alert, "rule.name") == "token.new_ip";
    assert!(lines(&replayed.stdout).iter().any(told), "what is not said stays as it was");
}

#[test]
fn wrong_keys_exit_with_3() {
    let dir = tempfile::tempdir().unwrap();
    let key = dir.path().join("key");
    let (path, capture) = (key.to_str().unwrap(), capture());
    let replay = ["replay", capture.to_str().unwrap(), "--token-key-file", path];
    refused(&replay, 3, &[path]);
    fs::write(&key, [7; 31]).unwrap();
    private(&key);
    refused(&replay, 3, &[path, "31 bytes"]);
    fs::write(&key, [7; 32]).unwrap();
    fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    refused(&replay, 3, &[path, "read by others"]);
}

#[test]
fn unreadable_inputs_exit_with_4() {
    let dir = tempfile::tempdir().unwrap();
    refused(&["replay", "/nonexistent.pcap"], 4, &["/nonexistent.pcap", "No such file"]);
    refused(&["replay", "nonexistent"], 4, &["nonexistent", "No such file"]);
    refused(&["-r", "/nonexistent"], 4, &["/nonexistent", "No such file"]);
    refused(&["replay", "/nonexistent/*.pcap"], 4, &["matches no file"]);
    refused(&["replay", dir.path().to_str().unwrap()], 4, &["no capture file"]);
    let file = dir.path().join("notes.pcap");
    fs::write(&file, "these are notes, not packets").unwrap();
    refused(&["replay", file.to_str().unwrap()], 4, &["notes.pcap", "not a capture file"]);
    fs::write(&file, "").unwrap();
    refused(&["replay", file.to_str().unwrap()], 4, &["notes.pcap", "empty"]);
    refused(&["run", "-i", "nosuch0"], if is_root() { 4 } else { 5 }, &["nosuch0"]);
}

#[test]
fn a_cut_capture_is_read_as_far_as_it_goes() {
    let dir = tempfile::tempdir().unwrap();
    let cut = dir.path().join("cut.pcap");
    let whole = fs::read(capture()).unwrap();
    fs::write(&cut, &whole[..whole.len() - 7]).unwrap();
    let events = dir.path().join("events");
    let output = tokentrail().args(["replay", "--fail-on", "low", "--events"]).arg(&events).arg(&cut).output().unwrap();
    assert_eq!(output.status.code(), Some(4), "4 goes before 10");
    let said = stderr(&output);
    assert!(said.contains("cut.pcap: truncated after 133 frames"), "{said}");
    assert!(said.contains("133 packets") && said.contains("1 file not to the end: "), "{said}");
    assert!(lines(&output.stdout).iter().any(|alert| text(alert, "rule.name") == "token.new_client"));
    let events = lines(&fs::read(&events).unwrap());
    let summary = &events.last().unwrap()["tokentrail"]["summary"];
    assert_eq!(summary["frames"], 133);
    assert_eq!(summary["truncated"]["count"], 1);
}

#[test]
fn one_bad_file_does_not_hide_the_others() {
    let output = run(&["replay", capture().to_str().unwrap(), "/dev/null", "--alerts", "/dev/null"]);
    assert_eq!(output.status.code(), Some(4));
    let said = stderr(&output);
    assert!(said.contains("tokentrail: /dev/null: ") && said.contains("134 packets"), "{said}");
}

#[test]
fn capturing_without_the_right_exits_with_5() {
    if !is_root() {
        refused(&["run", "-i", "lo"], 5, &["not permitted", "CAP_NET_RAW", "setcap"]);
        return;
    }
    // A copy, where another user may execute it.
    let dir = tempfile::tempdir_in("/tmp").unwrap();
    fs::set_permissions(dir.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let copy = dir.path().join("tokentrail");
    fs::copy(env!("CARGO_BIN_EXE_tokentrail"), &copy).unwrap();
    fs::set_permissions(&copy, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let output = std::process::Command::new("setpriv")
        .args(["--reuid", "65534", "--regid", "65534", "--clear-groups", "--inh-caps=-all"])
        .arg(&copy)
        .args(["run", "-i", "lo"])
        .current_dir("/")
        .env_remove("TOKENTRAIL_CONFIG")
        .output();
    let Ok(output) = output else {
        println!("skipped: there is no setpriv");
        return;
    };
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(5), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(said.contains("CAP_NET_RAW") && said.contains("setcap"), "{said}");
}

#[test]
fn alerts_at_or_above_the_threshold_exit_with_10() {
    let capture = capture();
    let replay = |threshold| run(&["replay", capture.to_str().unwrap(), "-q", "--fail-on", threshold]);
    assert_eq!(replay("critical").status.code(), Some(10));
    assert_eq!(replay("low").status.code(), Some(10));
    let harmless = root().join("pcaps/cookie-rotation.pcap");
    let output = run(&["replay", harmless.to_str().unwrap(), "-q", "--fail-on", "critical"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(stderr(&output).is_empty(), "-q says nothing when nothing went wrong: {}", stderr(&output));
}

#[test]
fn results_go_to_standard_output_and_all_else_to_standard_error() {
    let capture = capture();
    let path = capture.to_str().unwrap();
    let output = run(&["replay", path]);
    assert_eq!(output.status.code(), Some(0));
    assert!(!lines(&output.stdout).is_empty());
    let said = stderr(&output);
    for words in ["134 packets", "25 HTTP requests", "found   alerts: 3 critical"] {
        assert!(said.contains(words), "{words}: {said}");
    }
    let both = run(&["-r", path, "--events", "-", "-q"]);
    let (alerts, events): (Vec<_>, Vec<_>) =
        lines(&both.stdout).into_iter().partition(|line| text(line, "event.kind") == "alert");
    assert!(!alerts.is_empty());
    assert_eq!(text(events.last().unwrap(), "event.dataset"), "tokentrail.summary");
    let readable = run(&["replay", path, "--format", "text", "--color", "never", "-q"]);
    let readable = stdout(&readable);
    assert!(readable.contains("CRITICAL  score 100  TT-1003 token.new_client"), "{readable}");
    assert!(!readable.contains('\u{1b}'));
    for detector in ["TT-1003", "TT-1004", "TT-1007", "TT-2001", "TT-2007"] {
        assert_eq!(readable.matches(detector).count(), 1, "each alert is told once: {readable}");
    }
    assert_eq!(readable.matches("what to do").count(), 3, "a theft is one block: {readable}");
    let only_critical = run(&["replay", path, "--min-severity", "critical", "-q"]);
    assert!(lines(&only_critical.stdout).iter().all(|alert| text(alert, "tokentrail.severity") == "critical"));
}

#[test]
fn a_reader_that_went_away_is_no_failure() {
    use std::process::Stdio;
    let mut child = tokentrail()
        .args(["replay", "-q", "--events", "-"])
        .arg(root().join("pcaps"))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(0), ""));
}

#[test]
fn an_interrupt_is_heard_where_no_frame_passes() {
    use std::io::Write;
    use std::process::{Command, Stdio};
    let mut child = tokentrail()
        .args(["replay", "-q", "-", "udp port 9"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut pipe = child.stdin.take().unwrap();
    let bytes = fs::read(capture()).unwrap();
    let (head, frames) = bytes.split_at(24);
    pipe.write_all(head).unwrap();
    // More than a pipe holds and a first look takes: when it is written the replay goes on, and listens.
    (0..8).for_each(|_| pipe.write_all(frames).unwrap());
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    // At the latest the end of all this would end it, and then with 0.
    let written = (0..1000).try_for_each(|_| pipe.write_all(frames));
    drop(pipe);
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(written.is_err(), "it read on");
}

#[test]
fn filters_and_times_choose_a_part() {
    let capture = capture();
    let path = capture.to_str().unwrap();
    let packets = |extra: &[&str]| {
        let output = run(&[&["replay", path], extra].concat());
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        let said = stderr(&output);
        said.split(": ").nth(1).unwrap().split(" packet").next().unwrap().replace(',', "").parse::<u32>().unwrap()
    };
    let all = packets(&[]);
    let thief = packets(&["host", "203.0.113.9"]);
    assert!(thief > 0 && thief < all);
    assert_eq!(packets(&["not", "host", "203.0.113.9"]), all - thief);
    assert_eq!(packets(&["--", "host", "203.0.113.9"]), thief);
    let nothing = run(&["replay", path, "port", "81"]);
    assert!(stderr(&nothing).contains("unseen  134 packets outside the filter or the times"), "{}", stderr(&nothing));
    let early = packets(&["--to", "+3s"]);
    assert!(early > 0 && early < all);
    assert_eq!(packets(&["--from", "+3s"]), all - early);
}

#[test]
fn the_same_capture_and_key_give_the_same_bytes() {
    let replay = || support::Replay::of(&[&root().join("pcaps")], &["--min-severity", "informational"]);
    let (first, second) = (replay(), replay());
    assert!(!first.alerts().is_empty());
    assert_eq!(first.alerts_bytes, second.alerts_bytes);
    assert_eq!(first.events_bytes, second.events_bytes);
}

#[test]
fn outputs_of_the_configuration_are_the_daemons() {
    let dir = tempfile::tempdir().unwrap();
    let (file, alerts) = (dir.path().join("t.yaml"), dir.path().join("alerts.json"));
    fs::write(&file, format!("outputs: [{{name: a, path: {}, min_severity: critical}}]\n", alerts.display())).unwrap();
    fs::write(&alerts, "{\"of\":\"the daemon\"}\n").unwrap();
    let output = tokentrail().arg("replay").arg(capture()).arg("-c").arg(&file).output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(lines(&output.stdout).iter().any(|alert| text(alert, "tokentrail.severity") == "medium"));
    assert!(stderr(&output).contains("the outputs of the configuration are those of `run`"), "{}", stderr(&output));
    assert_eq!(fs::read_to_string(&alerts).unwrap(), "{\"of\":\"the daemon\"}\n");
    refused(
        &["replay", capture().to_str().unwrap(), "-q", "--alerts", "/nonexistent/alerts"],
        1,
        &["cannot open /nonexistent/alerts"],
    );
}

#[test]
fn the_other_commands_do_their_work() {
    let ok = |arguments: &[&str]| {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", stderr(&output));
        stdout(&output)
    };
    assert!(ok(&["--version"]).starts_with("tokentrail "));
    assert!(ok(&["replay", "-V"]).contains(env!("CARGO_PKG_VERSION")));
    assert!(ok(&["--help"]).contains("replay"));
    for of in ["alert", "event", "config"] {
        let schema: serde_json::Value = serde_json::from_str(&ok(&["schema", of])).unwrap();
        assert!(jsonschema::draft202012::meta::is_valid(&schema), "{of}");
    }
    assert!(ok(&["completions", "bash"]).contains("_tokentrail"));
    assert!(ok(&["man"]).contains("fail"));
    assert!(ok(&["check"]).contains("ok"));
    assert!(ok(&["-T"]).contains("ok"));
    let listed = ok(&["rules", "list"]);
    assert!(listed.lines().any(|line| line.contains("php_session") && line.contains("session: cookie PHPSESSID")));
    assert!(ok(&["rules", "show", "php_session"]).contains("PHPSESSID"));
    assert!(ok(&["rules", "show", "TT-1003"]).contains("token.new_client"));
    let example = root().join("deploy/tokentrail.example.yaml");
    assert!(ok(&["check", "-c", example.to_str().unwrap()]).contains("ok"));
}

#[test]
fn the_demo_explains_the_bundled_captures() {
    let output = run(&["demo"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let shown = stdout(&output);
    for words in ["A stolen cookie, replayed with curl", "TT-1003 token.new_client", "what to do", "Harmless"] {
        assert!(shown.contains(words), "{words}");
    }
    assert_eq!(shown, stdout(&run(&["demo"])), "the same every time");
    assert!(lines(&run(&["demo", "--format", "ecs"]).stdout).len() > 10);
}

fn is_root() -> bool {
    fs::metadata("/proc/self").map(|about| std::os::unix::fs::MetadataExt::uid(&about) == 0).unwrap_or_default()
        && Path::new("/proc/self").exists()
}
