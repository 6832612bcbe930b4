//! What is wrong with a rule file, and where?

use std::path::Path;

/// A rule file that cannot be used: file, place, and what was expected.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RuleError {
    /// It cannot be read.
    #[error("{file}: {cause}")]
    Unreadable {
        /// The file or directory.
        file: String,
        /// Why.
        cause: String,
    },
    /// Something in it is wrong.
    #[error("{file}:{line}:{column}: {message}")]
    Wrong {
        /// The file.
        file: String,
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
        /// What is wrong, and what was expected.
        message: String,
    },
}

impl RuleError {
    pub(super) fn unreadable(path: &Path, cause: &std::io::Error) -> Self {
        Self::Unreadable { file: path.display().to_string(), cause: cause.to_string() }
    }

    pub(super) fn yaml(file: &str, error: &serde_yaml::Error) -> Self {
        let (line, column) = error.location().map_or((1, 1), |at| (at.line(), at.column()));
        let message = error.to_string().replace(&format!(" at line {line} column {column}"), "");
        Self::Wrong { file: file.to_owned(), line, column, message: with_nearest(message) }
    }

    /// A mistake about `word`, which stands somewhere in `text`: its first place there is named.
    pub(super) fn about(file: &str, text: &str, word: &str, message: impl Into<String>) -> Self {
        let place = text.lines().enumerate().find_map(|(n, line)| Some((n + 1, line.find(word)? + 1)));
        let (line, column) = place.unwrap_or((1, 1));
        Self::Wrong { file: file.to_owned(), line, column, message: message.into() }
    }
}

/// Adds the nearest of the words that a message lists as expected.
fn with_nearest(message: String) -> String {
    let mut quoted = message.split('`').skip(1).step_by(2);
    let Some(wrong) = quoted.next() else { return message };
    match nearest(wrong, quoted) {
        Some(word) => format!("{message}; did you mean `{word}`?"),
        None => message,
    }
}

/// The candidate that is nearest to `word`, when it is near enough to be meant.
pub(super) fn nearest<'c>(word: &str, candidates: impl Iterator<Item = &'c str>) -> Option<&'c str> {
    let most = (word.chars().count() / 3).max(2);
    candidates.map(|c| (distance(word, c), c)).min_by_key(|(d, _)| *d).filter(|(d, _)| *d <= most).map(|(_, c)| c)
}

/// Fewest insertions, deletions and replacements from one word to the other (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (y, cell) in b.chars().zip(row.iter_mut().skip(1)) {
            let above = *cell;
            *cell = (diagonal + usize::from(x != y)).min(above + 1).min(left + 1);
            diagonal = above;
            left = *cell;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word() {
        let words = ["session", "remember", "idp"];
        assert_eq!(nearest("sesion", words.into_iter()), Some("session"));
        assert_eq!(nearest("pid", words.into_iter()), Some("idp"));
        assert_eq!(nearest("certificate", words.into_iter()), None);
        assert_eq!((distance("", "abc"), distance("abc", ""), distance("kitten", "sitting")), (3, 3, 3));
    }
}
