//! The passphrase of a database: what it may be.

use std::{
    fmt,
    fs::File,
    io::{self, Read},
    path::Path,
};

use aws_lc_rs::rand;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use zeroize::Zeroizing;

use crate::{Error, Result};

pub(super) const PASSPHRASE_VARIABLE: &str = "CATALYST_PKI_KEY_PASSPHRASE";

/// More is no passphrase but a wrong path.
const MOST_BYTES: u64 = 64 * 1024;

/// A passphrase: wiped from memory when dropped, never printed.
///
/// It is the same one whether it comes by value, from a variable or from a file: a byte order mark
/// before it and the line ends after it are cut, for editors and `echo` add them unasked.
///
/// ```
/// use catalyst_pki::authority::signer::Passphrase;
///
/// assert!(Passphrase::new("correct horse battery staple\r\n").is_ok());
/// for refused in ["", "\n", "two\nlines", "a NUL: \0"] {
///     assert!(Passphrase::new(refused).is_err());
/// }
/// ```
#[derive(Clone)]
pub struct Passphrase(Zeroizing<String>);

impl Passphrase {
    /// Takes a passphrase.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidArgument`] if without mark and line ends it is empty, has a second line, or a
    /// NUL byte, where it would end in C.
    pub fn new(text: impl Into<String>) -> Result<Self> {
        Self::named("passphrase", text.into())
    }

    /// The one rule; `name` says where the text comes from.
    pub(super) fn named(name: &'static str, text: String) -> Result<Self> {
        Self::parse(&Zeroizing::new(text)).map_err(|reason| Error::argument(name, reason))
    }

    fn parse(text: &str) -> Result<Self, &'static str> {
        let line = text.strip_prefix('\u{FEFF}').unwrap_or(text).trim_end_matches(['\r', '\n']);
        if line.is_empty() {
            return Err("it is set but empty");
        }
        if line.contains(['\r', '\n']) {
            return Err("it has a second line: a passphrase is one line");
        }
        if line.contains('\0') {
            return Err("it has a NUL byte");
        }
        Ok(Passphrase(Zeroizing::new(line.to_owned())))
    }

    pub(super) fn random() -> Result<Self> {
        let mut bytes = Zeroizing::new([0_u8; 32]);
        rand::fill(bytes.as_mut()).map_err(|_| Error::internal("no randomness"))?;
        Ok(Passphrase(Zeroizing::new(BASE64_URL_SAFE_NO_PAD.encode(bytes.as_ref()))))
    }

    pub(super) fn read(file: File, path: &Path) -> Result<Self> {
        let unusable = |reason: &dyn fmt::Display| {
            Error::argument("passphrase file", format!("{}: {reason}", path.display()))
        };
        // Of one piece from the start: what grows leaves parts of itself behind in memory.
        let mut text = Zeroizing::new(String::with_capacity(4096));
        let read = file.take(MOST_BYTES + 1).read_to_string(&mut text);
        read.map_err(|error| unusable(&error))?;
        if text.len() as u64 > MOST_BYTES {
            return Err(unusable(&"it is too long for a passphrase"));
        }
        Self::parse(&text).map_err(|reason| unusable(&reason))
    }

    pub(super) fn from_file(path: &Path) -> Result<Self> {
        let unreadable = |error: io::Error| {
            Error::argument("passphrase file", format!("{}: {error}", path.display()))
        };
        let file = File::open(path).map_err(unreadable)?;
        warn_of_readers(&file, path);
        Self::read(file, path)
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Unlike the key file, which this library makes itself, a passphrase file is the operator's: secrets
/// that Kubernetes mounts are links to files of mode 0644, those of Docker are root's with mode 0444,
/// and inside of a container nobody else reads them. So it is said and not refused.
fn warn_of_readers(file: &File, path: &Path) {
    #[cfg(unix)]
    if let Ok(metadata) = file.metadata()
        && metadata.is_file()
        && std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o007 != 0
    {
        tracing::warn!(
            target: "catalyst.pki",
            passphrase_file = %path.display(),
            "every user of this machine may open the passphrase file: take their permission away \
             (chmod o=)"
        );
    }
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase(..)")
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn what_is_no_text_or_endless_is_no_passphrase_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("passphrase");
        for (bytes, reason) in [(&b"\xFF\xFEa\0"[..], "UTF-8"), (&[b'x'; 70_000], "too long")] {
            fs::write(&file, bytes).unwrap();
            let error = Passphrase::from_file(&file).unwrap_err().to_string();
            assert!(error.contains(reason) && error.contains("passphrase"), "{error}");
        }
    }

    #[test]
    fn a_passphrase_is_never_printed() {
        assert!(!format!("{:?}", Passphrase::new("correct horse")).contains("correct"));
    }
}
