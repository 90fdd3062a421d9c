//! Versions, groups and protocols of a connection.

use std::{fmt, str::FromStr, sync::Arc};

use rustls::{
    NamedGroup, ProtocolVersion, SupportedProtocolVersion,
    crypto::{
        CryptoProvider, SupportedKxGroup,
        aws_lc_rs::{self, cipher_suite, kx_group},
    },
    version,
};

use crate::{Error, Result};

/// A group of the key exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TlsGroup {
    /// X25519 with ML-KEM-768: holds against quantum computers (TLS 1.3 only).
    X25519MlKem768,
    /// X25519.
    X25519,
    /// P-384.
    Secp384r1,
    /// P-256.
    Secp256r1,
}

impl TlsGroup {
    /// Every group that can be chosen.
    pub const ALL: [TlsGroup; 4] =
        [TlsGroup::X25519MlKem768, TlsGroup::X25519, TlsGroup::Secp384r1, TlsGroup::Secp256r1];

    /// Those that are offered where a caller doesn't say which, the first before the others.
    pub const DEFAULT: [TlsGroup; 3] =
        [TlsGroup::X25519MlKem768, TlsGroup::X25519, TlsGroup::Secp384r1];

    /// Its name in the registry of IANA, lower case where that is: `X25519MLKEM768`, `x25519`,
    /// `secp384r1`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            TlsGroup::X25519MlKem768 => "X25519MLKEM768",
            TlsGroup::X25519 => "x25519",
            TlsGroup::Secp384r1 => "secp384r1",
            TlsGroup::Secp256r1 => "secp256r1",
        }
    }

    fn exchange(self) -> &'static dyn SupportedKxGroup {
        match self {
            TlsGroup::X25519MlKem768 => kx_group::X25519MLKEM768,
            TlsGroup::X25519 => kx_group::X25519,
            TlsGroup::Secp384r1 => kx_group::SECP384R1,
            TlsGroup::Secp256r1 => kx_group::SECP256R1,
        }
    }

    pub(super) fn from_rustls(name: NamedGroup) -> Option<Self> {
        TlsGroup::ALL.into_iter().find(|group| group.exchange().name() == name)
    }
}

impl FromStr for TlsGroup {
    type Err = Error;

    /// In upper or lower case, as the field writes it either way: `X25519`, `x25519`.
    fn from_str(text: &str) -> Result<Self> {
        let known = TlsGroup::ALL.into_iter().find(|one| one.as_str().eq_ignore_ascii_case(text));
        known.ok_or_else(|| {
            let words = TlsGroup::ALL.map(TlsGroup::as_str).join(", ");
            Error::argument("groups", format!("{text:?} is none of {words}"))
        })
    }
}

impl fmt::Display for TlsGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The version of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum TlsVersion {
    /// TLS 1.2 (RFC 5246).
    Tls12,
    /// TLS 1.3 (RFC 8446).
    Tls13,
}

impl TlsVersion {
    /// `TLSv1.2`, `TLSv1.3`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            TlsVersion::Tls12 => "TLSv1.2",
            TlsVersion::Tls13 => "TLSv1.3",
        }
    }

    pub(super) fn from_rustls(version: ProtocolVersion) -> Option<Self> {
        match version {
            ProtocolVersion::TLSv1_2 => Some(TlsVersion::Tls12),
            ProtocolVersion::TLSv1_3 => Some(TlsVersion::Tls13),
            _ => None,
        }
    }
}

impl fmt::Display for TlsVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What both sides of a connection must agree upon. The default: TLS 1.3, the groups
/// [`TlsGroup::DEFAULT`], no ALPN.
///
/// ```
/// use catalyst_pki::tls::TlsSettings;
///
/// let settings = TlsSettings::default().require_pq().alpn(["h2", "http/1.1"]);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TlsSettings {
    groups: Option<Vec<TlsGroup>>,
    require_pq: bool,
    allow_tls12: bool,
    alpn: Vec<Vec<u8>>,
}

impl TlsSettings {
    /// Takes these groups and no others, an earlier one before a later.
    #[must_use]
    pub fn groups(mut self, groups: impl IntoIterator<Item = TlsGroup>) -> Self {
        self.groups = Some(groups.into_iter().collect());
        self
    }

    /// Takes no connection whose key exchange a quantum computer would break:
    /// [`TlsGroup::X25519MlKem768`] alone, TLS 1.3 alone.
    #[must_use]
    pub fn require_pq(mut self) -> Self {
        self.require_pq = true;
        self
    }

    /// Takes TLS 1.2 too, for peers that know no better: with ECDHE, ECDSA, AEAD and extended master
    /// secret (RFC 7627) alone.
    #[must_use]
    pub fn allow_tls12(mut self) -> Self {
        self.allow_tls12 = true;
        self
    }

    /// Speaks one of these protocols (RFC 7301), an earlier one before a later. A peer that offers
    /// others alone is refused; one that offers none is taken.
    #[must_use]
    pub fn alpn(mut self, protocols: impl IntoIterator<Item: Into<Vec<u8>>>) -> Self {
        self.alpn = protocols.into_iter().map(Into::into).collect();
        self
    }

    pub(super) fn build(&self) -> Result<Built> {
        let invalid = |name, reason: &str| Err(Error::argument(name, reason));
        let pq = TlsGroup::X25519MlKem768;
        let groups = match &self.groups {
            Some(groups) if groups.is_empty() => return invalid("groups", "none is left"),
            Some(groups) if self.require_pq && !groups.contains(&pq) => {
                return invalid("requirePq", "X25519MLKEM768 is not among the groups");
            }
            _ if self.require_pq => &[pq],
            Some(groups) => &groups[..],
            None => &TlsGroup::DEFAULT,
        };
        if self.require_pq && self.allow_tls12 {
            return invalid("requirePq", "TLS 1.2 has no such group: don't allow it");
        }
        if self.alpn.iter().any(|protocol| !(1..=255).contains(&protocol.len())) {
            return invalid("alpn", "a protocol's name has 1 to 255 bytes");
        }
        let mut provider = aws_lc_rs::default_provider();
        provider.kx_groups = groups.iter().map(|group| group.exchange()).collect();
        provider.cipher_suites = CIPHER_SUITES.to_vec();
        Ok(Built {
            provider: Arc::new(provider),
            versions: if self.allow_tls12 { BOTH_VERSIONS } else { TLS13_ALONE },
            alpn: self.alpn.clone(),
        })
    }
}

/// Settings as rustls wants them.
#[derive(Debug, Clone)]
pub(super) struct Built {
    pub(super) provider: Arc<CryptoProvider>,
    pub(super) versions: &'static [&'static SupportedProtocolVersion],
    pub(super) alpn: Vec<Vec<u8>>,
}

static TLS13_ALONE: &[&SupportedProtocolVersion] = &[&version::TLS13];
static BOTH_VERSIONS: &[&SupportedProtocolVersion] = &[&version::TLS13, &version::TLS12];

/// No SVID has an RSA key.
static CIPHER_SUITES: &[rustls::SupportedCipherSuite] = &[
    cipher_suite::TLS13_AES_256_GCM_SHA384,
    cipher_suite::TLS13_AES_128_GCM_SHA256,
    cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
    cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    cipher_suite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
];
