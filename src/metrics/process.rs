//! What does the process itself use? The standard `process_*` metrics, read from `/proc`.

use std::fs;

use prometheus::{Counter, Gauge, Registry};

/// The standard metrics of a process. Where there is no `/proc` they stay 0.
pub(super) struct Process {
    cpu: Counter,
    open_fds: Gauge,
    max_fds: Gauge,
    virtual_memory: Gauge,
    resident_memory: Gauge,
    start_time: Gauge,
    threads: Gauge,
    units: Units,
}

/// What the kernel counts in.
#[derive(Clone, Copy, PartialEq, Debug)]
struct Units {
    ticks_per_second: f64,
    page_bytes: f64,
}

/// Fields of `/proc/self/stat` that are used.
#[derive(Clone, Copy, PartialEq, Debug)]
struct Stat {
    cpu_ticks: f64,
    threads: f64,
    start_ticks: f64,
    virtual_bytes: f64,
    resident_pages: f64,
}

impl Process {
    pub(super) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let gauge = |name: &str, help: &str| {
            let gauge = Gauge::new(name, help)?;
            registry.register(Box::new(gauge.clone())).map(|()| gauge)
        };
        let cpu = Counter::new("process_cpu_seconds_total", "User and system CPU time in seconds.")?;
        registry.register(Box::new(cpu.clone()))?;
        Ok(Self {
            cpu,
            open_fds: gauge("process_open_fds", "Open file descriptors.")?,
            max_fds: gauge("process_max_fds", "Highest allowed number of open file descriptors.")?,
            virtual_memory: gauge("process_virtual_memory_bytes", "Virtual memory in bytes.")?,
            resident_memory: gauge("process_resident_memory_bytes", "Resident memory in bytes.")?,
            start_time: gauge("process_start_time_seconds", "Start of the process since the Unix epoch in seconds.")?,
            threads: gauge("process_threads", "Operating-system threads.")?,
            units: fs::read("/proc/self/auxv").map_or(Units::COMMON, |auxv| Units::read(&auxv)),
        })
    }

    pub(super) fn refresh(&self) {
        if let Some(stat) = fs::read_to_string("/proc/self/stat").ok().as_deref().and_then(Stat::read) {
            let cpu = stat.cpu_ticks / self.units.ticks_per_second;
            self.cpu.inc_by((cpu - self.cpu.get()).max(0.0));
            self.threads.set(stat.threads);
            self.virtual_memory.set(stat.virtual_bytes);
            self.resident_memory.set(stat.resident_pages * self.units.page_bytes);
            if let Some(boot) = fs::read_to_string("/proc/stat").ok().as_deref().and_then(boot_time) {
                self.start_time.set(boot + stat.start_ticks / self.units.ticks_per_second);
            }
        }
        if let Ok(entries) = fs::read_dir("/proc/self/fd") {
            // The directory itself is open while it is read.
            self.open_fds.set(count(entries.count().saturating_sub(1)));
        }
        if let Some(limit) = fs::read_to_string("/proc/self/limits").ok().as_deref().and_then(open_file_limit) {
            self.max_fds.set(limit);
        }
    }
}

impl Units {
    /// What nearly every Linux has.
    const COMMON: Self = Self { ticks_per_second: 100.0, page_bytes: 4096.0 };

    /// Reads the auxiliary vector (getauxval(3)): `AT_PAGESZ` is 6, `AT_CLKTCK` is 17.
    fn read(auxv: &[u8]) -> Self {
        let (pairs, _) = auxv.as_chunks::<{ 2 * size_of::<usize>() }>();
        let (mut units, word) = (Self::COMMON, size_of::<usize>());
        for pair in pairs {
            let number = |bytes: &[u8]| bytes.try_into().map_or(0, usize::from_ne_bytes);
            let (key, value) = pair.split_at(word);
            match number(key) {
                6 => units.page_bytes = count(number(value)),
                17 => units.ticks_per_second = count(number(value)),
                _ => {}
            }
        }
        units
    }
}

impl Stat {
    /// Reads proc_pid_stat(5). The name of the program, in parentheses, may hold anything.
    fn read(text: &str) -> Option<Self> {
        let fields: Vec<&str> = text.rsplit_once(')')?.1.split_ascii_whitespace().collect();
        // The first field after the name is number 3 of the manual page.
        let field = |number: usize| fields.get(number - 3)?.parse::<f64>().ok();
        Some(Self {
            cpu_ticks: field(14)? + field(15)?,
            threads: field(20)?,
            start_ticks: field(22)?,
            virtual_bytes: field(23)?,
            resident_pages: field(24)?,
        })
    }
}

fn boot_time(stat: &str) -> Option<f64> {
    stat.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()
}

fn open_file_limit(limits: &str) -> Option<f64> {
    limits.lines().find_map(|line| line.strip_prefix("Max open files"))?.split_ascii_whitespace().next()?.parse().ok()
}

#[allow(clippy::cast_precision_loss, reason = "counts of a process are far below 2^53")]
fn count(n: usize) -> f64 {
    n as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hostile_program_name_is_stepped_over() {
        let mut fields: Vec<String> = (3..=24).map(|n| n.to_string()).collect();
        fields[0] = "S".to_owned();
        let stat = Stat::read(&format!("7 (a) b (c) {}", fields.join(" "))).unwrap();
        let expected =
            Stat { cpu_ticks: 29.0, threads: 20.0, start_ticks: 22.0, virtual_bytes: 23.0, resident_pages: 24.0 };
        assert_eq!(stat, expected);
        assert_eq!(Stat::read("7 (short) S 1 2"), None);
        assert_eq!(Stat::read(""), None);
    }

    #[test]
    fn other_files() {
        assert_eq!(boot_time("cpu 1\nbtime 1700000000\n"), Some(1_700_000_000.0));
        assert_eq!(open_file_limit("Max open files            1024       4096       files\n"), Some(1024.0));
        let auxv: Vec<u8> = [6, 16384, 17, 250, 0, 0].iter().flat_map(|n: &usize| n.to_ne_bytes()).collect();
        assert_eq!(Units::read(&auxv), Units { ticks_per_second: 250.0, page_bytes: 16384.0 });
        assert_eq!(Units::read(&[]), Units::COMMON);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_process_is_measured() {
        let process = Process::new(&Registry::new()).unwrap();
        process.refresh();
        assert!(process.resident_memory.get() > 100_000.0);
        assert!(process.start_time.get() > 1_700_000_000.0);
        assert!(process.open_fds.get() >= 3.0);
        assert!(process.threads.get() >= 1.0);
    }
}
