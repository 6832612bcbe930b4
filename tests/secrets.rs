//! No token ever leaves: every output of every capture is searched for every token in it.

#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod support;

use std::collections::BTreeSet;
use std::path::Path;

use support::{Replay, bundled, contains, forms, tokentrail};

/// Values in the raw bytes of a capture that open something: what stands after these marks, up to
/// the end of the value. They are taken frame by frame, straight from the file.
const MARKS: [&[u8]; 9] = [
    b"PHPSESSID=",
    b"session=",
    b"jsessionid=",
    b"Bearer ",
    b"Basic ",
    b"X-Api-Key: ",
    b"password=",
    b"\"access_token\":\"",
    b"\"access_token\": \"",
];

fn planted(capture: &Path) -> BTreeSet<Vec<u8>> {
    let bytes = std::fs::read(capture).expect("a capture");
    let ends = |b: &u8| !(b.is_ascii_alphanumeric() || b"-_.~+/=%".contains(b));
    let mut found = BTreeSet::new();
    for mark in MARKS {
        for start in bytes.windows(mark.len()).enumerate().filter(|(_, w)| *w == mark).map(|(at, _)| at + mark.len()) {
            let rest = &bytes[start..];
            let value = &rest[..rest.iter().position(ends).unwrap_or(rest.len())];
            if value.len() >= 8 {
                found.insert(value.to_vec());
            }
        }
    }
    found
}

/// Everything that may betray a secret: the value in every form, and each 12-byte piece of it.
fn betrayals(secret: &[u8]) -> Vec<Vec<u8>> {
    let mut all = forms(secret);
    all.extend(secret.windows(12).map(<[u8]>::to_vec));
    all
}

#[test]
fn no_output_of_any_capture_holds_a_token() {
    let mut searched = 0;
    for capture in bundled() {
        let secrets = planted(&capture);
        let everything = ["--min-severity", "informational", "--log.level", "trace", "-v"];
        let as_json = Replay::of(&[&capture], &everything);
        assert_eq!(as_json.code(), 0, "{}", String::from_utf8_lossy(&as_json.output.stderr));
        let as_text = tokentrail()
            .arg("replay")
            .arg(&capture)
            .args(["--format", "text", "--no-progress"])
            .output()
            .expect("it runs");
        let output = [as_json.all_output(), as_text.stdout, as_text.stderr].concat();
        for secret in &secrets {
            for form in betrayals(secret) {
                assert!(
                    !contains(&output, &form),
                    "{}: a piece of {} bytes of a secret is in the output",
                    capture.display(),
                    form.len()
                );
            }
        }
        searched += secrets.len();
    }
    assert!(searched > 40, "{searched} secrets were searched for");
    println!("{searched} secrets searched for");
}

#[test]
fn the_demonstration_holds_no_token() {
    let output = tokentrail().arg("demo").output().expect("it runs");
    let said = [output.stdout, output.stderr].concat();
    for secret in bundled().iter().flat_map(|capture| planted(capture)) {
        assert!(betrayals(&secret).iter().all(|form| !contains(&said, form)));
    }
}
