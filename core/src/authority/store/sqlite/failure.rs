//! What SQLite says, in words that tell an operator what to do.

use std::{fmt, io, path::Path};

use rusqlite::{Error as SqlError, ErrorCode as SqlCode, ffi::SQLITE_IOERR_DELETE_NOENT};

use crate::Error;

pub(super) type Outcome<T> = Result<T, Failure>;

/// A failure inside of the store, before it is known which database it is about.
#[derive(Debug)]
pub(super) enum Failure {
    Sql(SqlError),
    Pki(Error),
    /// What is wrong with the database, as the end of a sentence that begins with its path.
    Database(&'static str),
    /// Others wrote for too long.
    Locked,
    /// Its files are not at the path any more, or became others in the middle.
    Replaced,
    /// There is no file at the path any more.
    Gone,
}

impl From<SqlError> for Failure {
    fn from(error: SqlError) -> Self {
        match error.sqlite_error().map(|failure| failure.extended_code) {
            // SQLite has nothing to delete but what it has just seen.
            Some(SQLITE_IOERR_DELETE_NOENT) => Failure::Replaced,
            _ => Failure::Sql(error),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure::Pki(error)
    }
}

impl Failure {
    pub(super) fn explain(self, database: &Place) -> Error {
        match self {
            Failure::Pki(error) => error,
            Failure::Sql(error) => explain(&error, database),
            Failure::Database(what) => unusable(format!("{database} {what}")),
            Failure::Locked => locked(database),
            Failure::Replaced => unavailable(format!(
                "files of {database} were removed or replaced while it was in use: what was to be \
                 stored is not confirmed; try again, and find out who does that, such as another \
                 SQLite library in this process"
            )),
            Failure::Gone => unavailable(format!(
                "{database} was moved or deleted: put it back, or restore a backup"
            )),
        }
    }

    /// Whether another connection was in the way.
    pub(super) fn is_busy(&self) -> bool {
        match self {
            Failure::Sql(error) => matches!(
                error.sqlite_error_code(),
                Some(SqlCode::DatabaseBusy | SqlCode::DatabaseLocked)
            ),
            Failure::Locked => true,
            Failure::Pki(_) | Failure::Database(_) | Failure::Replaced | Failure::Gone => false,
        }
    }

    /// Whether files that somebody changes in the middle may look like this.
    pub(super) fn may_be_of_changes(&self) -> bool {
        matches!(self, Failure::Sql(_) | Failure::Database(_)) && !self.is_busy()
    }

    /// Whether it says that something else is in the database than there should be.
    pub(super) fn is_damage(&self) -> bool {
        match self {
            Failure::Sql(error) => matches!(
                error.sqlite_error_code(),
                Some(SqlCode::DatabaseCorrupt | SqlCode::NotADatabase)
            ),
            Failure::Database(_) => true,
            _ => false,
        }
    }
}

/// Where a database is.
#[derive(Debug)]
pub(super) enum Place {
    Memory,
    File(Box<Path>),
    /// One row, whose database is known.
    Record,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Memory => f.write_str("the database in memory"),
            Place::Record => f.write_str("it"),
            Place::File(path) => write!(f, "the database {}", path.display()),
        }
    }
}

/// Messages are made here and never taken from SQLite: its own hold SQL.
fn explain(error: &SqlError, database: &Place) -> Error {
    let text = match error {
        SqlError::SqliteFailure(failure, _) => return explain_code(*failure, database),
        SqlError::SqlInputError { error: failure, .. } => return explain_code(*failure, database),
        SqlError::InvalidColumnType(_, column, kind) => format!(
            "{database} holds a value of the unexpected kind {kind} in column {column}: restore a \
             backup"
        ),
        SqlError::FromSqlConversionFailure(column, kind, _) => format!(
            "{database} holds a value of the unexpected kind {kind} in column number {column}: \
             restore a backup"
        ),
        SqlError::IntegralValueOutOfRange(column, _) => format!(
            "{database} holds a number out of range in column number {column}: restore a backup"
        ),
        SqlError::Utf8Error(..) => {
            format!("{database} holds a text that is not UTF-8: restore a backup")
        }
        SqlError::NulError(_) | SqlError::InvalidPath(_) => {
            format!("{database} can't be opened: its path is not valid")
        }
        _ => return Error::internal(format!("unexpected answer from SQLite about {database}")),
    };
    unusable(text)
}

