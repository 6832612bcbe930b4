//! What is said at the end? What was read as well as what was found, in a few lines.

use std::fmt::Write;

use crate::alert::Summary;
use crate::detect::Severity;

/// The closing lines; `left_out` packets were not chosen, and `min_severity` is the mildest severity
/// that was written.
pub(super) fn lines(told: &Summary, left_out: u64, min_severity: Severity) -> String {
    let mut text = String::new();
    let mut row = |label: &str, words: String| {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{label:<7} {words}");
    };
    let captures = match told.captures.as_slice() {
        [one] => one.to_string(),
        several => counted(several.len() as u64, "capture"),
    };
    row("read", format!("{captures}: {}, {}", counted(told.frames, "packet"), bytes(told.bytes)));
    if let (Some(first), Some(last)) = (told.first, told.last) {
        row("", format!("{first} to {last}, {}", span(last.since(first).as_secs())));
    }
    row(
        "",
        format!(
            "{}, {}, {}, {}, {}{}",
            counted(told.flows, "TCP connection"),
            counted(told.requests, "HTTP request"),
            counted(told.responses, "reply").replace("replys", "replies"),
            counted(told.tokens, "token sighting"),
            counted(told.sessions, "session"),
            match told.decrypted_connections {
                0 => String::new(),
                n => format!(", {} decrypted", counted(n, "connection")),
            }
        ),
    );
    let mut unseen = Vec::new();
    if left_out > 0 {
        unseen.push(format!("{} outside the filter or the times", counted(left_out, "packet")));
    }
    if told.opaque_connections > 0 {
        let share = told.opaque_connections.saturating_mul(100).checked_div(told.flows).unwrap_or_default();
        unseen.push(format!("{} encrypted, unread ({share} %)", counted(told.opaque_connections, "connection")));
    }
    if told.gaps > 0 {
        unseen.push(counted(told.gaps, "gap"));
    }
    if told.forwarded_ignored > 0 {
        let requests = counted(told.forwarded_ignored, "request");
        unseen.push(format!("the clients named by {requests} from no trusted proxy (see --trusted-proxy)"));
    }
    for (layer, n) in &told.decode_errors {
        unseen.push(match *layer {
            "fragment" => format!("{} not put together", counted(*n, "IP fragment")),
            "neighbour" => format!("{} of ARP, neighbour discovery or DHCP broken or cut", counted(*n, "message")),
            layer => format!("{} with a broken {layer} header", counted(*n, "packet")),
        });
    }
    for (limit, n) in &told.limits_hit {
        unseen.push(format!("limit {limit} reached {}", counted(*n, "time")));
    }
    if !told.truncated.is_empty() {
        unseen.push(format!(
            "{} not to the end: {}",
            counted(told.truncated.len() as u64, "file"),
            told.truncated.join(", ")
        ));
    }
    row("unseen", if unseen.is_empty() { "nothing".to_owned() } else { unseen.join(", ") });
    let found: Vec<String> = Severity::ALL
        .into_iter()
        .rev()
        .filter_map(|severity| {
            let n = told.alerts.get(&severity).copied().filter(|n| *n > 0)?;
            let kept = if severity < min_severity { " (not written)" } else { "" };
            Some(format!("{n} {}{kept}", severity.as_str()))
        })
        .collect();
    row("found", if found.is_empty() { "no alerts".to_owned() } else { format!("alerts: {}", found.join(", ")) });
    text
}

/// `1 packet`, `12,345 packets`.
fn counted(n: u64, thing: &str) -> String {
    format!("{} {thing}{}", indicatif::HumanCount(n), if n == 1 { "" } else { "s" })
}

/// `90 s`, `25 min`, `7 h`, `12 d`: the largest unit of which there are a few, without the rest.
fn span(seconds: u64) -> String {
    let units = [("d", 86_400), ("h", 3_600), ("min", 60)];
    let fits = units.into_iter().find(|(_, length)| seconds >= 3 * length);
    fits.map_or_else(|| format!("{seconds} s"), |(unit, length)| format!("{} {unit}", seconds / length))
}

fn bytes(n: u64) -> String {
    indicatif::HumanBytes(n).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::time::Timestamp;

    #[test]
    fn what_was_read_comes_before_what_was_found() {
        let told = Summary {
            first: Some(Timestamp::from_parts(1_700_000_000, 0)),
            last: Some(Timestamp::from_parts(1_700_000_090, 0)),
            frames: 12_345,
            bytes: 3 << 20,
            flows: 8,
            requests: 1,
            responses: 2,
            tokens: 40,
            sessions: 3,
            opaque_connections: 2,
            gaps: 1,
            forwarded_ignored: 5,
            decode_errors: [("fragment", 4), ("ip", 1)].into(),
            limits_hit: [("http_head", 2)].into(),
            alerts: [(Severity::Critical, 1), (Severity::Low, 0), (Severity::Informational, 5)].into(),
            captures: vec!["a.pcap".into()],
            truncated: vec!["a.pcap".into()],
            ..Summary::default()
        };
        let expected = "read    a.pcap: 12,345 packets, 3.00 MiB\n        \
                        2023-11-14T22:13:20.000Z to 2023-11-14T22:14:50.000Z, 90 s\n        \
                        8 TCP connections, 1 HTTP request, 2 replies, 40 token sightings, 3 sessions\n\
                        unseen  7 packets outside the filter or the times, 2 connections encrypted, unread (25 %), 1 gap, \
                        the clients named by 5 requests from no trusted proxy (see --trusted-proxy), 4 IP fragments not put together, \
                        1 packet with a broken ip header, limit http_head reached 2 times, 1 file not to the end: a.pcap\n\
                        found   alerts: 1 critical, 5 informational (not written)\n";
        assert_eq!(lines(&told, 7, Severity::Low), expected);
    }

    #[test]
    fn long_spans_are_told_in_long_units() {
        let told = [0, 179, 180, 10_799, 10_800, 259_199, 259_200, 2_592_000].map(span);
        assert_eq!(told, ["0 s", "179 s", "3 min", "179 min", "3 h", "71 h", "3 d", "30 d"]);
    }

    #[test]
    fn nothing_is_said_as_such() {
        let text = lines(&Summary { captures: vec!["a".into(), "b".into()], ..Summary::default() }, 0, Severity::Low);
        assert!(text.starts_with("read    2 captures: 0 packets, 0 B\n"), "{text}");
        assert!(text.ends_with("unseen  nothing\nfound   no alerts\n"), "{text}");
    }
}
