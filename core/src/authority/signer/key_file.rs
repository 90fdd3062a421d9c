//! The development key file: a random passphrase beside the database.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
};

use super::passphrase::{PASSPHRASE_VARIABLE, Passphrase};
use crate::{Error, Result};

/// The passphrase in `<database>.key`, which is made if there is none, unless `has_keys` says that
/// something is encrypted with the one that was there.
pub(super) fn passphrase(database: &Path, has_keys: bool) -> Result<Passphrase> {
    let mut path = database.as_os_str().to_owned();
    path.push(".key");
    let path = PathBuf::from(path);
    let unusable = |message| Error::StoreUnavailable { message, is_retryable: false };
    let unavailable = |error: io::Error| unusable(format!("key file {}: {error}", path.display()));
    if let Some(file) = open(&path)? {
        return Passphrase::read(file, &path);
    }
    if has_keys {
        return Err(unusable(format!(
            "the key file {} is missing, and no passphrase is configured: restore it or set \
             {PASSPHRASE_VARIABLE}",
            path.display()
        )));
    }
    // Written whole under another name (mode 0600 from the start) and then linked, so that of two
    // processes that start at once neither reads half a passphrase nor overwrites the other's.
    let passphrase = Passphrase::random()?;
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(unavailable)?;
    writeln!(file, "{}", passphrase.as_str()).map_err(unavailable)?;
    file.as_file().sync_all().map_err(unavailable)?;
    match file.persist_noclobber(&path) {
        Ok(_) => Ok(passphrase),
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => match open(&path)? {
            Some(file) => Passphrase::read(file, &path),
            None => Err(unavailable(error.error)),
        },
        Err(error) => Err(unavailable(error.error)),
    }
}

/// Opens the key file, `None` if there is none. Refuses one that somebody else may have read or put
/// there, as ssh does with its keys.
fn open(path: &Path) -> Result<Option<File>> {
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    {
        use rustix::fs::OFlags;
        use std::os::unix::fs::OpenOptionsExt;

        // What is looked at is what is read: nothing can be put in its place in between. And nobody
        // waits for the writer of a pipe.
        let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
        options.custom_flags(flags.bits().cast_signed());
    }
    let file = match options.open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        #[cfg(unix)]
        Err(error) if error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) => {
            return Err(is_unsafe(path, "is a link", "put the file itself in its place"));
        }
        Err(error) => {
            return Err(Error::StoreUnavailable {
                message: format!("key file {}: {error}", path.display()),
                is_retryable: false,
            });
        }
    };
    #[cfg(unix)]
    require_private(&file, path)?;
    Ok(Some(file))
}

#[cfg(unix)]
fn require_private(file: &File, path: &Path) -> Result<()> {
    use std::os::unix::fs::MetadataExt;

    let metadata = file.metadata().map_err(|error| Error::StoreUnavailable {
        message: format!("key file {}: {error}", path.display()),
        is_retryable: false,
    })?;
    if !metadata.is_file() {
        return Err(is_unsafe(path, "is no regular file", "check the path of the database"));
    }
    if metadata.uid() != rustix::process::geteuid().as_raw() {
        return Err(is_unsafe(path, "belongs to another user", "give it to this one (chown)"));
    }
    if metadata.mode() & 0o077 != 0 {
        return Err(is_unsafe(
            path,
            "can be read or written by others",
            "take their permissions away (chmod 600), and make a new CA if one of them may have \
             read it",
        ));
    }
    Ok(())
}

#[cfg(unix)]
fn is_unsafe(path: &Path, what: &'static str, remedy: &'static str) -> Error {
    Error::KeyFileUnsafe { path: path.display().to_string(), what, remedy }
}

#[cfg(all(test, unix))]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt};

    use super::*;
    use crate::ErrorCode;

    #[test]
    fn the_key_file_is_made_once_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("certs.db");
        let made = passphrase(&database, false).unwrap();
        for has_keys in [false, true] {
            assert_eq!(passphrase(&database, has_keys).unwrap().as_str(), made.as_str());
        }
        let file = folder.path().join("certs.db.key");
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);

        fs::remove_file(&file).unwrap();
        let error = passphrase(&database, true).unwrap_err();
        assert!(error.to_string().contains("is missing"), "{error}");
        assert!(!file.exists(), "a new passphrase can't open old keys");
    }

    #[test]
    fn a_key_file_that_others_may_have_read_or_made_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("certs.db");
        let file = folder.path().join("certs.db.key");
        passphrase(&database, false).unwrap();
        let refused = |what: &str, remedy: &str| {
            let error = passphrase(&database, true).unwrap_err();
            assert_eq!(error.code(), ErrorCode::KeyFileUnsafe);
            let text = error.to_string();
            assert!(text.contains(what) && text.contains(remedy), "{text}");
            assert!(text.contains("certs.db.key"), "{text}");
        };
        let set = |mode| fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        for mode in [0o640, 0o604, 0o620, 0o602, 0o610] {
            set(mode);
            refused("by others", "chmod 600");
        }
        for mode in [0o400, 0o600] {
            set(mode);
            passphrase(&database, true).unwrap();
        }
        let elsewhere = folder.path().join("elsewhere");
        fs::rename(&file, &elsewhere).unwrap();
        std::os::unix::fs::symlink(&elsewhere, &file).unwrap();
        refused("is a link", "the file itself");
        fs::remove_file(&file).unwrap();
        fs::create_dir(&file).unwrap();
        refused("no regular file", "path of the database");
        fs::remove_dir(&file).unwrap();

        // Only root can give a file away.
        fs::rename(&elsewhere, &file).unwrap();
        if std::os::unix::fs::chown(&file, Some(65_534), None).is_ok() {
            refused("another user", "chown");
        }
    }
}
