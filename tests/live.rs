//! Is a theft on a live network told within a second? And does the daemon outlive its interface and
//! obey signals? A real web server, a real login, and a thief with the cookie.
//!
//! Needs root, since it makes network namespaces; without it, or without a tool, a test says that it
//! was skipped. Times are measured, so the tests take turns.

#![allow(clippy::disallowed_methods, reason = "a live test happens in real time")]
#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "a surprise ends a test")]
#![allow(unreachable_pub, reason = "modules that tests share are no crate")]

#[path = "support/network.rs"]
mod network;
#[path = "support/shop.rs"]
mod shop;
mod support;

use std::fs::{self, File};
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use serde_json::Value;
use tempfile::TempDir;

use network::{Process, code, wait_for};
use shop::{DMZ, FIREFOX, MIRROR, PROXY, Shop, THIEF, VICTIM};
use support::{contains, field, forms, rank, text};

/// The longest that an alert, a resumed capture or an exit may take.
const ALERT: Duration = Duration::from_secs(1);
const BACK: Duration = Duration::from_secs(5);
const EXIT: Duration = Duration::from_secs(5);
/// The longest that anything else may take before the test gives up.
const PATIENCE: Duration = Duration::from_secs(15);

const LISTEN: &str = "127.0.0.1:9977";

#[test]
fn a_stolen_cookie_is_told_within_a_second() {
    let Some(shop) = Shop::open(&[]) else { return };
    let mut daemon = Daemon::watch(&shop);
    assert_eq!(daemon.get("/-/healthy").0, "200");
    assert_eq!(daemon.get("/-/ready").0, "200");
    assert_eq!(daemon.metric("tokentrail_alerts_total", "detector=\"token.new_client\""), Some(0.0));

    let cookie = shop.log_in("alice");
    let before = SystemTime::now();
    let (alert, seen) = std::thread::scope(|scope| {
        scope.spawn(|| shop.steal(&cookie));
        let (alert, _) = wait_for(PATIENCE, || daemon.theft()).expect("the theft is told");
        (alert, SystemTime::now())
    });
    let after = SystemTime::now();
    let packet = text(&alert, "@timestamp").parse::<jiff::Timestamp>().expect("a time");
    let packet = SystemTime::from(packet);
    let millisecond = Duration::from_millis(1);
    assert!(packet + millisecond >= before && packet <= after, "{packet:?} is the time of the theft");
    let delay = seen.duration_since(packet).expect("a packet comes before its alert");
    println!("told {delay:?} after the packet");
    assert!(delay < ALERT, "told {delay:?} after the packet");

    assert_eq!(text(&alert, "tokentrail.token.name"), "PHPSESSID");
    assert_eq!(text(&alert, "tokentrail.prior.ip"), VICTIM);
    assert_eq!(text(&alert, "tokentrail.prior.user_agent"), FIREFOX);
    assert_eq!(text(&alert, "tokentrail.suspect.ip"), THIEF);
    assert!(text(&alert, "tokentrail.suspect.user_agent").starts_with("curl/"), "{alert}");
    assert_eq!(text(&alert, "url.domain"), "shop.test");
    assert_eq!(text(&alert, "tokentrail.outcome"), "accepted");
    assert!(rank(&alert) >= 3, "a browser's cookie in a tool elsewhere is at least high: {alert}");
    assert!(field(&alert, "tokentrail.advice").as_array().is_some_and(|advice| !advice.is_empty()), "{alert}");
    for name in [VICTIM, THIEF, "PHPSESSID"] {
        assert!(text(&alert, "message").contains(name), "{alert}");
    }

    let interface = format!("interface=\"{MIRROR}\"");
    let counted = wait_for(PATIENCE, || {
        let packets = daemon.metric("tokentrail_capture_packets_total", &interface) > Some(20.0);
        let alerts = daemon.metric("tokentrail_alerts_total", "detector=\"token.new_client\"") > Some(0.0);
        (packets && alerts).then_some(())
    });
    assert!(counted.is_some(), "packets and alerts are counted: {}", daemon.get("/metrics").1);
    assert_eq!(daemon.metric("tokentrail_capture_drops_total", &interface), Some(0.0), "nothing was lost");

    let metrics = daemon.get("/metrics").1;
    daemon.stop("TERM");
    let mut written = daemon.everything_written();
    written.extend_from_slice(metrics.as_bytes());
    assert!(contains(&written, b"PHPSESSID"), "the search looks at what was written");
    for secret in [&cookie, shop::password()] {
        for form in forms(secret.as_bytes()) {
            assert!(!contains(&written, &form), "a secret was written");
        }
        for piece in secret.as_bytes().windows(12) {
            assert!(!contains(&written, piece), "a piece of a secret was written");
        }
    }
}