/// The store is not there for now.
fn unavailable(message: String) -> Error {
    Error::StoreUnavailable { message, is_retryable: true }
}

/// The store is of no use until somebody does something about it.
pub(super) fn unusable(message: String) -> Error {
    Error::StoreUnavailable { message, is_retryable: false }
}

fn locked(database: &Place) -> Error {
    unavailable(format!(
        "{database} has been locked by another process for too long: find and stop what holds it, \
         such as a backup or a shell with an open transaction"
    ))
}

fn explain_code(failure: rusqlite::ffi::Error, database: &Place) -> Error {
    let text = match failure.code {
        SqlCode::DiskFull => {
            return unavailable(format!(
                "no space left for {database}: free some disk space; nothing was stored"
            ));
        }
        SqlCode::ReadOnly => format!(
            "{database} is read-only: give this user write permission on the file and its folder, \
             and check that the disk is mounted for writing"
        ),
        SqlCode::DatabaseBusy | SqlCode::DatabaseLocked | SqlCode::FileLockingProtocolFailed => {
            return locked(database);
        }
        SqlCode::NotADatabase => format!(
            "{database} is not a SQLite database: check the path, or restore a backup if the file \
             was damaged"
        ),
        SqlCode::DatabaseCorrupt => format!("{database} is damaged: restore a backup"),
        SqlCode::CannotOpen => return cannot_open(database),
        SqlCode::PermissionDenied | SqlCode::AuthorizationForStatementDenied => {
            format!("{database} can't be opened: give this user read and write permission on it")
        }
        SqlCode::SystemIoFailure => {
            return unavailable(format!(
                "reading or writing {database} failed (SQLite code {}): check the disk",
                failure.extended_code
            ));
        }
        SqlCode::OutOfMemory => {
            return unavailable(format!("not enough memory for {database}"));
        }
        SqlCode::NoLargeFileSupport | SqlCode::TooBig => {
            format!("{database} can't hold anything this large")
        }
        _ => format!("{database} failed with SQLite code {}", failure.extended_code),
    };
    unusable(text)
}

/// SQLite says only that it can't open; the file system knows more.
fn cannot_open(database: &Place) -> Error {
    let Place::File(path) = database else {
        return unusable(format!("{database} can't be opened"));
    };
    let why = match path.metadata() {
        Ok(file) if file.is_dir() => "it is a folder: name a file in it".to_owned(),
        Ok(_) => match tempfile::tempfile_in(folder_of(path)) {
            // SQLite makes files beside it, and the folder says why it could not.
            Err(error) => return file_error(path, &error),
            Ok(_) => "give this user read and write permission on the file".to_owned(),
        },
        Err(error) => return file_error(path, &error),
    };
    unusable(format!("{database} can't be opened: {why}"))
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Why the file of a database can't be made or looked at.
pub(super) fn file_error(path: &Path, error: &io::Error) -> Error {
    let folder = folder_of(path);
    let why = match error.kind() {
        io::ErrorKind::NotFound if !folder.exists() => {
            format!("the folder {} does not exist: make it first", folder.display())
        }
        io::ErrorKind::NotFound => {
            "the file does not exist (a link that leads nowhere?): check the path".to_owned()
        }
        io::ErrorKind::PermissionDenied => format!(
            "permission denied: give this user read and write permission on it and on the folder {}",
            folder.display()
        ),
        io::ErrorKind::StorageFull => "no space left: free some disk space".to_owned(),
        io::ErrorKind::ReadOnlyFilesystem => {
            "the disk is mounted read-only: mount it for writing".to_owned()
        }
        io::ErrorKind::NotADirectory => {
            format!("{} is no folder: check the path", folder.display())
        }
        _ => error.to_string(),
    };
    let message = format!("the database {} can't be opened: {why}", path.display());
    match error.kind() {
        io::ErrorKind::StorageFull => unavailable(message),
        _ => unusable(message),
    }
}
