//! Who visits which site? A web shop with a real login, a customer, and a thief elsewhere.
//!
//! ```text
//!   victim 198.51.100.7 ── office ┐
//!                                 gateway ── server ── 10.0.1.20 server (nginx, PHP)
//!   thief   203.0.113.9 ──── cafe ┘ │
//!                                  dmz ── 10.0.2.5 proxy (nginx), where a test wants one
//! ```

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::network::{Network, Process, wait_for};
use crate::support::root;

/// Address of the customer.
pub const VICTIM: &str = "198.51.100.7";
/// Address of the thief, in another network.
pub const THIEF: &str = "203.0.113.9";
/// The customer's browser.
pub const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
/// The gateway's interface to the server: all traffic of the shop passes it.
pub const MIRROR: &str = "server";

/// The gateway's interface to the proxy: with one, both of its legs pass here.
pub const DMZ: &str = "dmz";
/// Address of the proxy.
pub const PROXY: &str = "10.0.2.5";

const SERVER: &str = "10.0.1.20";
const PASSWORD: &str = "a-Pa55word-only-for-this-test";

/// The shop, open for visitors.
pub struct Shop {
    // in the order in which they end
    _nginx: Process,
    _php: Process,
    _proxy: Option<Process>,
    /// The hosts `gateway`, `server`, `proxy`, `victim` and `thief`.
    pub network: Network,
    dir: TempDir,
    /// Where visitors knock.
    front: &'static str,
}

impl Shop {
    /// Opens it. `None` where this is impossible; then the test says why it was skipped.
    pub fn open(tools: &[&str]) -> Option<Self> {
        Self::open_at(SERVER, tools)
    }

    /// Opens it behind a reverse proxy that says in X-Forwarded-For who comes.
    pub fn open_behind_proxy() -> Option<Self> {
        Self::open_at(PROXY, &[])
    }

    fn open_at(front: &'static str, tools: &[&str]) -> Option<Self> {
        if let Some(what) = Self::missing(tools) {
            return skip(&what);
        }
        let network = match Network::of(&["gateway", "server", "proxy", "victim", "thief"]) {
            Ok(network) => network,
            Err(cause) => return skip(&format!("no network namespaces here: {cause}")),
        };
        network.cable(("gateway", "office", "198.51.100.1/24"), ("victim", &format!("{VICTIM}/24")));
        network.cable(("gateway", "cafe", "203.0.113.1/24"), ("thief", &format!("{THIEF}/24")));
        network.cable(("gateway", DMZ, "10.0.2.1/24"), ("proxy", &format!("{PROXY}/24")));
        let forward = network.command("gateway", "sh").args(["-c", "echo 1 >/proc/sys/net/ipv4/ip_forward"]).status();
        assert!(forward.is_ok_and(|status| status.success()), "a gateway forwards");
        plug_in_server(&network);

        let dir = tempfile::tempdir().expect("a scratch folder");
        let (nginx, php) = start_server(&network, dir.path());
        let proxy = (front == PROXY).then(|| start_proxy(&network, dir.path()));
        let shop = Self { _nginx: nginx, _php: php, _proxy: proxy, network, dir, front };
        let opened = wait_for(Duration::from_secs(10), || (shop.visit("server", &[], &["/"]) == "200").then_some(()));
        assert!(opened.is_some(), "the shop stays closed: {}", shop.server_log());
        Some(shop)
    }

    fn missing(tools: &[&str]) -> Option<String> {
        if shell("id -u").is_none_or(|id| id != "0") {
            return Some("it makes network namespaces, which needs root".to_owned());
        }
        let own = ["ip", "nginx", "curl"];
        let mut missing: Vec<&str> = own.iter().chain(tools).copied().filter(|tool| !installed(tool)).collect();
        missing.extend(php_fpm().is_none().then_some("php-fpm"));
        (!missing.is_empty()).then(|| format!("not installed: {}", missing.join(", ")))
    }

    /// Pulls the server's cable out of the gateway: the interface is gone.
    pub fn unplug_server(&self) {
        self.network.configure("gateway", &format!("link del {MIRROR}"));
    }

    /// Puts a new cable in; an interface of the same name, with another index.
    pub fn plug_in_server(&self) {
        plug_in_server(&self.network);
    }

    /// The customer comes, logs in as one of alice, bob and carol, and looks around. Gives the
    /// session cookie's value.
    pub fn log_in(&self, account: &str) -> String {
        let form = format!("username={account}&password={PASSWORD}");
        assert_eq!(self.browse(account, &[], &["/"]), "200");
        assert_eq!(self.browse(account, &["-d", &form], &["/login"]), "302");
        assert_eq!(self.browse(account, &[], &["/account", "/orders"]), "200200");
        let jar = fs::read_to_string(self.jar(account)).expect("a cookie jar");
        let line = jar.lines().find(|line| line.contains("\tPHPSESSID\t")).expect("a session cookie");
        line.rsplit('\t').next().expect("its value").to_owned()
    }

    /// The customer goes on browsing. Gives the replies' status codes.
    pub fn browse(&self, account: &str, options: &[&str], pages: &[&str]) -> String {
        let jar = self.jar(account);
        let jar = jar.to_str().expect("UTF-8");
        let own = ["-A", FIREFOX, "-H", "Accept-Language: en-GB", "-b", jar, "-c", jar];
        self.visit("victim", &[&own, options].concat(), pages)
    }

