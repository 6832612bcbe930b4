//! What does a command cost? CPU time and memory of a child process, as the kernel accounts them.
//!
//! The kernel adds up what all finished children took. So each command is run by a process of its own,
//! the meter, that has no other child; it is this program again, called with `meter`.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;

/// What one run took.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Cost {
    /// User and system time, in microseconds.
    pub(crate) cpu: i64,
    /// Time on the clock, in microseconds.
    pub(crate) wall: i64,
    /// Largest resident set, in KiB. It cannot show less than that of the meter, about 4 MiB.
    pub(crate) peak: i64,
}

impl Cost {
    /// The median of each figure on its own.
    pub(crate) fn median(runs: &[Self]) -> Option<Self> {
        let middle = |of: fn(&Self) -> i64| {
            let mut all: Vec<_> = runs.iter().map(of).collect();
            all.sort_unstable();
            all.get(all.len() / 2).copied()
        };
        Some(Self { cpu: middle(|run| run.cpu)?, wall: middle(|run| run.wall)?, peak: middle(|run| run.peak)? })
    }
}

/// Runs `command` under a meter, its output in `output`, its complaints in a file beside that.
///
/// # Errors
/// When it cannot be started or fails, with its last words.
pub(crate) fn run(command: &[String], output: &Path) -> Result<Cost> {
    let complaints = output.with_extension("stderr");
    let meter = Command::new(std::env::current_exe()?)
        .args(["meter", "--output"])
        .arg(output)
        .arg("--")
        .args(command)
        // The last words are to be those of the command.
        .env("RUST_BACKTRACE", "0")
        .stderr(File::create(&complaints)?)
        .output()
        .context("the meter does not start")?;
    if !meter.status.success() {
        let text = String::from_utf8_lossy(&fs::read(&complaints)?).into_owned();
        let last: Vec<_> = text.lines().rev().take(5).collect();
        bail!("{}: {}", command.join(" "), last.into_iter().rev().collect::<Vec<_>>().join("\n"));
    }
    let figures = String::from_utf8(meter.stdout)?;
    let figures = figures.split_whitespace().map(str::parse).collect::<Result<Vec<i64>, _>>()?;
    let [cpu, wall, peak] = figures[..] else { bail!("the meter said {figures:?}") };
    Ok(Cost { cpu, wall, peak })
}

/// The meter: runs `command` and prints CPU time, wall time and peak memory of it.
pub(crate) fn meter(command: &[String], output: &Path) -> Result<()> {
    let Some((program, arguments)) = command.split_first() else { bail!("no command") };
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(File::create(output)?);
    #[allow(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
    let start = std::time::Instant::now();
    let status = command.status().with_context(|| program.clone())?;
    let wall = start.elapsed().as_micros();
    ensure!(status.success(), "{program} ended with {status}");
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let cpu = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    println!("{cpu} {wall} {}", usage.max_rss());
    Ok(())
}
