//! How a manager works.

use std::{sync::Arc, time::Duration};

use catalyst_pki::{
    CaKind, Clock, Error, Result, Segment, SystemClock, Timestamp,
    authority::{
        ManagerConfig,
        signer::{KeyProtection, Passphrase},
    },
};
use parking_lot::{Mutex, MutexGuard};

use crate::boundary::UserData;

/// A CA of the hierarchy: one of `PKI_CA_…`.
pub type pki_ca_kind = u32;
/// The root.
pub const PKI_CA_ROOT: u32 = 1;
/// The Services CA.
pub const PKI_CA_SERVICES: u32 = 2;
/// The Transport CA.
pub const PKI_CA_TRANSPORT: u32 = 3;

pub(crate) fn ca_kind(number: pki_ca_kind) -> Result<CaKind> {
    match number {
        PKI_CA_ROOT => Ok(CaKind::Root),
        PKI_CA_SERVICES => Ok(CaKind::Intermediate(Segment::Services)),
        PKI_CA_TRANSPORT => Ok(CaKind::Intermediate(Segment::Transport)),
        _ => Err(unknown("kind", number)),
    }
}

/// A number that stands for nothing.
pub(crate) fn unknown(name: &'static str, number: u32) -> Error {
    Error::InvalidArgument { name, reason: format!("{number} stands for nothing") }
}

/// Tells the time: milliseconds since 1970-01-01T00:00:00Z, given the user data. It is called on
/// every thread that uses what was made with it, several at once, and must not unwind or jump out.
pub type pki_clock_callback = Option<extern "C" fn(user_data: *mut std::ffi::c_void) -> i64>;

/// How a manager works; what isn't set is as the library has it. The manager copies it: it may be
/// freed, or changed for another manager, at once.
///
/// Threads may share one; each call is whole by itself.
pub struct pki_config(Mutex<Config>);

#[derive(Debug, Clone, Default)]
pub(crate) struct Config {
    pub(crate) manager: ManagerConfig,
    protection: Option<KeyProtection>,
    pub(crate) busy_timeout: Option<Duration>,
}

impl Config {
    /// Where the passphrase comes from: as was said, else as the environment says.
    pub(crate) fn protection(&self) -> Result<KeyProtection> {
        self.protection.clone().map_or_else(KeyProtection::from_env, Ok)
    }
}

impl pki_config {
    pub(crate) fn copied(config: Option<&Self>) -> Config {
        config.map(|config| config.lock().clone()).unwrap_or_default()
    }

    fn lock(&self) -> MutexGuard<'_, Config> {
        self.0.lock()
    }
}

/// The clock that a caller has given; the operating system's for NULL.
pub(crate) fn clock(callback: pki_clock_callback, user_data: UserData) -> Arc<dyn Clock> {
    match callback {
        Some(now) => Arc::new(CallbackClock { now, user_data }),
        None => Arc::new(SystemClock),
    }
}

#[derive(Debug)]
struct CallbackClock {
    now: extern "C" fn(*mut std::ffi::c_void) -> i64,
    user_data: UserData,
}

impl Clock for CallbackClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis((self.now)(self.user_data.pointer()))
    }
}

