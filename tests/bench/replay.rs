//! What does it cost to read a capture: a bare libpcap loop, tokentrail, and others that look for
//! cookies? Generates captures, lets the programs read them in turn, and prints CPU time as ratios.
//! Then what grows and how far, each figure beside its bar.
//!
//! `make bench`, or `cargo bench --bench replay -- --scale 0.1` for a quick look. Time on a shared
//! machine is noise: only the ratios of one run can be compared, with those of another run too.

mod bars;
mod generate;
mod libpcap_loop;
mod measure;
mod programs;

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use clap::{Parser, Subcommand};
use generate::{Kind, THIEVES, Totals};
use measure::Cost;
use programs::{Programs, Run};

/// Measures tokentrail beside a bare libpcap loop and its peers.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    inner: Option<Inner>,
    /// Size of the captures; at 1 they take 0.8 GB, one after the other.
    #[arg(long, default_value_t = 1.0)]
    scale: f64,
    /// Seed of the captures.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Runs of every program; medians are shown.
    #[arg(long, default_value_t = 5)]
    runs: usize,
    /// Only captures with this in their name; `bars` is for the figures with bars alone.
    #[arg(long)]
    only: Option<String>,
    /// The program to be measured.
    #[arg(long, default_value = env!("CARGO_BIN_EXE_tokentrail"))]
    tokentrail: String,
    /// Packets that tshark reads of each capture; 0 leaves it out.
    #[arg(long, default_value_t = 100_000)]
    tshark_packets: u64,
    /// Keeps the captures.
    #[arg(long)]
    keep: bool,
    /// Is given by `cargo bench`.
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Subcommand)]
enum Inner {
    /// Counts packets with libpcap and nothing else.
    #[command(hide = true)]
    LibpcapLoop { capture: PathBuf },
    /// Runs a command and prints what it took.
    #[command(hide = true)]
    Meter {
        #[arg(long)]
        output: PathBuf,
        #[arg(last = true)]
        command: Vec<String>,
    },
}

fn main() -> Result<()> {
    // `cargo test --all-targets` calls every benchmark with the flags of tests; a measurement is none.
    let has = |word: &str| std::env::args().any(|argument| argument == word);
    if !has("--bench") && !has("libpcap-loop") && !has("meter") {
        return Ok(());
    }
    let arguments = Arguments::parse();
    match &arguments.inner {
        Some(Inner::LibpcapLoop { capture }) => libpcap_loop::run(capture),
        Some(Inner::Meter { output, command }) => measure::meter(command, output),
        None => measure_all(&arguments),
    }
}

fn measure_all(arguments: &Arguments) -> Result<()> {
    let room = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bench");
    fs::create_dir_all(&room)?;
    let programs = Programs::find(arguments.tokentrail.clone(), arguments.tshark_packets);
    println!("CPU is user and system time of the whole process; median of {} runs in turn.", arguments.runs);
    for name in programs.missing() {
        println!("{name} is not measured: it is not installed or was left out.");
    }
    let mut start_up = Vec::new();
    for kind in Kind::ALL {
        // The empty capture is always read: it says what starting each program costs.
        let is_wanted = arguments.only.as_ref().is_none_or(|only| kind.name().contains(only));
        if !is_wanted && kind != Kind::Empty {
            continue;
        }
        let capture = room.join(kind.name()).with_extension("pcap");
        let mut file = BufWriter::with_capacity(1 << 20, File::create(&capture)?);
        let totals = generate::write(kind, arguments.scale, arguments.seed, &mut file)?;
        file.flush()?;
        drop(file);
        show_capture(kind, totals);
        let runs = programs.runs(&capture, totals.packets, &room)?;
        let costs = in_turn(&runs, totals, &room, arguments.runs)?;
        if kind == Kind::Empty {
            start_up = costs.iter().map(|cost| cost.as_ref().map_or(0, |cost| cost.cpu)).collect();
        }
        show_costs(&runs, &costs, &start_up, totals);
        let is_done = runs.iter().zip(&costs).any(|(run, cost)| run.name == "tokentrail" && cost.is_ok());
        if totals.thefts > 0 && is_done {
            show_findings(&room.join("alerts.json"), totals.thefts)?;
        }
        if !arguments.keep {
            fs::remove_file(&capture)?;
        }
    }
    if arguments.only.as_ref().is_none_or(|only| "bars".contains(only)) {
        let Arguments { tokentrail, scale, seed, runs, .. } = arguments;
        let bench = bars::Bench { tokentrail, room: &room, scale: *scale, seed: *seed, runs: *runs };
        bench.measure_all()?;
    }
    Ok(())
}

