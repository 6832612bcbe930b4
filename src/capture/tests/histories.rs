//! Several inputs: which they are, and in which order they are read.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use super::*;
use crate::base::time::Stamp;
use crate::capture::inputs::{Arguments, expand, split_arguments};
use crate::capture::{CaptureError, History, Input, InputError, PacketSource};

fn words(words: &[&str]) -> Vec<OsString> {
    words.iter().map(OsString::from).collect()
}

/// A directory with captures that begin at the given second.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        path
    }

    fn capture(&self, name: &str, second: i64, frames: i64) -> PathBuf {
        let row = |n: i64| ((second + n) * 1_000_000_000, 1, 60, vec![n as u8; 60]);
        self.write(name, &pcap(Little, MICROS, &(0..frames).map(row).collect::<Vec<_>>()))
    }
}

fn open(paths: &[&Path]) -> History {
    History::open(paths.iter().map(|path| Input::File(path.to_path_buf())).collect())
}

/// (capture, number, second) of every frame, and every error, in the order of telling.
fn read_all(history: &mut History) -> (Vec<(u32, u64, i64)>, Vec<String>) {
    let (mut frames, mut errors) = (Vec::new(), Vec::new());
    loop {
        match history.advance() {
            Ok(true) => frames.extend(history.frames().map(|frame| {
                let Stamp { ts, frame } = frame.at;
                (frame.capture, frame.number, ts.0 / 1_000_000_000)
            })),
            Ok(false) => return (frames, errors),
            Err(e) => errors.push(e.to_string()),
        }
    }
}

#[test]
fn files_are_one_history_by_first_time_then_name() {
    let folder = Folder::new();
    let (b, a) = (folder.capture("b.pcap", 100, 2), folder.capture("a.pcap", 200, 1));
    let (d, c) = (folder.capture("d.pcap", 100, 1), folder.capture("none.pcap", 0, 0));
    let mut history = open(&[&a, &b, &c, &d]);
    assert_eq!(
        history.names().iter().map(AsRef::as_ref).collect::<Vec<_>>(),
        ["none.pcap", "b.pcap", "d.pcap", "a.pcap"]
    );
    let total = history.progress().total.unwrap();
    assert_eq!(total, 4 * 24 + 4 * (16 + 60));
    let (frames, errors) = read_all(&mut history);
    assert_eq!(frames, [(1, 1, 100), (1, 2, 101), (2, 1, 100), (3, 1, 200)]);
    assert_eq!(errors, Vec::<String>::new());
    assert_eq!(history.progress().read, total);
}

#[test]
fn a_bad_file_does_not_hide_the_others() {
    let folder = Folder::new();
    let (good, text) = (folder.capture("good.pcap", 100, 2), folder.write("notes.txt", b"plain text"));
    let cut = folder.capture("cut.pcap", 50, 2);
    let bytes = fs::read(&cut).unwrap();
    fs::write(&cut, &bytes[..bytes.len() - 1]).unwrap();
    let headless = folder.write("headless.pcap", &bytes[..30]);
    let missing = folder.path("missing.pcap");
    let mut history = open(&[&text, &good, &cut, &headless, &missing]);
    let (frames, errors) = read_all(&mut history);
    assert_eq!(frames, [(1, 1, 50), (2, 1, 100), (2, 2, 101)]);
    assert_eq!(errors.len(), 4, "{errors:?}");
    assert!(errors[0].starts_with(&format!("{}: not a capture file: begins with 70 6c 61 69", text.display())));
    assert!(errors[1].starts_with(&format!("{}: cannot be opened: No such file", missing.display())));
    assert!(errors[2].starts_with(&format!("{}: truncated after 0 frames", headless.display())));
    assert!(errors[3].starts_with(&format!("{}: truncated after 1 frames", cut.display())));
}

#[test]
fn a_single_file_is_read_from_its_beginning() {
    let folder = Folder::new();
    let mut history = open(&[&folder.capture("a.pcap", 100, 3)]);
    assert_eq!(read_all(&mut history).0, [(0, 1, 100), (0, 2, 101), (0, 3, 102)]);
    let mut history = open(&[&folder.capture("empty.pcap", 0, 0)]);
    assert_eq!(read_all(&mut history), (Vec::new(), Vec::new()));
    let mut history = open(&[&folder.path("nowhere.pcap")]);
    assert!(matches!(history.advance(), Err(CaptureError::File { error: FileError::Open(_), .. })));
    assert!(!history.advance().unwrap());
}

#[test]
fn a_pipe_is_read_once_and_in_full() {
    let folder = Folder::new();
    let (pipe, file) = (folder.path("pipe"), folder.capture("a.pcap", 200, 1));
    make_pipe(&pipe);
    let (to, bytes) = (pipe.clone(), fs::read(folder.capture("b.pcap", 100, 2)).unwrap());
    let writer = std::thread::spawn(move || fs::write(to, bytes).unwrap());
    let mut history = open(&[&file, &pipe]);
    assert_eq!(history.progress().total, None);
    assert_eq!(read_all(&mut history).0, [(0, 1, 100), (0, 2, 101), (1, 1, 200)]);
    writer.join().unwrap();
}

