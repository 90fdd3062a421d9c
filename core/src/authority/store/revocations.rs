//! What is kept of revocations: which certificates are revoked, and the lists that say so.

use std::fmt;

use serde::Serialize;

use crate::{Result, Timestamp};

/// The part of a store that keeps revocations, in the same transactions as the rest: a denial puts an
/// identity's certificates on hold, and lifting it takes them off.
///
/// Certificates are those of the CAs of the hierarchy, and go by the serial of their issuer's record.
/// All errors are [`Error::StoreUnavailable`](crate::Error::StoreUnavailable).
pub trait RevocationStore {
    /// Revokes one certificate for good. Doing so again changes nothing but the reason.
    fn deny_serial(&self, denied: &DeniedSerial) -> Result<()>;

    /// The certificates that are revoked for good, newest first.
    fn denied_serials(&self) -> Result<Vec<DeniedSerial>>;

    /// The last list of an issuer, and whether anything has changed since.
    fn crl(&self, issuer_serial: &str) -> Result<CrlState>;

    /// What an issuer has to list, in the order of serial numbers, and the state that this is of: all
    /// but certificates that had ended at `ended_by`.
    fn revocations(
        &self,
        issuer_serial: &str,
        ended_by: Timestamp,
    ) -> Result<(u64, Vec<Revocation>)>;

    /// Stores an issuer's new list. `false`, and nothing has happened, where the last one is not
    /// `previous` (any more).
    fn save_crl(&self, new: &StoredCrl, previous: Option<u64>) -> Result<bool>;
}

/// A certificate that was revoked for good, by its serial number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct DeniedSerial {
    /// The serial of the record of the CA that has issued it, hex.
    pub issuer_serial: String,
    /// Its serial number, hex, lower case.
    pub serial: String,
    /// Why, for people.
    pub reason: String,
    /// Since when.
    pub denied_at: Timestamp,
    /// When it ends; `None` where it is not known here.
    pub expires_at: Option<Timestamp>,
}

impl DeniedSerial {
    /// The certificate of a serial number that this CA has issued.
    #[must_use]
    pub fn new(
        issuer_serial: impl Into<String>,
        serial: impl Into<String>,
        reason: impl Into<String>,
        denied_at: Timestamp,
    ) -> Self {
        DeniedSerial {
            issuer_serial: issuer_serial.into(),
            serial: serial.into(),
            reason: reason.into(),
            denied_at,
            expires_at: None,
        }
    }
}

/// An entry of a revocation list.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Revocation {
    /// The certificate's serial number, hex, lower case.
    pub serial: String,
    /// Why.
    pub reason: RevocationReason,
    /// Since when.
    pub revoked_at: Timestamp,
}

impl Revocation {
    /// An entry.
    #[must_use]
    pub fn new(serial: impl Into<String>, reason: RevocationReason, revoked_at: Timestamp) -> Self {
        Revocation { serial: serial.into(), reason, revoked_at }
    }
}

/// Why a certificate is revoked (RFC 5280 5.3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum RevocationReason {
    /// Its identity is denied, until it is allowed again.
    CertificateHold,
    /// Its key may be somebody else's too.
    KeyCompromise,
    /// It is a CA's, whose key may be somebody else's too.
    CaCompromise,
}

/// A revocation list as it was made.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoredCrl {
    /// The serial of the record of the CA that has signed it, hex.
    pub issuer_serial: String,
    /// Its CRL number (RFC 5280 5.2.3).
    pub number: u64,
    /// Since when it says how things stand.
    pub this_update: Timestamp,
    /// Until when there will be another one.
    pub next_update: Timestamp,
    /// The list, DER.
    pub der: Vec<u8>,
    /// The state of the issuer's revocations that it was made of.
    pub state: u64,
}

impl StoredCrl {
    /// A list of an issuer over a state of its revocations.
    #[must_use]
    pub fn new(
        issuer_serial: impl Into<String>,
        number: u64,
        (this_update, next_update): (Timestamp, Timestamp),
        der: Vec<u8>,
        state: u64,
    ) -> Self {
        StoredCrl {
            issuer_serial: issuer_serial.into(),
            number,
            this_update,
            next_update,
            der,
            state,
        }
    }
}

impl fmt::Debug for StoredCrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredCrl")
            .field("issuer_serial", &self.issuer_serial)
            .field("number", &self.number)
            .field("this_update", &self.this_update)
            .field("next_update", &self.next_update)
            .field("der", &format_args!("{} bytes", self.der.len()))
            .field("state", &self.state)
            .finish()
    }
}

/// How things stand with an issuer's list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CrlState {
    /// Grows at each change of what is to be listed; 0 where nothing ever was.
    pub state: u64,
    /// The last list.
    pub last: Option<StoredCrl>,
}

impl CrlState {
    /// The last list of a state.
    #[must_use]
    pub fn new(state: u64, last: Option<StoredCrl>) -> Self {
        CrlState { state, last }
    }
}
