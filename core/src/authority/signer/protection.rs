//! Where the passphrase of a database comes from: the caller, a file, the environment, or a key file
//! of its own.

use std::{
    env,
    path::{self, Path, PathBuf},
};

use super::{
    key_file,
    passphrase::{PASSPHRASE_VARIABLE, Passphrase},
};
use crate::{Error, Result};

const PASSPHRASE_FILE_VARIABLE: &str = "CATALYST_PKI_KEY_PASSPHRASE_FILE";

/// Where the passphrase of a database comes from. It is the same one however it comes:
///
/// ```
/// use catalyst_pki::authority::{
///     signer::{KeyProtection, Passphrase},
///     store::SqliteStore,
/// };
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// # let (database, file) = (folder.path().join("certs.db"), folder.path().join("passphrase"));
/// // As an editor saves it: with a byte order mark and a line end, which are no part of it.
/// std::fs::write(&file, "\u{feff}correct horse battery staple\n")?;
/// let variable = Some("correct horse battery staple\r\n".into());
/// for same in [
///     KeyProtection::Passphrase(Passphrase::new("correct horse battery staple")?),
///     KeyProtection::from_variables(variable, None)?,
///     KeyProtection::passphrase_file(&file)?,
/// ] {
///     SqliteStore::open(&database, &same)?;
/// }
///
/// // A second line is no part of it, and is not passed over.
/// std::fs::write(&file, "correct horse battery staple\n# of the CA in Berlin\n")?;
/// assert!(SqliteStore::open(&database, &KeyProtection::passphrase_file(&file)?).is_err());
/// # Ok(())
/// # }
/// ```
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
}
