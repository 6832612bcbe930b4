//! Does the daemon see, tell, serve metrics, rotate its files and stop as asked? On the loopback, which
//! needs no network of its own.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may panic")]

mod support;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use support::{lines, text, tokentrail};

/// A session cookie that a server might set.
const TOKEN: &str = "k3v9q2m7x1c8b4n6z5l0p7w2r8t4y6u1";

/// A running daemon; killed when the test fails.
struct Daemon {
    child: Child,
    web: String,
}

impl Daemon {
    /// Starts and waits until it captures; `None` where this user may not capture.
    fn start(arguments: &[&str], alerts: &Path) -> Option<Self> {
        let mut child = tokentrail()
            .args(["run", "--web.listen-address", "127.0.0.1:0", "--log.format", "json", "--format", "ecs"])
            .arg("--alerts")
            .arg(alerts)
            .args(arguments)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let web = loop {
            let mut line = String::new();
            if log.read_line(&mut line).unwrap() == 0 {
                let code = child.wait().unwrap().code();
                assert_eq!(code, Some(5), "it ended before it captured");
                println!("skipped: capturing is not permitted here");
                return None;
            }
            match serde_json::from_str::<serde_json::Value>(&line) {
                Ok(entry) if entry["message"] == "capturing" => break text(&entry, "web").to_owned(),
                _ => {}
            }
        };
        // Somebody must read the rest, or it would wait.
        thread::spawn(move || log.read_to_end(&mut Vec::new()));
        let daemon = Self { child, web };
        wait_for("readiness", || daemon.ask("/-/ready").starts_with("HTTP/1.1 200"));
        Some(daemon)
    }

    fn ask(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(&self.web).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    /// The value of a series.
    fn metric(&self, series: &str) -> f64 {
        let page = self.ask("/metrics");
        let line = page.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ').map(str::to_owned));
        line.unwrap_or_else(|| panic!("no {series} in {page}")).parse().unwrap()
    }

    /// Sends a signal and gives the exit code.
    fn stop(mut self, signal: &str) -> Option<i32> {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
        wait_for("the end", || self.child.try_wait().unwrap().is_some());
        self.child.wait().unwrap().code()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _already_ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

fn wait_for(what: &str, mut done: impl FnMut() -> bool) {
    for _ in 0..200 {
        if done() {
            return;
        }
        thread::sleep(Duration::from_millis(50));
    }
    panic!("waited 10 s for {what}");
}

/// A shop that sets a session cookie at /login and greets whoever presents it.
fn shop() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                if stream.read(&mut byte).unwrap() == 0 {
                    break;
                }
                head.push(byte[0]);
            }
            let cookie = if head.starts_with(b"GET /login") {
                format!("Set-Cookie: PHPSESSID={TOKEN}; HttpOnly\r\n")
            } else {
                String::new()
            };
            let reply = format!("HTTP/1.1 200 OK\r\n{cookie}Content-Length: 2\r\nConnection: close\r\n\r\nhi");
            stream.write_all(reply.as_bytes()).unwrap();
        }
    });
    port
}

fn visit(port: u16, path: &str, agent: &str, cookie: bool) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let cookie = if cookie { format!("Cookie: PHPSESSID={TOKEN}\r\n") } else { String::new() };
    let request = format!("GET {path} HTTP/1.1\r\nHost: shop.test\r\nUser-Agent: {agent}\r\n{cookie}\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    stream.read_to_end(&mut Vec::new()).unwrap();
}

const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";

#[test]
fn a_theft_on_the_loopback_is_told_while_it_runs() {
    let dir = tempfile::tempdir().unwrap();
    let alerts = dir.path().join("alerts");
    let port = shop();
    let filter = format!("tcp port {port}");
    let Some(daemon) = Daemon::start(&["-i", "lo", &filter], &alerts) else { return };
    visit(port, "/login", FIREFOX, false);
    visit(port, "/account", FIREFOX, true);
    visit(port, "/account", FIREFOX, true);
    visit(port, "/account", "curl/8.9.1", true);

    // the last line may be half written
    let told = || {
        let bytes = fs::read(&alerts).unwrap();
        lines(&bytes[..bytes.iter().rposition(|b| *b == b'\n').map_or(0, |end| end + 1)])
    };
    wait_for("the alert", || told().iter().any(|alert| text(alert, "rule.name") == "token.tool_replay"));
    assert!(!fs::read_to_string(&alerts).unwrap().contains(&TOKEN[..12]), "a raw token was written");
    wait_for("metrics", || daemon.metric("tokentrail_http_requests_total{protocol=\"http1\"}") >= 4.0);
    assert!(daemon.metric("tokentrail_capture_packets_total{interface=\"lo\"}") >= 16.0);
    assert!(daemon.metric("tokentrail_capture_drops_total{interface=\"lo\",reason=\"kernel\"}") < 1.0);
    assert!(daemon.metric("tokentrail_token_sightings_total{class=\"session\"}") >= 4.0);
    assert!(daemon.metric("tokentrail_output_events_total{output=\"alerts\"}") >= 1.0);
    assert!(daemon.metric("process_resident_memory_bytes") > 0.0);

    // Log rotation: what comes next is in the new file.
    let moved = dir.path().join("alerts.1");
    fs::rename(&alerts, &moved).unwrap();
    assert!(Command::new("kill").args(["-HUP", &daemon.child.id().to_string()]).status().unwrap().success());
    wait_for("the new file", || alerts.exists());
    assert_eq!(daemon.stop("-TERM"), Some(0));
    assert!(!fs::read(&moved).unwrap().is_empty());
}

#[test]
fn an_interrupt_ends_it_with_130_after_flushing() {
    let dir = tempfile::tempdir().unwrap();
    let (alerts, events) = (dir.path().join("alerts"), dir.path().join("events"));
    let port = shop();
    let filter = format!("tcp port {port}");
    let Some(daemon) = Daemon::start(&["-i", "lo", &filter, "--events", events.to_str().unwrap()], &alerts) else {
        return;
    };
    visit(port, "/login", FIREFOX, false);
    // libpcap hands frames over within 100 ms.
    wait_for("metrics", || daemon.metric("tokentrail_http_requests_total{protocol=\"http1\"}") >= 1.0);
    assert_eq!(daemon.stop("-INT"), Some(130));
    let events = lines(&fs::read(&events).unwrap());
    assert!(events.iter().any(|event| text(event, "url.path") == "/login"));
    assert_eq!(text(events.last().unwrap(), "event.dataset"), "tokentrail.summary");
}

#[test]
fn a_taken_port_ends_it_with_1() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = tokentrail().args(["run", "-i", "lo", "--web.listen-address", &address]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.code() == Some(5) {
        println!("skipped: capturing is not permitted here");
        return;
    }
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains(&format!("cannot listen on {address}: ")), "{said}");
}
