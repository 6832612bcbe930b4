//! Are the floors kept? Reads the sources and names every line that breaks a rule of `src/lib.rs`.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test reads sources that are there")]

use std::fmt;
use std::fs;
use std::path::Path;

/// Modules and their floors, as in the table of `src/lib.rs`. A module may use lower floors only.
const FLOORS: &[(&str, u8)] = &[
    ("base", 0),
    ("packet", 1),
    ("flow", 2),
    ("proto", 3),
    ("identity", 4),
    ("token", 5),
    ("session", 6),
    ("detect", 7),
    ("alert", 8),
    ("capture", 9),
    ("metrics", 9),
    ("rules", 9),
    ("sink", 9),
    ("engine", 10),
    ("config", 11),
    ("cli", 12),
];

/// Floors up to this one are pure.
const LAST_PURE: u8 = 8;

/// What a pure floor must not touch, and instead of what.
const IMPURE: &[(&str, &str)] = &[
    ("std::fs", "files belong to the edges"),
    ("std::env", "the environment belongs to config"),
    ("std::process", "processes belong to the edges"),
    ("std::net::Tcp", "sockets belong to the edges"),
    ("std::net::Udp", "sockets belong to the edges"),
    ("std::os::unix::net", "sockets belong to the edges"),
    ("std::thread", "threads belong to the engine"),
    ("thread_local!", "state is an argument"),
    ("tokio", "the core is synchronous"),
    ("static mut", "state is an argument"),
    ("OnceLock", "state is an argument"),
    ("LazyLock", "state is an argument"),
    ("Instant::now", "time is an argument"),
    ("SystemTime", "time is an argument"),
    ("RandomState", "hash seeds are arguments"),
    ("SystemRandom", "chance is an argument"),
    ("println!", "the core writes nothing"),
    ("eprintln!", "the core writes nothing"),
    ("tracing::", "the core logs nothing"),
];

/// The only files that may hold `unsafe`, a SAFETY line each.
const UNSAFE_FILES: &[&str] = &["capture/fanout.rs", "base/prefetch.rs"];

/// A file answers one question; longer ones answer two.
const MAX_LINES: usize = 700;

#[derive(PartialEq, Eq, Debug)]
struct Violation {
    file: String,
    line: usize,
    rule: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "src/{}:{}: {}", self.file, self.line, self.rule)
    }
}

#[test]
fn every_source_file_keeps_the_rules() {
    let sources = sources();
    assert!(sources.len() >= 10, "found only {} sources", sources.len());
    let violations: Vec<_> = sources.iter().flat_map(|(path, text)| violations_in(path, text)).collect();
    let list: String = violations.iter().map(|v| format!("\n  {v}")).collect();
    assert!(violations.is_empty(), "{} broken rules:{list}", violations.len());
}

#[test]
fn every_module_has_a_floor_and_a_line_in_the_map() {
    let map = fs::read_to_string(src().join("lib.rs")).unwrap();
    for entry in fs::read_dir(src()).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        if entry.file_type().unwrap().is_dir() {
            assert!(
                floor_of(&name).is_some(),
                "src/{name} is on no floor: add it to FLOORS and to the map in src/lib.rs"
            );
        } else {
            assert!(["lib.rs", "main.rs"].contains(&name.as_str()), "src/{name} lies outside of every floor");
        }
    }
    for (module, floor) in FLOORS.iter().filter(|(module, _)| src().join(module).is_dir()) {
        let row = map.lines().find(|l| l.contains(&format!("`{module}`")) && l.starts_with("//! |"));
        let row = row.unwrap_or_else(|| panic!("the map in src/lib.rs has no row for `{module}`"));
        assert!(row.starts_with(&format!("//! | {floor} |")), "the map puts `{module}` on another floor: {row}");
    }
}

#[test]
fn each_rule_catches_its_breach() {
    let breaches = [
        ("flow/a.rs", "//! A.\nuse crate::proto::Message;", "flow (floor 2) uses proto (floor 3)"),
        ("flow/a.rs", "//! A.\nfn f() { crate::token::f() }", "flow (floor 2) uses token (floor 5)"),
        ("flow/a.rs", "//! A.\nuse crate::{base::net, session};", "flow (floor 2) uses session (floor 6)"),
        ("flow/mod.rs", "//! A.\nuse super::alert::Desk;", "flow (floor 2) uses alert (floor 8)"),
        ("sink/a.rs", "//! A.\nuse crate::capture::Source;", "sink (floor 9) uses capture (floor 9)"),
        ("rules/a.rs", "//! A.\nuse crate::nowhere::X;", "`nowhere` is on no floor"),
        ("packet/a.rs", "//! A.\nuse std::fs::File;", "`std::fs` in a pure floor: files belong to the edges"),
        ("alert/a.rs", "//! A.\nlet t = Instant::now();", "`Instant::now` in a pure floor: time is an argument"),
        ("sink/a.rs", "//! A.\nunsafe { f() }", "`unsafe` is allowed in capture/fanout.rs and base/prefetch.rs alone"),
        ("sink/a.rs", "use std::fs;", "the first line must say `//!` which question the file answers"),
    ];
    for (file, text, rule) in breaches {
        let found = violations_in(file, text);
        assert_eq!(found.len(), 1, "{file}: {text:?} gave {found:?}");
        assert_eq!(found[0].rule, rule);
    }
    let long = format!("//! A.\n{}", "\n".repeat(MAX_LINES));
    assert_eq!(violations_in("flow/a.rs", &long)[0].rule, "701 lines are more than 700: split the file by question");

    let innocent = "//! A.\n// crate::token is above\nuse crate::base::net;\nuse crate::flow::Direction;\nlet s = \"unsafe std::fs\";";
    assert_eq!(violations_in("flow/a.rs", innocent), []);
    assert_eq!(violations_in("capture/fanout.rs", "//! A.\nunsafe { f() }"), []);
    let test_only = "//! A.\n#[cfg(test)]\nmod tests {\n    use std::fs;\n}";
    assert_eq!(violations_in("flow/a.rs", test_only), []);
}

