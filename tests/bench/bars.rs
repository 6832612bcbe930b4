//! Does the cost grow as it should? Ratios and sizes of tokentrail alone, each beside its bar.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::generate::{self, Shape, Totals};
use crate::measure::{self, Cost};

/// What the bars are measured with.
pub(crate) struct Bench<'a> {
    /// The program.
    pub(crate) tokentrail: &'a str,
    /// A directory for captures and output.
    pub(crate) room: &'a Path,
    /// Size of the captures.
    pub(crate) scale: f64,
    /// Seed of the captures.
    pub(crate) seed: u64,
    /// Runs of which the median counts.
    pub(crate) runs: usize,
}

/// What to run on a capture, and the number of packets in it.
struct Case {
    flags: Vec<&'static str>,
    capture: PathBuf,
    packets: u64,
    output: PathBuf,
}

impl Bench<'_> {
    /// Measures everything and prints it.
    pub(crate) fn measure_all(&self) -> Result<()> {
        println!("\nbars (of tokentrail alone; at another scale than 1 sizes are not what the bars mean)");
        self.open_flows()?;
        self.sessions()?;
        self.workers()
    }

    /// Cost of a packet and size of a flow, by how many connections are open.
    fn open_flows(&self) -> Result<()> {
        let exchanges = |connections: u64| self.scaled(96_000) * 6 / connections.max(1);
        let (few, many) = (self.scaled(3_000), self.scaled(96_000));
        let few = self.case("few", Shape::Open { connections: few, exchanges: exchanges(few) }, &[])?;
        let many = self.case("many", Shape::Open { connections: many, exchanges: exchanges(many) }, &[])?;
        let [at_few, at_many] = self.in_turn([&few, &many])?;
        let each = |cost: Cost, case: &Case| cost.cpu as f64 * 1e3 / case.packets as f64;
        let (one, other) = (each(at_few, &few), each(at_many, &many));
        show("ns a packet at 3,000 open connections", one, None);
        show("ns a packet at 96,000 open connections", other, None);
        show("  times as much", other / one, Some(3.0));

        let small = self.scaled(3_000);
        let large = self.scaled(100_000);
        let base = self.case("base", Shape::Idle { connections: small }, &[])?;
        let idle = self.case("idle", Shape::Idle { connections: large }, &[])?;
        // In turn: at one moment all wait for their replies.
        let waiting = self.case("waiting", Shape::Open { connections: large, exchanges: 2 }, &[])?;
        let [at_base, at_idle, at_waiting] = self.in_turn([&base, &idle, &waiting])?;
        show("peak MiB at 3,000 idle connections", at_base.peak as f64 / 1024.0, Some(24.0));
        let each = |cost: Cost| {
            let more = (cost.peak - at_base.peak) as f64 * 1024.0;
            more / large.saturating_sub(small).max(1) as f64
        };
        show("bytes for each of 100,000 idle connections with its session", each(at_idle), Some(640.0));
        show("  when each waits for a reply", each(at_waiting), None);
        for case in [few, many, base, idle, waiting] {
            fs::remove_file(case.capture)?;
        }
        Ok(())
    }

    fn sessions(&self) -> Result<()> {
        let sessions = self.scaled(1_000_000);
        let case = self.case("sessions", Shape::Sessions { sessions, connections: 1_000.min(sessions) }, &[])?;
        let [cost] = self.in_turn([&case])?;
        let said = fs::read_to_string(case.output.with_extension("stderr"))?;
        let word = said.split_whitespace().zip(said.split_whitespace().skip(1));
        let counted =
            word.filter(|(_, unit)| unit.starts_with("session")).find_map(|(n, _)| n.replace(',', "").parse().ok());
        let counted: u64 = counted.with_context(|| format!("no sessions in {said:?}"))?;
        ensure!(counted == sessions, "{counted} sessions instead of {sessions}");
        show(&format!("peak MiB with {counted} sessions"), cost.peak as f64 / 1024.0, Some(640.0));
        fs::remove_file(case.capture)?;
        Ok(())
    }

    fn workers(&self) -> Result<()> {
        for (name, kind) in [("http-mix", generate::Kind::HttpMix), ("small-packets", generate::Kind::SmallPackets)] {
            let one = self.case("one", Shape::Mix(kind), &["--workers", "1"])?;
            let two = Case {
                flags: vec!["--workers", "2"],
                output: self.room.join("two.out"),
                capture: one.capture.clone(),
                ..one
            };
            let [alone, shared] = self.in_turn([&one, &two])?;
            let alerts = [&one, &two].map(|case| fs::read(case.output.with_extension("alerts")));
            let [first, second] = alerts;
            let (first, second) = (first?, second?);
            ensure!(first == second, "two workers tell other alerts than one on {name}");
            let ratio = shared.cpu as f64 / alone.cpu.max(1) as f64;
            let lines = first.iter().filter(|byte| **byte == b'\n').count();
            show(&format!("CPU of two workers over one, {name}, the same {lines} alerts"), ratio, Some(1.3));
            show("  time on the clock", shared.wall as f64 / alone.wall.max(1) as f64, None);
            fs::remove_file(one.capture)?;
        }
        Ok(())
    }

    fn scaled(&self, size: u64) -> u64 {
        ((size as f64 * self.scale) as u64).max(10)
    }

    fn case(&self, name: &str, shape: Shape, flags: &[&'static str]) -> Result<Case> {
        let capture = self.room.join(name).with_extension("pcap");
        let mut file = BufWriter::with_capacity(1 << 20, File::create(&capture)?);
        let Totals { packets, .. } = generate::write_shape(shape, self.scale, self.seed, &mut file)?;
        file.flush()?;
        let output = self.room.join(name).with_extension("out");
        Ok(Case { flags: flags.to_vec(), capture, packets, output })
    }

    /// The median cost of each case: A, B, A, B … after one round that is not counted.
    fn in_turn<const N: usize>(&self, cases: [&Case; N]) -> Result<[Cost; N]> {
        let key = self.room.join("key");
        fs::write(&key, [7; 32])?;
        fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
        let mut costs = cases.map(|_| Vec::new());
        for round in 0..=self.runs.max(1) {
            for (case, costs) in cases.iter().zip(&mut costs) {
                let alerts = case.output.with_extension("alerts");
                let paths = [&case.capture, &key, &alerts].map(|path| path.display().to_string());
                let [capture, key, alerts] = &paths;
                let fixed = [self.tokentrail, "replay", capture, "--token-key-file", key, "--alerts", alerts];
                let command: Vec<String> = fixed.iter().chain(&case.flags).map(|word| (*word).to_owned()).collect();
                let cost = measure::run(&command, &case.output)?;
                if round > 0 {
                    costs.push(cost);
                }
            }
        }
        let medians = costs.map(|costs| Cost::median(&costs));
        ensure!(medians.iter().all(Option::is_some), "no run");
        Ok(medians.map(Option::unwrap_or_default))
    }
}

/// A figure, and the bar it should not exceed.
fn show(what: &str, figure: f64, bar: Option<f64>) {
    print!("  {what:<62}{figure:>10.2}");
    match bar {
        Some(bar) if figure > bar => println!("   over the bar of {bar}"),
        Some(bar) => println!("   bar {bar}"),
        None => println!(),
    }
}
