//! What is wrong with a rule file, and where?

use std::path::Path;

use super::document::{Mistake, places};

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

    pub(super) fn yaml(file: &str, Mistake { line, column, message }: Mistake) -> Self {
        Self::Wrong { file: file.to_owned(), line, column, message: with_nearest(message) }
    }

    /// Where it is, for the order in which mistakes are told.
    pub(super) const fn place(&self) -> (usize, usize) {
        match *self {
            Self::Unreadable { .. } => (0, 0),
            Self::Wrong { line, column, .. } => (line, column),
        }
    }

    /// A mistake about `word`, which stands somewhere in `text`: its first place there is named.
    pub(super) fn about(file: &str, text: &str, word: &str, message: impl Into<String>) -> Self {
        let (line, column) = places(text, word).next().unwrap_or((1, 1));
        Self::Wrong { file: file.to_owned(), line, column, message: message.into() }
    }

    /// One file says a rule twice: the later place is named, with the line of the earlier.
    pub(super) fn twice(file: &str, text: &str, kind: &str, id: &str) -> Self {
        let written = format!("{kind}: {id}");
        let mut places = places(text, &written);
        let (first, (line, column)) = (places.next(), places.next().unwrap_or((1, 1)));
        let first = first.map(|(line, _)| format!(", first in line {line}")).unwrap_or_default();
        let message = format!("{kind} `{id}` is given twice in this file{first}");
        Self::Wrong { file: file.to_owned(), line, column, message }
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
    fn places_are_those_of_whole_words() {
        let text = "schema: 1\ntokens:\n  - token: a\n  - {token: a, class: x}\n  - token: a.b\n";
        assert_eq!(places(text, "token: a").collect::<Vec<_>>(), [(3, 5), (4, 6)]);
        let said = RuleError::twice("f.yaml", text, "token", "a").to_string();
        assert_eq!(said, "f.yaml:4:6: token `a` is given twice in this file, first in line 3");
    }

    #[test]
    fn the_nearest_word() {
        let words = ["session", "remember", "idp"];
        assert_eq!(nearest("sesion", words.into_iter()), Some("session"));
        assert_eq!(nearest("pid", words.into_iter()), Some("idp"));
        assert_eq!(nearest("certificate", words.into_iter()), None);
        assert_eq!((distance("", "abc"), distance("abc", ""), distance("kitten", "sitting")), (3, 3, 3));
    }
}
