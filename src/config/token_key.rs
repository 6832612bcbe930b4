//! Where does the key of token refs come from? A file of 32 bytes that nobody else can read.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use ring::rand::{SecureRandom, SystemRandom};
use zeroize::Zeroize;

use crate::base::secret::Secret;

/// The key of an installation.
pub type TokenKey = Secret<[u8; 32]>;

/// A key file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// It is not there.
    #[error("no token key {0}; make one: (umask 077; head -c 32 /dev/urandom > {0})", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// It cannot be opened, read or made.
    #[error("token key {}: {cause}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// Others may read it.
    #[error("token key {} can be read by others (mode {mode:04o}): chmod 600 it", path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It is not a key.
    #[error("token key {} holds {len} bytes, not 32 bytes or 64 hex digits", path.display())]
    Shape {
        /// The file.
        path: PathBuf,
        /// Its length in bytes, read up to 128.
        len: usize,
    },
    /// The system gave no random bytes.
    #[error("the system gives no random bytes")]
    NoRandom,
}

/// Reads a key: exactly 32 bytes, or 64 hex digits with or without a line end.
///
/// # Errors
/// When the file is missing, readable by others, or no key.
pub fn read(path: &Path) -> Result<TokenKey, KeyError> {
    let io_error = |cause: io::Error| match cause.kind() {
        io::ErrorKind::NotFound => KeyError::Missing { path: path.to_owned() },
        _ => KeyError::Io { path: path.to_owned(), cause },
    };
    let mut file = fs::File::open(path).map_err(io_error)?;
    let mode = file.metadata().map_err(io_error)?.permissions().mode() & 0o7777;
    if mode & 0o007 != 0 {
        return Err(KeyError::Exposed { path: path.to_owned(), mode });
    }
    let mut bytes = Vec::with_capacity(128);
    io::Read::read_to_end(&mut io::Read::take(&mut file, 128), &mut bytes).map_err(io_error)?;
    let key = key_in(&bytes).ok_or(KeyError::Shape { path: path.to_owned(), len: bytes.len() });
    bytes.zeroize();
    key.map(Secret::new)
}

/// Reads the key at `path`, or makes one there with mode 0600 when there is no such file. The flag
/// says whether it was made. A crash or a full disk leaves no half of a key there.
///
/// # Errors
/// As [`read`], or when the file cannot be made.
pub fn read_or_create(path: &Path) -> Result<(TokenKey, bool), KeyError> {
    match read(path) {
        Err(KeyError::Missing { .. }) => {}
        found => return Ok((found?, false)),
    }
    let key = random()?;
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{}.new", std::process::id()));
    let beside = PathBuf::from(beside);
    if let Err(cause) = create(&beside, &key).and_then(|()| fs::rename(&beside, path)) {
        // What was begun is of no use to anybody.
        let _never_made = fs::remove_file(&beside);
        return Err(KeyError::Io { path: path.to_owned(), cause });
    }
    Ok((key, true))
}

/// Writes a new file that only its owner can read, down to the disk.
fn create(path: &Path, key: &TokenKey) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(key.expose())?;
    file.sync_all()
}

/// A fresh key from the system's random source.
///
/// # Errors
/// When the system gives no random bytes.
pub fn random() -> Result<TokenKey, KeyError> {
    let mut key = [0; 32];
    SystemRandom::new().fill(&mut key).map_err(|_| KeyError::NoRandom)?;
    Ok(Secret::new(key))
}

fn key_in(bytes: &[u8]) -> Option<[u8; 32]> {
    if let Ok(raw) = <[u8; 32]>::try_from(bytes) {
        return Some(raw);
    }
    let hex = bytes.trim_ascii_end();
    if hex.len() != 64 {
        return None;
    }
    let mut key = [0; 32];
    for (byte, pair) in key.iter_mut().zip(hex.chunks_exact(2)) {
        let digit = |at: usize| pair.get(at).and_then(|c| char::from(*c).to_digit(16));
        *byte = u8::try_from(digit(0)? * 16 + digit(1)?).ok()?;
    }
    Some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(mode: u32, bytes: &[u8]) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), bytes).unwrap();
        fs::set_permissions(file.path(), fs::Permissions::from_mode(mode)).unwrap();
        file
    }

    #[test]
    fn raw_and_hex_keys_are_read() {
        let raw: Vec<u8> = (0..32).collect();
        let hex: String = raw.iter().map(|b| format!("{b:02X}")).collect::<String>() + "\n";
        let expected: [u8; 32] = raw.clone().try_into().unwrap();
        assert_eq!(read(file(0o600, &raw).path()).unwrap().expose(), &expected);
        assert_eq!(read(file(0o640, hex.as_bytes()).path()).unwrap().expose(), &expected);
    }

    #[test]
    fn what_is_no_key_is_refused_by_name() {
        let says = |file: &tempfile::NamedTempFile| read(file.path()).unwrap_err().to_string();
        assert!(says(&file(0o644, &[7; 32])).contains("can be read by others (mode 0644)"));
        assert!(says(&file(0o600, &[7; 31])).contains("holds 31 bytes"));
        assert!(says(&file(0o600, "zz".repeat(32).as_bytes())).contains("not 32 bytes or 64 hex digits"));
        assert!(
            read(Path::new("/nonexistent/key"))
                .unwrap_err()
                .to_string()
                .starts_with("no token key /nonexistent/key; make one: ")
        );
    }

    #[test]
    fn a_missing_key_is_made_once() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("token.key");
        let (made, fresh) = read_or_create(&path).unwrap();
        assert!(fresh);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
        let (again, fresh) = read_or_create(&path).unwrap();
        assert!(!fresh);
        assert_eq!(made.expose(), again.expose());
        assert_ne!(made.expose(), random().unwrap().expose());
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_key_that_cannot_be_made_leaves_nothing_behind() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("token.key");
        let missing = directory.path().join("missing/token.key");
        let refusal = read_or_create(&missing).unwrap_err().to_string();
        assert!(refusal.starts_with(&format!("token key {}: ", missing.display())), "{refusal}");
        // Bytes that are no key are never replaced.
        fs::write(&path, [7; 31]).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert!(matches!(read_or_create(&path), Err(KeyError::Shape { len: 31, .. })));
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }
}
