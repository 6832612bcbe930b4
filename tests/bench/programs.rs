//! Which programs read the captures, and how are they called?

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::Result;

/// A program on a capture.
pub(crate) struct Run {
    /// Its name in the table.
    pub(crate) name: &'static str,
    /// How it is called.
    pub(crate) command: Vec<String>,
    /// The packets that it reads, when those are not all.
    pub(crate) slice: Option<u64>,
    /// A file that it must write: one that writes nothing has not done the work.
    pub(crate) writes: Option<PathBuf>,
}

/// Which programs there are.
pub(crate) struct Programs {
    tokentrail: String,
    has_tshark: bool,
    has_suricata: bool,
    /// tshark takes a hundred times as long as the rest: it reads no more packets than this.
    tshark_packets: u64,
}

impl Programs {
    pub(crate) fn find(tokentrail: String, tshark_packets: u64) -> Self {
        let answers = |program: &str, argument: &str| {
            let mut command = Command::new(program);
            command.arg(argument).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            command.status().is_ok_and(|status| status.success())
        };
        Self {
            tokentrail,
            has_tshark: tshark_packets > 0 && answers("tshark", "--version"),
            has_suricata: answers("suricata", "-V"),
            tshark_packets,
        }
    }

    /// Names of the peers that are not there.
    pub(crate) fn missing(&self) -> Vec<&'static str> {
        let peers = [("tshark", self.has_tshark), ("suricata", self.has_suricata)];
        peers.into_iter().filter(|(_, is_there)| !is_there).map(|(name, _)| name).collect()
    }

    /// The runs on a capture of so many packets, the libpcap loop first; `room` is a directory for
    /// what they write.
    pub(crate) fn runs(&self, capture: &Path, packets: u64, room: &Path) -> Result<Vec<Run>> {
        let capture = capture.display().to_string();
        let this = std::env::current_exe()?.display().to_string();
        let alerts = room.join("alerts.json");
        let alerts_file = alerts.display().to_string();
        let mut runs = vec![
            Run { name: "libpcap loop", command: words(&[&this, "libpcap-loop", &capture]), slice: None, writes: None },
            Run {
                name: "tokentrail",
                command: words(&[&self.tokentrail, "replay", &capture, "--alerts", &alerts_file]),
                slice: None,
                writes: Some(alerts),
            },
        ];
        if self.has_tshark {
            let count = self.tshark_packets.to_string();
            let fields = ["-Y", "http.cookie", "-T", "fields", "-e", "ip.src", "-e", "http.cookie"];
            let mut command = words(&["tshark", "-n", "-r", &capture, "-c", &count]);
            command.extend(words(&fields));
            let slice = Some(self.tshark_packets).filter(|slice| *slice < packets);
            runs.push(Run { name: "tshark", command, slice, writes: None });
        }
        if self.has_suricata {
            let logs = room.join("suricata");
            fs::create_dir_all(&logs)?;
            let config = room.join("suricata.yaml");
            fs::write(&config, SURICATA)?;
            let writes = Some(logs.join("eve.json"));
            let (logs, config) = (logs.display().to_string(), config.display().to_string());
            let command = ["suricata", "-c", &config, "-r", &capture, "-l", &logs, "--runmode", "single", "-k", "none"];
            runs.push(Run { name: "suricata", command: words(&command), slice: None, writes });
        }
        Ok(runs)
    }
}

/// No rules; HTTP and TLS are logged, which is the least that one would ask for.
const SURICATA: &str = "%YAML 1.1
---
outputs:
  - eve-log:
      enabled: yes
      filetype: regular
      filename: eve.json
      types:
        - http
        - tls
app-layer:
  protocols:
    http: {enabled: yes}
    tls: {enabled: yes, detection-ports: {dp: 443}}
";

fn words(of: &[&str]) -> Vec<String> {
    of.iter().map(ToString::to_string).collect()
}