export! {
    /// A configuration with everything as the library has it.
    fn pki_config_new() -> New<pki_config> {
        Ok(pki_config(Mutex::default()))
    }

    /// The trust domain of every certificate: a DNS name of two labels or more. It is set when the
    /// hierarchy is made and refused later if it differs. `PKI_ERR_INVALID_TRUST_DOMAIN`,
    /// `PKI_ERR_INVALID_SPIFFE_ID`.
    fn pki_config_set_trust_domain(config: &mut pki_config, trust_domain: &str) -> Done {
        config.lock().manager.trust_domain = trust_domain.parse()?;
        Ok(())
    }

    /// How long an SVID lives where the request doesn't say: 60 to 86400 seconds. What is out of
    /// range is refused when a manager is made.
    fn pki_config_set_svid_ttl(config: &mut pki_config, seconds: u64) -> Done {
        config.lock().manager.svid_ttl = Duration::from_secs(seconds);
        Ok(())
    }

    /// How long an SVID lives at most; longer requests are cut to it. 60 to 86400 seconds. What is
    /// out of range is refused when a manager is made.
    fn pki_config_set_max_svid_ttl(config: &mut pki_config, seconds: u64) -> Done {
        config.lock().manager.max_svid_ttl = Duration::from_secs(seconds);
        Ok(())
    }

    /// How new intermediates are constrained: `trust-domain`, `none` (for peers on stock rustls) or
    /// `dns:a.example,b.example`. `PKI_ERR_INVALID_ARGUMENT`.
    fn pki_config_set_name_constraints(config: &mut pki_config, mode: &str) -> Done {
        config.lock().manager.name_constraints = mode.parse()?;
        Ok(())
    }

    /// The common name of a CA, 1 to 64 characters; matters when the hierarchy is made.
    /// `PKI_ERR_INVALID_ARGUMENT` for a kind that stands for nothing; a name that can't be meant is
    /// refused when a manager is made.
    fn pki_config_set_ca_common_name(config: &mut pki_config, kind: pki_ca_kind, common_name: &str) -> Done {
        let mut config = config.lock();
        let cas = &mut config.manager.cas;
        let name = match ca_kind(kind)? {
            CaKind::Root => &mut cas.root_common_name,
            CaKind::Intermediate(Segment::Services) => &mut cas.services_common_name,
            CaKind::Intermediate(Segment::Transport) => &mut cas.transport_common_name,
        };
        *name = common_name.to_owned();
        Ok(())
    }

    /// How long the root lives, in seconds: a day to 3650 days; matters when the hierarchy is made.
    /// What is out of range is refused when a manager is made.
    fn pki_config_set_root_lifetime(config: &mut pki_config, seconds: u64) -> Done {
        config.lock().manager.cas.root_lifetime = Duration::from_secs(seconds);
        Ok(())
    }

    /// How long the intermediates live, in seconds: a day to 730 days; matters when the hierarchy is
    /// made. What is out of range is refused when a manager is made.
    fn pki_config_set_intermediate_lifetime(config: &mut pki_config, seconds: u64) -> Done {
        config.lock().manager.cas.intermediate_lifetime = Duration::from_secs(seconds);
        Ok(())
    }

    /// Allows requests to ask for DNS names below a suffix (`svc.example.com`). Can be called
    /// several times. What is no DNS name is refused when a manager is made.
    fn pki_config_allow_dns_suffix(config: &mut pki_config, suffix: &str) -> Done {
        config.lock().manager.allowed_dns_suffixes.push(suffix.to_owned());
        Ok(())
    }

    /// The passphrase that encrypts the CA keys in the database. It is copied, and the copy wiped
    /// when no longer used. It is one line: a byte order mark before it and line ends after it are
    /// cut, so that it is the same one from a file. `PKI_ERR_INVALID_ARGUMENT` if it is empty, has a
    /// second line or a NUL byte.
    ///
    /// Without this, `pki_config_set_passphrase_file` or `pki_config_use_development_key_file`, the
    /// environment says it: `CATALYST_PKI_KEY_PASSPHRASE`, `CATALYST_PKI_KEY_PASSPHRASE_FILE`, else
    /// a development key file.
    fn pki_config_set_passphrase(config: &mut pki_config, passphrase: &str) -> Done {
        config.lock().protection = Some(KeyProtection::Passphrase(Passphrase::new(passphrase)?));
        Ok(())
    }

    /// Takes the passphrase from a file, when the database is opened; it is what
    /// `pki_config_set_passphrase` makes of the file's content. A relative path is that of the
    /// present folder, whichever is it then. `PKI_ERR_INVALID_ARGUMENT` if it is empty.
    fn pki_config_set_passphrase_file(config: &mut pki_config, path: &str) -> Done {
        config.lock().protection = Some(KeyProtection::passphrase_file(path)?);
        Ok(())
    }

    /// Makes up a passphrase and keeps it beside the database, in `<database>.key`: whoever copies
    /// both has the CA. For development. A key file that others can read or write, that belongs to
    /// another user or is a link is refused when the database is opened: `PKI_ERR_KEY_FILE_UNSAFE`.
    fn pki_config_use_development_key_file(config: &mut pki_config) -> Done {
        config.lock().protection = Some(KeyProtection::DevelopmentKeyFile);
        Ok(())
    }

    /// How long a call waits for others that write into the database, be it other programs or other
    /// threads of this one; 10 seconds without this. Then it fails with `PKI_ERR_STORE_UNAVAILABLE`,
    /// which is retryable. 0: not at all.
    fn pki_config_set_busy_timeout(config: &mut pki_config, milliseconds: u64) -> Done {
        config.lock().busy_timeout = Some(Duration::from_millis(milliseconds));
        Ok(())
    }

    /// Takes the time from a callback, for tests of what time does; NULL for the operating system's
    /// clock. `user_data` is given to it and must live as long as every manager made with this
    /// configuration, and every `pki_token_issuer` and `pki_token_verifier` that comes from one.
    fn pki_config_set_clock(config: &mut pki_config, callback: pki_clock_callback, user_data: UserData) -> Done {
        config.lock().manager.clock = clock(callback, user_data);
        Ok(())
    }

    /// Frees a configuration. NULL is no error.
    fn pki_config_free(config: Freed<pki_config>) {
        drop(config);
    }
}
