//! The passphrase of a database: what it may be, and where it comes from.

use std::{
    env, fmt,
    fs::File,
    io::{self, Read},
    path::{self, Path, PathBuf},
};

use aws_lc_rs::rand;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use zeroize::Zeroizing;

use super::key_file;
use crate::{Error, Result};

pub(super) const PASSPHRASE_VARIABLE: &str = "CATALYST_PKI_KEY_PASSPHRASE";
const PASSPHRASE_FILE_VARIABLE: &str = "CATALYST_PKI_KEY_PASSPHRASE_FILE";

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
    fn named(name: &'static str, text: String) -> Result<Self> {
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

    fn from_file(path: &Path) -> Result<Self> {
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

/// Where the passphrase of a database comes from.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum KeyProtection {
    /// From the caller.
    Passphrase(Passphrase),
    /// From a file: see [`passphrase_file`](KeyProtection::passphrase_file).
    PassphraseFile(PathBuf),
    /// A random one, made beside the database as `<database>.key` with mode 0600: whoever copies
    /// both has the CA. For development.
    DevelopmentKeyFile,
}

impl KeyProtection {
    /// By the passphrase in a file; see [`Passphrase`] for what may stand in it. The file is read when
    /// a database is opened; a relative path is that of the present folder, whichever is it then.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidArgument`] for an empty path, or where the present folder can't be told.
    pub fn passphrase_file(path: impl AsRef<Path>) -> Result<Self> {
        let absolute = path::absolute(path)
            .map_err(|error| Error::argument("passphrase file", error.to_string()))?;
        Ok(KeyProtection::PassphraseFile(absolute))
    }

    /// What the environment says; see [`from_variables`](Self::from_variables).
    ///
    /// # Errors
    ///
    /// [`Error::InvalidArgument`] if a variable is no passphrase or empty, or no UTF-8.
    pub fn from_env() -> Result<Self> {
        let read = |name: &'static str| match env::var(name) {
            Ok(value) => Ok(Some(value)),
            Err(env::VarError::NotPresent) => Ok(None),
            Err(env::VarError::NotUnicode(_)) => Err(Error::argument(name, "it is not UTF-8")),
        };
        Self::from_variables(read(PASSPHRASE_VARIABLE)?, read(PASSPHRASE_FILE_VARIABLE)?)
    }

    /// By the values of `CATALYST_PKI_KEY_PASSPHRASE`, else `CATALYST_PKI_KEY_PASSPHRASE_FILE`,
    /// else a key file beside the database. For programs whose environment is not the process's:
    /// Bun adds what stands in `.env` files.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidArgument`] if a variable is set but empty, or the first one is no
    /// [`Passphrase`].
    pub fn from_variables(passphrase: Option<String>, file: Option<String>) -> Result<Self> {
        if let Some(passphrase) = passphrase {
            let passphrase = Passphrase::named(PASSPHRASE_VARIABLE, passphrase)?;
            return Ok(KeyProtection::Passphrase(passphrase));
        }
        match file {
            Some(path) if path.is_empty() => {
                Err(Error::argument(PASSPHRASE_FILE_VARIABLE, "it is set but empty"))
            }
            Some(path) => Self::passphrase_file(path),
            None => Ok(KeyProtection::DevelopmentKeyFile),
        }
    }

    /// The passphrase of the database in the file `database`. `has_keys` says whether something in it
    /// is encrypted already: then no new passphrase is made up for it.
    pub(super) fn passphrase(&self, database: &Path, has_keys: bool) -> Result<Passphrase> {
        match self {
            KeyProtection::Passphrase(passphrase) => Ok(passphrase.clone()),
            KeyProtection::PassphraseFile(path) => Passphrase::from_file(path),
            KeyProtection::DevelopmentKeyFile => key_file::passphrase(database, has_keys),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_passphrase_comes_before_its_file_and_neither_may_be_empty() {
        let of = |passphrase: Option<&str>, file: Option<&str>| {
            KeyProtection::from_variables(passphrase.map(Into::into), file.map(Into::into))
        };
        assert!(matches!(of(Some("a"), Some("b")), Ok(KeyProtection::Passphrase(_))));
        // The file of the present folder, wherever the program goes before it is read.
        let here = env::current_dir().unwrap().join("b");
        assert!(
            matches!(of(None, Some("b")), Ok(KeyProtection::PassphraseFile(path)) if path == here)
        );
        assert!(matches!(of(None, None), Ok(KeyProtection::DevelopmentKeyFile)));
        for empty in [of(Some(""), None), of(None, Some(""))] {
            assert!(empty.unwrap_err().to_string().contains("set but empty"));
        }
    }

    /// By value, by variable and by file.
    fn each_way(text: &str) -> [Result<Passphrase>; 3] {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("passphrase");
        fs::write(&file, text).unwrap();
        let read = |protection: Result<KeyProtection>| {
            protection.and_then(|protection| protection.passphrase(Path::new("unused"), false))
        };
        [
            Passphrase::new(text),
            read(KeyProtection::from_variables(Some(text.into()), None)),
            read(Ok(KeyProtection::PassphraseFile(file))),
        ]
    }

    #[test]
    fn a_passphrase_is_the_same_however_it_comes() {
        for (text, expected) in [
            ("correct horse", "correct horse"),
            ("correct horse\n", "correct horse"),
            ("correct horse\r\n\r\n", "correct horse"),
            ("\u{FEFF}correct horse\r", "correct horse"),
            (" sp\taces \n", " sp\taces "),
            ("\u{FEFF}\u{FEFF}", "\u{FEFF}"),
        ] {
            for passphrase in each_way(text) {
                assert_eq!(passphrase.unwrap().as_str(), expected, "{text:?}");
            }
        }
        for (text, reason) in [
            ("", "empty"),
            ("\r\n", "empty"),
            ("\u{FEFF}\n", "empty"),
            ("correct\nhorse", "second line"),
            ("\ncorrect horse", "second line"),
            ("correct\rhorse\n", "second line"),
            ("correct\0horse", "NUL"),
        ] {
            for (way, passphrase) in each_way(text).into_iter().enumerate() {
                let error = passphrase.unwrap_err();
                let name = ["passphrase", PASSPHRASE_VARIABLE, "passphrase file"][way];
                assert!(matches!(&error, Error::InvalidArgument { name: n, .. } if *n == name));
                let text = error.to_string();
                assert!(text.contains(reason) && !text.contains("horse"), "{text}");
            }
        }
    }

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
