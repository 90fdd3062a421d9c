//! The plain data that a store holds.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::{Error, Result, Timestamp};

/// A certificate as a store keeps it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CertificateRecord {
    /// The serial number: hex, lower case, without separators.
    pub serial: String,
    /// SHA-256 of the DER, base64url without padding.
    pub fingerprint: String,
    /// Whose certificate it is: which CA's, or a workload's.
    #[serde(rename = "type")]
    pub certificate_type: CertificateType,
    /// The subject's common name; empty where the subject is.
    pub common_name: String,
    /// The SPIFFE ID of a leaf, `None` for a CA.
    pub spiffe_id: Option<String>,
    /// The certificate, PEM.
    pub certificate_pem: String,
    /// Its private key, PEM, `None` where it is not kept here. Those of a `CertificateManager` are
    /// encrypted (`ENCRYPTED PRIVATE KEY`). One that a caller puts here in plain text is encrypted in
    /// the store, and read back as it was given.
    pub private_key_pem: Option<String>,
    /// The serial of the CA that signed it, `None` for a root.
    pub issuer_serial: Option<String>,
    /// The first moment of its validity.
    #[serde(serialize_with = "millis", deserialize_with = "not_before")]
    pub not_before: Timestamp,
    /// The last moment of its validity.
    #[serde(serialize_with = "millis", deserialize_with = "not_after")]
    pub not_after: Timestamp,
    /// Where it is in its life.
    pub status: CertificateStatus,
    /// When it was stored.
    #[serde(serialize_with = "millis", deserialize_with = "created_at")]
    pub created_at: Timestamp,
}

/// Serializes as milliseconds since the epoch, as in a database.
pub(in crate::authority) fn millis<S: Serializer>(
    time: &Timestamp,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    time.as_millis().serialize(serializer)
}

/// Milliseconds since the epoch back; one that can't be meant is named.
macro_rules! given {
    ($($field:ident = $name:literal,)+) => {$(
        fn $field<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
            Timestamp::given($name, i64::deserialize(deserializer)?).map_err(de::Error::custom)
        }
    )+};
}

given! {
    not_before = "notBefore",
    not_after = "notAfter",
    created_at = "createdAt",
}

/// Prints no key, not even an encrypted one.
impl fmt::Debug for CertificateRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CertificateRecord")
            .field("serial", &self.serial)
            .field("certificate_type", &self.certificate_type)
            .field("common_name", &self.common_name)
            .field("spiffe_id", &self.spiffe_id)
            .field("issuer_serial", &self.issuer_serial)
            .field("not_before", &self.not_before)
            .field("not_after", &self.not_after)
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}

/// An enum that a database column holds as text.
macro_rules! text_enum {
    ($(#[$meta:meta])* $name:ident { $($(#[doc = $doc:literal])+ $variant:ident = $text:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum $name {
            $($(#[doc = $doc])+ #[serde(rename = $text)] $variant,)+
        }

        impl $name {
            /// Every one there is.
            pub const ALL: &'static [$name] = &[$($name::$variant,)+];

            /// The text in the database, and in JavaScript.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $($name::$variant => $text,)+ }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl FromStr for $name {
            type Err = Error;

            fn from_str(text: &str) -> Result<Self, Error> {
                match text {
                    $($text => Ok($name::$variant),)+
                    _ => Err(Error::CorruptCaState(format!(
                        "unknown {} {text:?} in the database", stringify!($name)
                    ))),
                }
            }
        }
    };
}

text_enum! {
    /// What kind of certificate a record holds.
    CertificateType {
        /// The root CA.
        RootCa = "root-ca",
        /// A Services CA.
        ServicesCa = "services-ca",
        /// A Transport CA.
        TransportCa = "transport-ca",
        /// A leaf.
        EndEntity = "end-entity",
    }
}

text_enum! {
    /// Where a certificate is in its life.
    CertificateStatus {
        /// A CA that is published but doesn't sign yet.
        Pending = "pending",
        /// In use.
        Active = "active",
        /// A leaf that has been renewed, or a CA that is retiring; valid until it expires.
        Superseded = "superseded",
        /// A leaf past its end.
        Expired = "expired",
        /// A CA that has left the bundle.
        Retired = "retired",
        /// A CA that must not be trusted any more.
        Revoked = "revoked",
    }
}

/// A denied identity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DenyListEntry {
    /// The SPIFFE ID.
    pub spiffe_id: String,
    /// Why, in the operator's words.
    pub reason: String,
    /// When it was denied last.
    #[serde(serialize_with = "millis")]
    pub denied_at: Timestamp,
}

/// A certificate of a denied identity that has not expired yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ExpiringCertificate {
    /// The serial number, hex, lower case.
    pub serial: String,
    /// The last moment of its validity.
    pub expires_at: Timestamp,
}

/// Which certificates to list.
#[derive(Debug, Clone, Default)]
pub struct CertificateQuery {
    /// Only those of this identity.
    pub spiffe_id: Option<String>,
    /// Only those of this status.
    pub status: Option<CertificateStatus>,
    /// Go on after this page ([`CertificatePage::next`]).
    pub cursor: Option<String>,
    /// How many at most; 0 means 100, more than 1000 means 1000.
    pub limit: usize,
}

impl CertificateQuery {
    /// How many a page holds at most.
    #[must_use]
    pub fn page_len(&self) -> usize {
        match self.limit {
            0 => 100,
            limit => limit.min(1000),
        }
    }
}

/// One page of certificates.
#[derive(Debug, Clone, Default)]
pub struct CertificatePage {
    /// The certificates.
    pub records: Vec<CertificateRecord>,
    /// Those that would be among them if they could be read.
    pub unreadable: Vec<UnreadableRecord>,
    /// The cursor of the next page; `None` on the last one.
    pub next: Option<String>,
}

/// A record that can't be read: somebody else has written it, or the disk has damaged it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnreadableRecord {
    /// Its serial, as far as that can be read.
    pub serial: String,
    /// Why.
    pub reason: String,
}

impl UnreadableRecord {
    /// One that `error` keeps from being read, after saying so in an event.
    pub(super) fn report(serial: String, error: &Error) -> Self {
        let record = UnreadableRecord { serial, reason: error.to_string() };
        tracing::error!(
            target: "catalyst.pki",
            serial = %record.serial,
            reason = %record.reason,
            "Record unreadable"
        );
        record
    }
}

impl fmt::Display for UnreadableRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the certificate with serial {} can't be read: {}", self.serial, self.reason)
    }
}