#[test]
fn behind_a_proxy_the_alert_names_the_thief() {
    let Some(shop) = Shop::open_behind_proxy() else { return };
    // at the proxy both legs of every request are seen, at the server the second one
    for (interface, account, legs, read_in) in [(DMZ, "alice", 2, "packet"), (MIRROR, "bob", 1, "x-forwarded-for")] {
        let mut daemon = Daemon::watch_at(&shop, interface, &["--trusted-proxy", PROXY]);
        let cookie = shop.log_in(account);
        shop.browse(account, &[], &["/account", "/cart"]);
        shop.steal_with(&cookie, &["-H", &format!("X-Forwarded-For: {VICTIM}")]);
        let (alert, _) = wait_for(PATIENCE, || daemon.theft()).expect("the theft is told");
        assert_eq!(text(&alert, "tokentrail.prior.ip"), VICTIM, "{interface}");
        assert_eq!(text(&alert, "tokentrail.suspect.ip"), THIEF, "{interface}");
        assert_eq!(text(&alert, "tokentrail.suspect.address_from"), read_in, "{interface}");
        assert_eq!(field(&alert, "tokentrail.suspect.requests"), 1, "{interface}: once, however many legs");
        assert_eq!(field(&alert, "tokentrail.token.actors"), 2, "{interface}: the proxy is none");

        let told = || daemon.metric("tokentrail_alerts_total", "detector=\"token.new_client\"") > Some(0.0);
        assert!(wait_for(PATIENCE, || told().then_some(())).is_some(), "{interface}: the metrics know it too");
        let repeats = daemon.metric("tokentrail_duplicates_total", "kind=\"proxy_leg\"");
        assert_eq!(repeats > Some(0.0), legs == 2, "{interface}: {repeats:?}");
        assert_eq!(daemon.metric("tokentrail_client_address_unresolved_total", "reason=\"absent\""), Some(0.0));
        daemon.stop("TERM");
        let accused: std::collections::BTreeSet<_> = daemon
            .alerts()
            .iter()
            .filter(|alert| !text(alert, "rule.name").ends_with(".plaintext"))
            .map(|alert| (text(alert, "client.ip").to_owned(), text(alert, "tokentrail.incident").to_owned()))
            .collect();
        assert_eq!(accused.len(), 1, "{interface}: one thief, one incident: {accused:?}");
        let exposed = daemon.alerts().iter().any(|alert| text(alert, "rule.name") == "token.plaintext");
        assert_eq!(exposed, legs == 2, "{interface}: the hop behind the proxy exposes nothing");
    }
}

#[test]
fn prometheus_counts_the_theft() {
    let Some(shop) = Shop::open(&["prometheus", "promtool"]) else { return };
    let mut daemon = Daemon::watch(&shop);
    let prometheus = Prometheus::scraping(&shop);
    let query = "tokentrail_alerts_total{detector=\"token.new_client\"} > 0";
    let zero = "tokentrail_alerts_total{detector=\"token.new_client\"} == 0";
    assert!(wait_for(PATIENCE, || prometheus.first(zero)).is_some(), "the series is there before any alert");
    assert_eq!(prometheus.first(query), None);

    let cookie = shop.log_in("alice");
    shop.steal(&cookie);
    assert!(wait_for(PATIENCE, || prometheus.first(query)).is_some(), "the theft is counted");
    assert!(prometheus.first("tokentrail_capture_packets_total > 0").is_some());
    assert!(prometheus.first("tokentrail_capture_drops_total == 0").is_some());
    assert_eq!(prometheus.first("up == 0"), None);

    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool runs");
    let metrics = daemon.get("/metrics").1;
    promtool.stdin.take().expect("piped").write_all(metrics.as_bytes()).expect("written");
    let said = promtool.wait_with_output().expect("promtool ends");
    assert!(said.status.success() && said.stdout.is_empty() && said.stderr.is_empty(), "{said:?}");
    daemon.stop("TERM");
}

