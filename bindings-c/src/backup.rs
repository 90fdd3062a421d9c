//! A copy of a CA's database.

use std::path::Path;

use catalyst_pki::authority::store::Backup;

use crate::text::{Text, pki_str};

/// What `pki_manager_backup` has written.
///
/// Never changed once made: any number of threads may read one.
pub struct pki_backup {
    path: Text,
    bytes: u64,
    has_key: bool,
    key_file: Text,
    notice: Text,
}

impl From<Backup> for pki_backup {
    fn from(backup: Backup) -> Self {
        let text = |path: &Path| Text::new(&path.to_string_lossy());
        pki_backup {
            notice: backup.notice().into(),
            path: text(&backup.path),
            bytes: backup.bytes,
            has_key: backup.key_included,
            key_file: backup.key_file.as_deref().map(text).unwrap_or_default(),
        }
    }
}

export! {
    /// Its file. Lives as long as `backup`.
    fn pki_backup_path(backup: &pki_backup) -> pki_str {
        backup.path.lend()
    }

    /// The length of its file in bytes; 0 for NULL.
    fn pki_backup_size(backup: &pki_backup) -> u64 {
        backup.bytes
    }

    /// Whether what decrypts its private keys is in it, so that whoever finds it is the CA.
    fn pki_backup_has_key(backup: &pki_backup) -> bool {
        backup.has_key
    }

    /// The development key file, without which it is lost; empty where a passphrase was configured.
    /// Lives as long as `backup`.
    fn pki_backup_key_file(backup: &pki_backup) -> pki_str {
        backup.key_file.lend()
    }

    /// What an operator must know of its keys, in a sentence. Lives as long as `backup`.
    fn pki_backup_notice(backup: &pki_backup) -> pki_str {
        backup.notice.lend()
    }

    /// Frees it, and the texts borrowed from it; the file stays. NULL is no error.
    fn pki_backup_free(backup: Freed<pki_backup>) {
        drop(backup);
    }
}