    /// The thief uses a stolen cookie, and the shop lets him in.
    pub fn steal(&self, cookie: &str) {
        self.steal_with(cookie, &[]);
    }

    /// The same with more options of curl.
    pub fn steal_with(&self, cookie: &str, options: &[&str]) {
        let cookie = format!("PHPSESSID={cookie}");
        assert_eq!(self.visit("thief", &[&["-b", &cookie], options].concat(), &["/account"]), "200");
    }

    /// Fetches pages with curl. Gives the status codes.
    fn visit(&self, host: &str, options: &[&str], pages: &[&str]) -> String {
        let mut curl = self.network.command(host, "curl");
        curl.args(["-sS", "-m", "10", "-w", "%{http_code}", "--resolve", &format!("shop.test:80:{}", self.front)]);
        curl.args(options);
        for page in pages {
            curl.args(["-o", "/dev/null", &format!("http://shop.test{page}")]);
        }
        let output = curl.output().expect("curl runs");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn jar(&self, account: &str) -> PathBuf {
        self.dir.path().join(format!("{account}.jar"))
    }

    fn server_log(&self) -> String {
        let read = |name| fs::read_to_string(self.dir.path().join(name)).unwrap_or_default();
        format!("{}{}{}", read("nginx.log"), read("php-fpm.log"), read("log"))
    }
}

/// What the customer types, and must never be written anywhere.
pub fn password() -> &'static str {
    PASSWORD
}

fn plug_in_server(network: &Network) {
    network.cable(("gateway", MIRROR, "10.0.1.1/24"), ("server", &format!("{SERVER}/24")));
}

/// The lab's shop without its TLS side.
fn start_server(network: &Network, dir: &Path) -> (Process, Process) {
    let lab = root().join("deploy/lab/shop");
    let place = dir.to_str().expect("UTF-8");
    for name in ["nginx.conf", "php-fpm.conf"] {
        let text = fs::read_to_string(lab.join(format!("{name}.in"))).expect("the lab's configuration");
        let text = text.replace("@WORK@", place).replace("@PASSWORD@", PASSWORD);
        let text: String = text.lines().filter(|line| !line.contains("ssl")).map(|line| format!("{line}\n")).collect();
        fs::write(dir.join(name), text).expect("written");
    }
    fs::create_dir(dir.join("sessions")).expect("a folder");
    let copied = Command::new("cp").arg("-r").arg(lab.join("www")).arg(dir).status();
    let given = Command::new("chown").arg("www-data").arg(dir.join("sessions")).status();
    assert!([copied, given].into_iter().all(|done| done.is_ok_and(|status| status.success())), "cp and chown run");
    fs::set_permissions(dir, fs::Permissions::from_mode(0o755)).expect("permissions");

    let log = File::create(dir.join("log")).expect("a log");
    let start = |program: &str, words: &[&str]| {
        let mut command = network.command("server", program);
        command.args(words).stdout(Stdio::null()).stderr(log.try_clone().expect("the log"));
        Process::start(command).expect("started")
    };
    let php = start(&php_fpm().expect("looked for before"), &["-y", &format!("{place}/php-fpm.conf")]);
    let words = ["-e", &format!("{place}/nginx.log"), "-c", &format!("{place}/nginx.conf"), "-g", "daemon off;"];
    (start("nginx", &words), php)
}

/// A reverse proxy before the shop, set up as its manual says.
fn start_proxy(network: &Network, dir: &Path) -> Process {
    let place = dir.to_str().expect("UTF-8");
    let kept = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    let kept: String = kept.map(|kind| format!("{kind}_temp_path {place}/proxy-{kind}; ")).concat();
    let config = format!(
        "user www-data; worker_processes 1; pid {place}/proxy.pid; events {{}}\n\
         http {{ access_log off; {kept}\n\
         server {{ listen 80; location / {{ proxy_pass http://{SERVER}; proxy_set_header Host $host;\n\
         proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; }} }} }}\n"
    );
    fs::write(dir.join("proxy.conf"), config).expect("written");
    let mut command = network.command("proxy", "nginx");
    command.args(["-e", &format!("{place}/proxy.log"), "-c", &format!("{place}/proxy.conf"), "-g", "daemon off;"]);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    Process::start(command).expect("started")
}

/// PHP's process manager; Debian's name for it ends in a version.
fn php_fpm() -> Option<String> {
    shell("compgen -c php-fpm | sort -V | tail -n 1")
}

fn installed(tool: &str) -> bool {
    shell(&format!("command -v {tool}")).is_some()
}

/// What a line of shell prints, if anything.
fn shell(line: &str) -> Option<String> {
    let output = Command::new("bash").args(["-c", line]).output().expect("bash runs");
    Some(String::from_utf8_lossy(&output.stdout).trim().to_owned()).filter(|text| !text.is_empty())
}

/// Says so where it is seen: what a passing test prints, the test runner swallows.
fn skip<T>(why: &str) -> Option<T> {
    let test = std::thread::current().name().unwrap_or("live").to_owned();
    let _ = writeln!(io::stderr(), "skipped {test}: {why}");
    None
}