fn src() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src"))
}

/// Every source file: its path below `src/` and its text, in the order of the paths.
fn sources() -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut directories = vec![src().to_path_buf()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let name = path.strip_prefix(src()).unwrap().to_str().unwrap().to_owned();
                found.push((name, fs::read_to_string(&path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

fn floor_of(module: &str) -> Option<u8> {
    FLOORS.iter().find(|(name, _)| *name == module).map(|(_, floor)| *floor)
}

/// Every breach in one file; `file` is its path below `src/`.
fn violations_in(file: &str, text: &str) -> Vec<Violation> {
    let mut found = Vec::new();
    let mut report = |line: usize, rule: String| found.push(Violation { file: file.to_owned(), line, rule });

    if !text.starts_with("//! ") {
        report(1, "the first line must say `//!` which question the file answers".to_owned());
    }
    let lines = text.lines().count();
    if lines > MAX_LINES {
        report(lines, format!("{lines} lines are more than {MAX_LINES}: split the file by question"));
    }

    let module = file.split('/').next().unwrap_or_default();
    let floor = floor_of(module);
    let mut in_tests = file.ends_with("tests.rs") || file.contains("/tests/");
    for (number, line) in text.lines().enumerate() {
        let number = number + 1;
        let code = code_of(line);
        in_tests |= code.trim() == "#[cfg(test)]";
        if has_word(&code, "unsafe") && !UNSAFE_FILES.contains(&file) {
            report(number, format!("`unsafe` is allowed in {} alone", UNSAFE_FILES.join(" and ")));
        }
        let Some(floor) = floor else { continue };
        for used in modules_used(&code, file.ends_with("/mod.rs")) {
            match floor_of(&used) {
                _ if used == module => {}
                Some(other) if other < floor => {}
                Some(other) => report(number, format!("{module} (floor {floor}) uses {used} (floor {other})")),
                None => report(number, format!("`{used}` is on no floor")),
            }
        }
        if floor <= LAST_PURE && !in_tests {
            for (pattern, instead) in IMPURE.iter().filter(|(pattern, _)| code.contains(pattern)) {
                report(number, format!("`{pattern}` in a pure floor: {instead}"));
            }
        }
    }
    found
}

/// The modules that a line reaches from the root: after `crate::`, inside `crate::{…}`, and, in the
/// `mod.rs` of a floor, after `super::`.
fn modules_used(code: &str, is_mod_rs: bool) -> Vec<String> {
    let mut used = Vec::new();
    for (at, _) in code.match_indices("crate::").filter(|(at, _)| !code[..*at].ends_with(is_name)) {
        let rest = &code[at + "crate::".len()..];
        match rest.strip_prefix('{') {
            Some(group) => used.extend(top_level_names(group)),
            None => used.push(name_at(rest)),
        }
    }
    if is_mod_rs {
        let after_super = code.match_indices("super::").map(|(at, found)| name_at(&code[at + found.len()..]));
        used.extend(after_super.filter(|name| floor_of(name).is_some()));
    }
    // Macros and items that `lib.rs` re-exports would begin with another letter or end in `!`.
    used.retain(|name| name.starts_with(|c: char| c.is_ascii_lowercase()));
    used
}

/// The first name of each entry of `a::b, c::{d, e}}`.
fn top_level_names(group: &str) -> Vec<String> {
    let (mut depth, mut names, mut fresh) = (0_i32, Vec::new(), true);
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => fresh = true,
            c if fresh && is_name(c) => {
                names.push(name_at(&group[at..]));
                fresh = false;
            }
            _ => {}
        }
        if depth < 0 {
            break;
        }
    }
    names
}

fn name_at(text: &str) -> String {
    text.chars().take_while(|c| is_name(*c)).collect()
}

fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

fn has_word(code: &str, word: &str) -> bool {
    code.match_indices(word)
        .any(|(at, _)| !code[..at].ends_with(is_name) && !code[at + word.len()..].starts_with(is_name))
}

/// A line without its comment and without what stands in string literals.
fn code_of(line: &str) -> String {
    let (mut code, mut in_string, mut chars) = (String::new(), false, line.chars().peekable());
    while let Some(c) = chars.next() {
        match c {
            '\\' if in_string => drop(chars.next()),
            // A character literal that holds a quote is no string.
            '"' if !in_string && code.ends_with('\'') && chars.peek() == Some(&'\'') => {}
            '"' => in_string = !in_string,
            '/' if !in_string && chars.peek() == Some(&'/') => break,
            _ if in_string => {}
            c => code.push(c),
        }
    }
    code
}
