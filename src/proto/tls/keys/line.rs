//! What does one line of a key log say? A label, the client's random and a secret, in hexadecimal
//! (RFC 9850 §2).

use zeroize::Zeroizing;

use super::{ClientRandom, KeyBytes};
use crate::base::secret::Secret;

/// Longest line with a secret: a label, 32 and 48 bytes in hexadecimal, spaces and CR.
const LONGEST: usize = 256;

/// Lengths of secrets: of the hashes of all suites, and of the master secret.
const LENGTHS: [usize; 2] = [32, 48];

/// What a secret is for. Others than these open nothing here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Label {
    /// `CLIENT_RANDOM`: the master secret of TLS 1.2.
    Master,
    /// `CLIENT_EARLY_TRAFFIC_SECRET`.
    ClientEarly,
    /// `CLIENT_HANDSHAKE_TRAFFIC_SECRET`.
    ClientHandshake,
    /// `SERVER_HANDSHAKE_TRAFFIC_SECRET`.
    ServerHandshake,
    /// `CLIENT_TRAFFIC_SECRET_0`.
    Client,
    /// `SERVER_TRAFFIC_SECRET_0`.
    Server,
}

impl Label {
    /// How many there are.
    pub const COUNT: usize = 6;

    fn read(word: &[u8]) -> Option<Self> {
        Some(match word {
            b"CLIENT_RANDOM" => Self::Master,
            b"CLIENT_EARLY_TRAFFIC_SECRET" => Self::ClientEarly,
            b"CLIENT_HANDSHAKE_TRAFFIC_SECRET" => Self::ClientHandshake,
            b"SERVER_HANDSHAKE_TRAFFIC_SECRET" => Self::ServerHandshake,
            b"CLIENT_TRAFFIC_SECRET_0" => Self::Client,
            b"SERVER_TRAFFIC_SECRET_0" => Self::Server,
            _ => return None,
        })
    }
}

/// Why a line is broken; never what is in it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Broken {
    /// Not three words.
    #[error("expected a label, a client random and a secret")]
    Words,
    /// Not 64 hexadecimal digits.
    #[error("the client random is not 64 hexadecimal digits")]
    ClientRandom,
    /// Neither 64 nor 96 hexadecimal digits.
    #[error("the secret is not 64 or 96 hexadecimal digits")]
    Secret,
}

/// A line that is of use.
pub(super) struct KeyLine {
    pub(super) label: Label,
    pub(super) client_random: ClientRandom,
    pub(super) secret: KeyBytes,
}

/// What a line came to.
pub(super) enum Line {
    Key(KeyLine),
    /// It is empty.
    Nothing,
    /// A comment, or a label that opens nothing here.
    Skipped,
    Broken(Broken),
}

/// Reads one line, without its LF.
pub(super) fn read(line: &[u8]) -> Line {
    let line = line.trim_ascii();
    if line.is_empty() {
        return Line::Nothing;
    }
    let mut words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    let first = words.next().unwrap_or_default();
    let Some(label) = Label::read(first) else {
        let is_label = |byte: &u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || *byte == b'_';
        let known_form = first.starts_with(b"#") || first == b"RSA" || words.count() == 2;
        return if known_form && (first.starts_with(b"#") || first.iter().all(is_label)) {
            Line::Skipped
        } else {
            Line::Broken(Broken::Words)
        };
    };
    let (Some(random), Some(secret), None) = (words.next(), words.next(), words.next()) else {
        return Line::Broken(Broken::Words);
    };
    if line.len() > LONGEST {
        return Line::Broken(Broken::Secret);
    }
    let Some(client_random) = hex(random).and_then(|bytes| ClientRandom::try_from(bytes.as_slice()).ok()) else {
        return Line::Broken(Broken::ClientRandom);
    };
    let fits = |len: usize| LENGTHS.contains(&len) && (label != Label::Master || len == 48);
    match hex(secret).filter(|bytes| fits(bytes.len())) {
        Some(mut bytes) => {
            let secret = Secret::new(std::mem::take(&mut *bytes));
            Line::Key(KeyLine { label, client_random, secret })
        }
        None => Line::Broken(Broken::Secret),
    }
}

fn hex(digits: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let (pairs, []) = digits.as_chunks::<2>() else { return None };
    let mut bytes = Zeroizing::new(Vec::with_capacity(pairs.len()));
    for [high, low] in pairs {
        bytes.push(digit(high)? << 4 | digit(low)?);
    }
    Some(bytes)
}