#[test]
fn several_workers_tell_the_theft_too() {
    let Some(shop) = Shop::open(&[]) else { return };
    let daemon = Daemon::watch_with(&shop, &["--workers", "3"]);
    let cookie = shop.log_in("alice");
    shop.steal(&cookie);
    let told = SystemTime::now();
    wait_for(PATIENCE, || daemon.theft()).expect("the theft is told");
    assert!(told.elapsed().expect("time goes on") <= ALERT);
    let busy = |worker: &str| daemon.metric("tokentrail_worker_busy_seconds_total", &format!("worker=\"{worker}\""));
    let (all, _) = wait_for(PATIENCE, || {
        let all = ["0", "1", "2"].map(|worker| busy(worker).expect("a series for each worker"));
        all.iter().any(|seconds| *seconds > 0.0).then_some(all)
    })
    .expect("somebody worked");
    println!("busy for {all:?} s");
    assert_eq!(busy("3"), None);
}

#[test]
fn capture_comes_back_with_the_interface() {
    let Some(shop) = Shop::open(&[]) else { return };
    let mut daemon = Daemon::watch(&shop);
    let cookie = shop.log_in("alice");
    shop.steal(&cookie);
    let (first, _) = wait_for(PATIENCE, || daemon.theft()).expect("the first theft is told");
    // logged in before the interface goes away, robbed after
    let cookie = shop.log_in("bob");

    shop.network.configure("gateway", &format!("link set {MIRROR} down"));
    std::thread::sleep(Duration::from_secs(1));
    shop.network.configure("gateway", &format!("link set {MIRROR} up"));
    daemon.sees_traffic_again(&shop);

    shop.unplug_server();
    std::thread::sleep(Duration::from_secs(1));
    assert!(daemon.process.runs(), "an interface may go away");
    assert_eq!(daemon.get("/-/healthy").0, "200");
    shop.plug_in_server();
    daemon.sees_traffic_again(&shop);

    shop.steal(&cookie);
    let reference = |alert: &Value| text(alert, "tokentrail.token.ref").to_owned();
    let second = wait_for(PATIENCE, || daemon.thefts().into_iter().find(|a| reference(a) != reference(&first)));
    assert!(second.is_some(), "the second theft is told");
    daemon.stop("TERM");
}

#[test]
fn a_signal_ends_it_with_all_alerts_written() {
    let Some(shop) = Shop::open(&[]) else { return };
    for (signal, expected, account) in [("TERM", 0, "alice"), ("INT", 130, "bob")] {
        let mut daemon = Daemon::watch(&shop);
        let cookie = shop.log_in(account);
        shop.steal(&cookie);
        assert_eq!(daemon.stop(signal), expected, "after SIG{signal}");
        assert!(daemon.theft().is_some(), "an alert of the last moment is written before SIG{signal} ends it");
    }
}

/// `tokentrail run` on the gateway, watching the traffic of the shop.
struct Daemon<'s> {
    process: Process,
    shop: &'s Shop,
    /// The only place where it is told to write.
    dir: TempDir,
}

impl<'s> Daemon<'s> {
    /// Starts it at the server's cable and waits until it is ready.
    fn watch(shop: &'s Shop) -> Self {
        Self::watch_with(shop, &[])
    }

    /// The same with more flags.
    fn watch_with(shop: &'s Shop, flags: &[&str]) -> Self {
        Self::watch_at(shop, MIRROR, flags)
    }

    /// The same at another interface of the gateway.
    fn watch_at(shop: &'s Shop, interface: &str, flags: &[&str]) -> Self {
        let dir = tempfile::tempdir().expect("a scratch folder");
        let place = |name: &str| dir.path().join(name);
        fs::write(place("key"), [0x5a; 32]).expect("written");
        support::private(&place("key"));
        let file = |name: &str| File::create(place(name)).expect("a file");
        let mut command = shop.network.command("gateway", env!("CARGO_BIN_EXE_tokentrail"));
        command.env_remove("TOKENTRAIL_CONFIG").current_dir(dir.path());
        command.args(["run", "-i", interface, "--alerts", "alerts", "--events", "events", "--format", "ecs"]);
        command.args(["--token-key-file", "key", "--web.listen-address", LISTEN, "--log.level", "trace"]);
        command.args(flags);
        command.stdout(file("stdout")).stderr(file("stderr"));
        let process = Process::start(command).expect("it starts");
        let mut daemon = Self { process, shop, dir };
        let ready = wait_for(PATIENCE, || {
            assert!(daemon.process.runs(), "it ended: {}", daemon.log());
            (daemon.get("/-/ready").0 == "200").then_some(())
        });
        assert!(ready.is_some(), "it is never ready: {}", daemon.log());
        daemon
    }