/// The median cost of each run: A, B, C, A, B, C … A program that fails once is not tried again.
fn in_turn(runs: &[Run], totals: Totals, room: &Path, times: usize) -> Result<Vec<Result<Cost>>> {
    let mut costs: Vec<Result<Vec<Cost>>> = runs.iter().map(|_| Ok(Vec::new())).collect();
    // The first reading brings the file into the page cache.
    let (Some(reference), output) = (runs.first(), room.join("output")) else { return Ok(Vec::new()) };
    measure::run(&reference.command, &output)?;
    let expected = format!("{} {}\n", totals.packets, totals.bytes);
    ensure!(fs::read_to_string(&output)? == expected, "libpcap does not read {} from the capture", expected.trim());
    for _ in 0..times.max(1) {
        for (run, costs) in runs.iter().zip(&mut costs) {
            if let Ok(so_far) = costs {
                match run_once(run, &output) {
                    Ok(cost) => so_far.push(cost),
                    Err(error) => *costs = Err(error),
                }
            }
        }
    }
    Ok(costs.into_iter().map(|costs| Cost::median(&costs?).context("no run")).collect())
}

fn run_once(run: &Run, output: &Path) -> Result<Cost> {
    let Some(writes) = &run.writes else { return measure::run(&run.command, output) };
    if writes.exists() {
        fs::remove_file(writes)?;
    }
    let cost = measure::run(&run.command, output)?;
    ensure!(writes.exists(), "{} did not write {}", run.command.join(" "), writes.display());
    Ok(cost)
}

fn show_capture(kind: Kind, totals: Totals) {
    let Totals { packets, bytes, connections, thefts } = totals;
    print!("\n{}: {packets} packets", kind.name());
    if let Some(mean) = bytes.checked_div(packets) {
        print!(", {:.1} MB, {mean} bytes a packet, ", bytes as f64 / 1e6);
        print!("{connections} connections, {thefts} stolen cookies");
    }
    println!("\n  {:<14}{:>9}{:>9}{:>12}{:>9}{:>11}", "program", "CPU s", "x loop", "ns/packet", "wall s", "peak MiB");
}

fn show_costs(runs: &[Run], costs: &[Result<Cost>], start_up: &[i64], totals: Totals) {
    let reference = costs.first().and_then(|cost| cost.as_ref().ok()).map_or(0, |cost| cost.cpu);
    for ((run, cost), start_up) in runs.iter().zip(costs).zip(start_up) {
        let Cost { cpu, wall, peak } = match cost {
            Ok(cost) => *cost,
            Err(error) => {
                println!("  {:<14}failed: {error}", run.name);
                continue;
            }
        };
        // What a slice costs beyond the start is taken to grow with its packets.
        let grow = |micros: i64| {
            let more = run.slice.map_or(1.0, |slice| totals.packets as f64 / slice as f64);
            *start_up as f64 + (micros - start_up) as f64 * more
        };
        let cpu = grow(cpu);
        print!("  {:<14}{:>9.3}{:>9.2}", run.name, cpu / 1e6, cpu / reference.max(1) as f64);
        match totals.packets {
            0 => print!("{:>12}", "-"),
            packets => print!("{:>12.0}", cpu * 1e3 / packets as f64),
        }
        print!("{:>9.3}{:>11.1}", wall as f64 / 1e6, peak as f64 / 1024.0);
        match run.slice {
            Some(slice) => println!("   CPU reckoned from the first {slice} packets; wall and peak of these"),
            None => println!(),
        }
    }
}

/// Says how many of the thieves are named as suspects: a fast program that finds nothing is not fast.
fn show_findings(alerts: &Path, thefts: u64) -> Result<()> {
    let text = fs::read_to_string(alerts).with_context(|| alerts.display().to_string())?;
    let mut suspects = BTreeSet::new();
    for line in text.lines() {
        let alert: serde_json::Value = serde_json::from_str(line)?;
        let suspect = alert.pointer("/tokentrail/suspect/ip").and_then(serde_json::Value::as_str);
        suspects.extend(suspect.and_then(|ip| ip.parse::<IpAddr>().ok()));
    }
    let is_thief = |ip: &&IpAddr| matches!(ip, IpAddr::V4(ip) if ip.octets()[..2] == THIEVES.octets()[..2]);
    let found = suspects.iter().filter(is_thief).count();
    println!("  suspects of tokentrail: {found} of {thefts} thieves, {} that stole nothing", suspects.len() - found);
    Ok(())
}