fn make_pipe(path: &Path) {
    assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success());
}

#[test]
fn equal_names_are_told_apart_by_their_path() {
    let folder = Folder::new();
    let (one, two) = (folder.capture("1/x.pcap", 1, 1), folder.capture("2/x.pcap", 2, 1));
    let history = open(&[&two, &one, &folder.capture("y.pcap", 3, 1)]);
    let paths = [one.display().to_string(), two.display().to_string(), "y.pcap".to_owned()];
    assert_eq!(history.names().iter().map(AsRef::as_ref).collect::<Vec<_>>(), paths);
}

#[test]
fn a_directory_stands_for_the_captures_below_it() {
    let folder = Folder::new();
    let z = folder.capture("z.pcap", 1, 1);
    let deep = folder.capture("a/b/deep.dump", 1, 1);
    let packed = folder.write("m.bin", &gzip(&fs::read(&z).unwrap()));
    folder.write("README.md", b"# not a capture");
    folder.write("log.gz", &gzip(b"not a capture either"));
    folder.write("empty", b"");
    std::os::unix::fs::symlink(folder.path("a"), folder.path("loop")).unwrap();
    let root = folder.0.path().as_os_str().to_owned();
    let inputs = expand(std::slice::from_ref(&root)).unwrap();
    assert_eq!(inputs, [&deep, &packed, &z].map(|path| Input::File(path.clone())));
    // Named once more, a file is still read once.
    assert_eq!(expand(&[z.clone().into(), root]).unwrap().len(), 3);

    let bare = Folder::new();
    bare.write("a.txt", b"text");
    let error = expand(&[bare.0.path().into()]).unwrap_err();
    assert!(matches!(error, InputError::EmptyDirectory { seen: 1, .. }), "{error}");
}

#[test]
fn globs_and_names_lead_to_files_or_say_why_not() {
    let folder = Folder::new();
    let (a, b) = (folder.capture("a1.pcap", 1, 1), folder.capture("a2.pcap", 1, 1));
    let expand_one = |name: &str| expand(&[folder.path(name).into()]);
    assert_eq!(expand_one("a?.pcap").unwrap(), [Input::File(a.clone()), Input::File(b)]);
    assert_eq!(expand_one("a[1].pcap").unwrap(), [Input::File(a)]);
    assert!(matches!(expand_one("b*.pcap"), Err(InputError::NoMatch { .. })));
    assert!(matches!(expand_one("a[.pcap"), Err(InputError::Pattern { .. })));
    assert!(expand_one("b.pcap").unwrap_err().to_string().contains("b.pcap: No such file"));
    assert!(matches!(expand(&words(&["https://example.test/a.pcap"])), Err(InputError::Url { .. })));
    assert!(matches!(expand(&words(&["-", "-"])), Err(InputError::StdinTwice)));
    assert_eq!(expand(&words(&["-"])).unwrap(), [Input::Stdin]);
    assert!(matches!(expand(&[]), Err(InputError::None)));
}

#[test]
fn inputs_end_where_the_filter_begins() {
    let folder = Folder::new();
    let file = folder.capture("file with space", 1, 1).display().to_string();
    let folder_name = folder.0.path().display().to_string();
    let split = |arguments: &[&str]| {
        let Arguments { inputs, filter } = split_arguments(&words(arguments));
        (inputs.into_iter().map(|a| a.into_string().unwrap()).collect::<Vec<_>>(), filter)
    };
    let filter = |text: &str| Some(text.to_owned());
    assert_eq!(split(&[]), (vec![], None));
    assert_eq!(split(&[&file, &folder_name]), (vec![file.clone(), folder_name.clone()], None));
    assert_eq!(split(&[&file, "tcp", "port", "80"]), (vec![file.clone()], filter("tcp port 80")));
    assert_eq!(split(&["-", "tcp[13] & 2 != 0"]), (vec!["-".to_owned()], filter("tcp[13] & 2 != 0")));
    // Behind the first filter word all is filter, even where it names a file.
    assert_eq!(split(&["-", "host", &file]), (vec!["-".to_owned()], filter(&format!("host {file}"))));
    assert_eq!(split(&["a*.pcap", "udp"]), (vec!["a*.pcap".to_owned()], filter("udp")));
    assert_eq!(split(&["https://h/x", "udp"]), (vec!["https://h/x".to_owned()], filter("udp")));
    // `--` forces a filter, and forces nothing when nothing follows.
    assert_eq!(split(&[&file, "--", &file]), (vec![file.clone()], filter(&file)));
    assert_eq!(split(&[&file, "--"]), (vec![file.clone()], None));
    assert_eq!(split(&["--", "udp"]), (vec![], filter("udp")));
    // A misspelt capture is no filter word.
    assert_eq!(split(&["mispelt.pcap.gz", "udp"]), (vec!["mispelt.pcap.gz".to_owned()], filter("udp")));
    assert_eq!(split(&["tcp[tcpflags]", "!=", "0"]), (vec![], filter("tcp[tcpflags] != 0")));
}