    /// Status code and body of one of its pages.
    fn get(&self, page: &str) -> (String, String) {
        let mut curl = self.shop.network.command("gateway", "curl");
        let output = curl.args(["-s", "-m", "5", "-w", "%{http_code}", &format!("http://{LISTEN}{page}")]).output();
        let mut body = String::from_utf8(output.expect("curl runs").stdout).expect("UTF-8");
        let status = body.split_off(body.len() - 3);
        (status, body)
    }

    /// A metric's sum over all series with this label; `None` when there is no such series.
    fn metric(&self, name: &str, label: &str) -> Option<f64> {
        let metrics = self.get("/metrics").1;
        let series = metrics.lines().filter(|line| line.starts_with(&format!("{name}{{")) && line.contains(label));
        series
            .map(|line| line.rsplit(' ').next().and_then(|n| n.parse::<f64>().ok()).expect("a number"))
            .reduce(|a, b| a + b)
    }

    /// All complete alerts so far.
    fn alerts(&self) -> Vec<Value> {
        let mut bytes = fs::read(self.dir.path().join("alerts")).unwrap_or_default();
        bytes.truncate(bytes.iter().rposition(|b| *b == b'\n').map_or(0, |end| end + 1));
        support::lines(&bytes)
    }

    /// Those about a cookie in the hands of another client, by the thief.
    fn thefts(&self) -> Vec<Value> {
        let mut alerts = self.alerts();
        alerts.retain(|alert| text(alert, "rule.name") == "token.new_client" && text(alert, "client.ip") == THIEF);
        alerts
    }

    fn theft(&self) -> Option<Value> {
        self.thefts().into_iter().next()
    }

    /// Asserts that packets are counted again in time, while the customer tries to go on.
    fn sees_traffic_again(&mut self, shop: &Shop) {
        let count = |daemon: &Self| {
            daemon.metric("tokentrail_capture_packets_total", &format!("interface=\"{MIRROR}\"")).expect("a count")
        };
        let before = count(self);
        let back = wait_for(BACK, || {
            shop.browse("alice", &[], &["/cart"]);
            (count(self) > before).then_some(())
        });
        assert!(self.process.runs(), "it ended: {}", self.log());
        let ((), after) = back.unwrap_or_else(|| panic!("it stays blind: {}", self.log()));
        println!("saw traffic again after {after:?}");
    }

    /// Ends it with a signal; its exit code.
    fn stop(&mut self, signal: &str) -> i32 {
        self.process.signal(signal);
        let status = self.process.end(EXIT).unwrap_or_else(|| panic!("it goes on after SIG{signal}: {}", self.log()));
        code(status)
    }

    /// Names and contents of all files in its folder, but for its key.
    fn everything_written(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut folders = vec![self.dir.path().to_path_buf()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).expect("a folder") {
                let path = entry.expect("an entry").path();
                bytes.extend_from_slice(path.to_string_lossy().as_bytes());
                match path.is_dir() {
                    true => folders.push(path),
                    false => bytes.extend(fs::read(path).expect("a file")),
                }
            }
        }
        bytes
    }

    fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("stderr")).unwrap_or_default()
    }
}

/// A Prometheus on the gateway that asks the daemon once a second.
struct Prometheus<'s> {
    _process: Process,
    shop: &'s Shop,
    _dir: TempDir,
}

impl<'s> Prometheus<'s> {
    fn scraping(shop: &'s Shop) -> Self {
        let dir = tempfile::tempdir().expect("a scratch folder");
        let place = |name: &str| -> PathBuf { dir.path().join(name) };
        let jobs = format!("[{{job_name: tokentrail, static_configs: [{{targets: [\"{LISTEN}\"]}}]}}]");
        let config = format!("{{global: {{scrape_interval: 1s}}, scrape_configs: {jobs}}}\n");
        fs::write(place("prometheus.yml"), config).expect("written");
        let mut command = shop.network.command("gateway", "prometheus");
        command.arg("--config.file").arg(place("prometheus.yml")).arg("--storage.tsdb.path").arg(place("series"));
        command.args(["--web.listen-address", "127.0.0.1:9090"]);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        Self { _process: Process::start(command).expect("it starts"), shop, _dir: dir }
    }

    /// The first value that answers a query.
    fn first(&self, query: &str) -> Option<String> {
        let mut curl = self.shop.network.command("gateway", "curl");
        curl.args(["-s", "-m", "5", "-G", "--data-urlencode", &format!("query={query}")]);
        let output = curl.arg("http://127.0.0.1:9090/api/v1/query").output().expect("curl runs");
        let answer: Value = serde_json::from_slice(&output.stdout).ok()?;
        let value = answer.pointer("/data/result/0/value/1")?;
        value.as_str().map(str::to_owned)
    }
}
