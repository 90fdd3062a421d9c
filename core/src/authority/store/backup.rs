//! What a backup is, whatever the store.

use std::path::PathBuf;

/// A copy of a store at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Backup {
    /// The file, for its owner alone (mode 0600).
    pub path: PathBuf,
    /// Its length in bytes.
    pub bytes: u64,
    /// Whether the passphrase of its private keys is in it. In no backup so far: whoever finds one
    /// can't sign with it.
    pub key_included: bool,
    /// Where the passphrase is, if it is in the development key file; `None` if it was configured.
    pub key_file: Option<PathBuf>,
}

impl Backup {
    /// What an operator must know of the keys, in a sentence.
    #[must_use]
    pub fn notice(&self) -> String {
        match &self.key_file {
            Some(file) => format!(
                "The backup holds the CA keys encrypted, and not the key file {}: without a copy of \
                 that file, kept apart, it is lost",
                file.display()
            ),
            None => {
                "The backup holds the CA keys encrypted, and not the passphrase: without that it \
                     is lost"
                    .to_owned()
            }
        }
    }
}
