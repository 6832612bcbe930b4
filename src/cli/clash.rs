//! Would an output overwrite what is read, or another output? Nothing is opened before this is known.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::Exit;
use super::refusal::Refusal;
use crate::engine::config::{Output, Target};

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

/// Refuses outputs of which two go to one file, each over the other; each is given by what it is for.
pub(super) fn among(outputs: &[(String, &Path)]) -> Result<(), Refusal> {
    let mut known: Vec<(File, &str)> = Vec::new();
    for (what, path) in outputs {
        let Some(file) = File::at(path) else { continue };
        if let Some((_, earlier)) = known.iter().find(|(other, _)| *other == file) {
            let path = path.display();
            let reason = format_args!("{path} is given for {earlier} and for {what}; each needs a file of its own");
            return Err(Refusal::new(Exit::Usage, reason));
        }
        known.push((file, what));
    }
    Ok(())
}

/// The files of configured outputs. Those whose paths are the same were refused where they are written.
pub(super) fn of_config(outputs: &[Output]) -> Vec<(String, &Path)> {
    let mut files: Vec<(String, &Path)> = Vec::new();
    for output in outputs {
        if let Target::File(path) = &output.target
            && !files.iter().any(|(_, known)| known == path)
        {
            files.push((format!("the output `{}`", output.name), path));
        }
    }
    files
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
    fn outputs_never_share_a_file() {
        let dir = tempfile::tempdir().unwrap();
        let new = dir.path().join("new.json");
        let also_new = dir.path().join("./new.json");
        let both = |one: &Path, other: &Path| among(&[("alerts".into(), one), ("events".into(), other)]).is_ok();
        assert!(!both(&new, &also_new));
        fs::write(&new, "").unwrap();
        assert!(!both(&new, &also_new));
        let refused = among(&[("alerts".into(), &new), ("the output `a`".into(), &also_new)]).unwrap_err();
        assert!(refused.reasons[0].ends_with("for alerts and for the output `a`; each needs a file of its own"));
        assert!(both(&new, &dir.path().join("b.json")));
        for shared in ["-", "/dev/null"] {
            assert!(both(Path::new(shared), Path::new(shared)), "{shared}");
        }
    }
}
