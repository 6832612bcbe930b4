//! Is every series there from the start, and does none come later?

use std::io::Write;
use std::process::{Command, Stdio};

use super::snapshot::{InterfaceCounts, OutputCounts};
use super::*;

fn metrics() -> Metrics {
    Metrics::new(&Layout {
        interfaces: &["eth0".to_owned(), "eth1".to_owned()],
        outputs: &["file".to_owned()],
        detectors: &["token.new_ip", "token.new_client"],
        rules: &[("tokens", 40)],
        pools: &[("sessions", 512 << 20), ("flows", 200 << 20), ("reassembly", 256 << 20)],
        workers: 1,
        loaded: Timestamp::from_parts(1_700_000_000, 0),
    })
    .unwrap()
}

fn busy() -> Snapshot {
    Snapshot {
        interfaces: vec![
            InterfaceCounts::default(),
            InterfaceCounts {
                packets: 7,
                bytes: 700,
                kernel_drops: 2,
                interface_drops: 1,
                gaps: 1,
                last_packet: Some(Timestamp::from_parts(1_700_000_001, 500_000_000)),
            },
        ],
        outputs: vec![OutputCounts { events: 3, errors: 1, dropped: 1 }],
        alerts: vec![[0; 5], [0, 0, 0, 0, 2]],
        values: vec![
            ("decode_errors_total", "ip", 4),
            ("flows_active", "", 5),
            ("memory_bytes", "sessions", 1024),
            ("no_such_family", "", 1),
            ("decode_errors_total", "from the wire", 1),
        ],
    }
}

fn series(text: &str) -> Vec<String> {
    text.lines().filter(|line| !line.starts_with('#')).map(|line| line.rsplit_once(' ').unwrap().0.to_owned()).collect()
}

#[test]
fn every_series_is_there_from_the_start() {
    let metrics = metrics();
    let before = metrics.render().unwrap();
    for line in [
        "tokentrail_capture_packets_total{interface=\"eth1\"} 0",
        "tokentrail_capture_drops_total{interface=\"eth0\",reason=\"kernel\"} 0",
        "tokentrail_decode_errors_total{layer=\"tcp\"} 0",
        "tokentrail_capture_unread_total{reason=\"ip_fragment\"} 0",
        "tokentrail_decapsulated_packets_total{encapsulation=\"vlan\"} 0",
        "tokentrail_tls_connections_total{version=\"unknown\"} 0",
        "tokentrail_panics_total{stage=\"packet\"} 0",
        "tokentrail_detection_delay_seconds_count 0",
        "tokentrail_worker_busy_seconds_total{worker=\"0\"} 0",
        "tokentrail_alerts_total{detector=\"token.new_client\",severity=\"critical\"} 0",
        "tokentrail_token_sightings_total{class=\"bearer\"} 0",
        "tokentrail_output_events_total{output=\"file\"} 0",
        "tokentrail_rules_loaded{kind=\"tokens\"} 40",
        "tokentrail_config_last_reload_success_timestamp_seconds 1700000000",
    ] {
        assert!(before.lines().any(|l| l == line), "{line} is not in\n{before}");
    }
    metrics.update(&busy());
    let after = metrics.render().unwrap();
    assert_eq!(series(&before), series(&after));
    assert!(series(&after).len() <= 600, "{} series", series(&after).len());
}

#[test]
fn snapshots_move_series_and_counters_never_go_back() {
    let metrics = metrics();
    metrics.update(&busy());
    metrics.update(&busy());
    metrics.told_after(Duration::from_millis(75));
    metrics.worked(0, Duration::from_millis(500));
    metrics.worked(0, Duration::from_millis(1500));
    let text = metrics.render().unwrap();
    for line in [
        "tokentrail_capture_packets_total{interface=\"eth0\"} 0",
        "tokentrail_capture_packets_total{interface=\"eth1\"} 7",
        "tokentrail_capture_drops_total{interface=\"eth1\",reason=\"kernel\"} 2",
        "tokentrail_capture_gaps_total{interface=\"eth1\"} 1",
        "tokentrail_capture_last_packet_timestamp_seconds{interface=\"eth1\"} 1700000001.5",
        "tokentrail_decode_errors_total{layer=\"ip\"} 4",
        "tokentrail_flows_active 5",
        "tokentrail_memory_bytes{pool=\"sessions\"} 1024",
        "tokentrail_alerts_total{detector=\"token.new_client\",severity=\"critical\"} 2",
        "tokentrail_output_errors_total{output=\"file\"} 1",
        "tokentrail_detection_delay_seconds_bucket{le=\"0.05\"} 0",
        "tokentrail_detection_delay_seconds_bucket{le=\"0.1\"} 1",
        "tokentrail_worker_busy_seconds_total{worker=\"0\"} 1.5",
    ] {
        assert!(text.lines().any(|l| l == line), "{line} is not in\n{text}");
    }
    metrics.update(&Snapshot { values: vec![("decode_errors_total", "ip", 1), ("flows_active", "", 0)], ..busy() });
    let text = metrics.render().unwrap();
    assert!(text.contains("tokentrail_decode_errors_total{layer=\"ip\"} 4\n"));
    assert!(text.contains("tokentrail_flows_active 0\n"));
}

#[test]
fn every_class_of_token_has_a_series() {
    let text = metrics().render().unwrap();
    for class in crate::token::TokenClass::ALL {
        assert!(text.contains(&format!("tokentrail_token_sightings_total{{class=\"{}\"}} 0", class.as_str())));
    }
}

#[test]
fn promtool_finds_nothing_wrong() {
    let child = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut child) = child else {
        eprintln!("skipped: promtool is not installed");
        return;
    };
    let metrics = metrics();
    metrics.update(&busy());
    child.stdin.take().unwrap().write_all(metrics.render().unwrap().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.trim().is_empty(), "promtool check metrics: {said}");
}
