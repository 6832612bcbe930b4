//! Where does a live test happen? Hosts that are network namespaces, cables between them, and the
//! programs that run on them. Nothing is connected to the machine's own network, and everything is
//! gone when the value is dropped, also after a panic.

use std::fs::File;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How often a wait looks again.
const LOOK: Duration = Duration::from_millis(10);

/// Hosts that see only each other.
pub struct Network {
    prefix: String,
    hosts: Vec<&'static str>,
    /// Networks come up one after another, also between processes: a measured time should not
    /// measure another test.
    _turn: File,
}

impl Network {
    /// Makes the hosts, each with nothing but a loopback interface.
    ///
    /// # Errors
    /// What `ip` said, where namespaces are not permitted.
    pub fn of(hosts: &[&'static str]) -> Result<Self, String> {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let turn = File::create(concat!(env!("CARGO_TARGET_TMPDIR"), "/live.lock")).expect("a lock file");
        turn.lock().expect("its turn");
        let prefix = format!("ttlive{}-{}", std::process::id(), MADE.fetch_add(1, Ordering::Relaxed));
        let mut network = Self { prefix, hosts: Vec::new(), _turn: turn };
        for host in hosts {
            let namespace = network.namespace(host);
            network.hosts.push(host);
            // A container may refuse either: then there is nothing to test with.
            for words in [&["netns", "add", &namespace][..], &["-n", &namespace, "link", "set", "lo", "up"]] {
                let made = ip(words);
                if !made.status.success() {
                    return Err(String::from_utf8_lossy(&made.stderr).trim().to_owned());
                }
            }
        }
        Ok(network)
    }

    fn namespace(&self, host: &str) -> String {
        format!("{}-{host}", self.prefix)
    }

    /// `ip` with these words on a host, which must succeed.
    pub fn configure(&self, host: &str, words: &str) {
        let namespace = self.namespace(host);
        let words: Vec<&str> = ["-n", &namespace].into_iter().chain(words.split(' ')).collect();
        let done = ip(&words);
        assert!(done.status.success(), "ip {words:?}: {}", String::from_utf8_lossy(&done.stderr));
    }

    /// A cable from a gateway's interface to `eth0` of a host, which sends everything through it.
    /// Addresses come with their prefix length.
    pub fn cable(&self, (gateway, interface, near): (&str, &str, &str), (host, far): (&str, &str)) {
        let end = format!("peer name eth0 netns {}", self.namespace(host));
        self.configure(gateway, &format!("link add {interface} type veth {end}"));
        self.configure(gateway, &format!("addr add {near} dev {interface}"));
        self.configure(gateway, &format!("link set {interface} up"));
        self.configure(host, &format!("addr add {far} dev eth0"));
        self.configure(host, "link set eth0 up");
        let (via, _) = near.split_once('/').expect("a prefix length");
        self.configure(host, &format!("route replace default via {via}"));
    }

    /// A command that will run on a host.
    pub fn command(&self, host: &str, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.namespace(host), program]).stdin(Stdio::null());
        command
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for host in &self.hosts {
            ip(&["netns", "del", &self.namespace(host)]);
        }
    }
}

fn ip(words: &[&str]) -> Output {
    Command::new("ip").args(words).output().expect("ip runs")
}

/// A program in the background; ended when dropped.
pub struct Process(Child);

impl Process {
    /// Starts it. `ip netns exec` becomes the program that it names, so the id is the program's own.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(mut command: Command) -> io::Result<Self> {
        command.spawn().map(Self)
    }

    /// Sends a signal, named as `kill` names it.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("sh").args(["-c", &format!("kill -s {name} {}", self.0.id())]).status();
        assert!(sent.is_ok_and(|status| status.success()), "no process to send {name} to");
    }

    /// How it ended, within this time.
    pub fn end(&mut self, limit: Duration) -> Option<ExitStatus> {
        wait_for(limit, || self.0.try_wait().expect("a child of ours")).map(|(status, _)| status)
    }

    /// Whether it still runs.
    pub fn runs(&mut self) -> bool {
        matches!(self.0.try_wait(), Ok(None))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.runs() {
            self.signal("TERM");
            if self.end(Duration::from_secs(3)).is_none() {
                let _ = self.0.kill();
                let _ = self.0.wait();
            }
        }
    }
}

/// An exit as a shell shows it: 128 and the signal's number where a signal ended it.
pub fn code(status: ExitStatus) -> i32 {
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default())
}

/// The first answer that is not `None`, with how long it took; `None` when the time is over.
pub fn wait_for<T>(limit: Duration, mut look: impl FnMut() -> Option<T>) -> Option<(T, Duration)> {
    let start = Instant::now();
    loop {
        match look() {
            Some(found) => return Some((found, start.elapsed())),
            None if start.elapsed() >= limit => return None,
            None => sleep(LOOK),
        }
    }
}
