//! Would an output overwrite what is read, or another output? Nothing is opened before this is known.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::Exit;
use super::refusal::Refusal;

/// Which file a path leads to, by whatever name.
#[derive(PartialEq, Eq)]
enum File {
    /// Device and inode of a regular file.
    There(u64, u64),
    /// One that is not there yet.
    New(PathBuf),
}

impl File {
    /// None for `-`, devices, pipes and what cannot be looked at: they hold nothing to overwrite.
    fn at(path: &Path) -> Option<Self> {
        match path.metadata() {
            Ok(known) if known.is_file() => Some(Self::There(known.dev(), known.ino())),
            Ok(_) => None,
            Err(_) if path == Path::new("-") => None,
            Err(_) => {
                let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
                Some(Self::New(folder.canonicalize().ok()?.join(path.file_name()?)))
            }
        }
    }
}

/// Refuses an output that is one of the captures to read.
pub(super) fn with_inputs(outputs: &[PathBuf], inputs: &[PathBuf]) -> Result<(), Refusal> {
    let written: Vec<(File, &PathBuf)> = outputs.iter().filter_map(|path| Some((File::at(path)?, path))).collect();
    for input in inputs {
        let read = File::at(input);
        if let Some((_, output)) = written.iter().find(|(file, _)| read.as_ref() == Some(file)) {
            return Err(Refusal::new(
                Exit::Usage,
                format_args!("{} is an input and would be overwritten", output.display()),
            ));
        }
    }
    Ok(())
}

/// Refuses alerts and events that go to one file, each over the other.
pub(super) fn of_results(alerts: Option<&Path>, events: Option<&Path>) -> Result<(), Refusal> {
    match (alerts, events, alerts.and_then(File::at), events.and_then(File::at)) {
        (Some(alerts), Some(_), Some(one), Some(other)) if one == other => Err(Refusal::new(
            Exit::Usage,
            format_args!("{} is given for alerts and for events; each needs a file of its own", alerts.display()),
        )),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn an_input_is_never_an_output_by_any_name() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::write(at("a.pcap"), "capture").unwrap();
        fs::hard_link(at("a.pcap"), at("hard")).unwrap();
        std::os::unix::fs::symlink(at("a.pcap"), at("soft")).unwrap();
        for name in ["a.pcap", "./a.pcap", "hard", "soft"] {
            assert!(with_inputs(&[at(name)], &[at("a.pcap")]).is_err(), "{name}");
        }
        for other in [at("new.json"), "-".into(), "/dev/null".into(), "/nonexistent/a".into()] {
            assert!(
                with_inputs(std::slice::from_ref(&other), &[at("a.pcap"), "/dev/null".into()]).is_ok(),
                "{other:?}"
            );
        }
    }

    #[test]
    fn alerts_and_events_never_share_a_file() {
        let dir = tempfile::tempdir().unwrap();
        let new = dir.path().join("new.json");
        let also_new = dir.path().join("./new.json");
        assert!(of_results(Some(&new), Some(&also_new)).is_err());
        fs::write(&new, "").unwrap();
        assert!(of_results(Some(&new), Some(&also_new)).is_err());
        assert!(of_results(Some(&new), Some(&dir.path().join("b.json"))).is_ok());
        for shared in ["-", "/dev/null"] {
            assert!(of_results(Some(Path::new(shared)), Some(Path::new(shared))).is_ok(), "{shared}");
        }
        assert!(of_results(None, Some(&new)).is_ok());
    }
}
