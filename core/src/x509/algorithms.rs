//! Which keys and signatures may stand in a path.

use std::{fmt, str::FromStr, sync::LazyLock};

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P384_SHA384_ASN1, ECDSA_P521_SHA512_ASN1,
    EcdsaVerificationAlgorithm, ParsedPublicKey,
};
use der::asn1::ObjectIdentifier;
use rustls_pki_types::{AlgorithmIdentifier, SignatureVerificationAlgorithm, alg_id};
use webpki::aws_lc_rs as alg;
use x509_parser::public_key::PublicKey;

use super::{
    certificate::Certificate,
    tlv::{Signed, elements, sequence},
};
use crate::{Error, Result};

/// A kind of key, together with the one signature algorithm (RSA: the few) that goes with it.
///
/// ECDSA takes the hash of the curve's own size and no other: P-384 with SHA-384.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Algorithm {
    /// ECDSA on P-256 with SHA-256.
    P256,
    /// ECDSA on P-384 with SHA-384.
    P384,
    /// ECDSA on P-521 with SHA-512.
    P521,
    /// Ed25519 (RFC 8410).
    Ed25519,
    /// RSA of 2048 to 8192 bits, PKCS#1 1.5 or PSS, with SHA-256, SHA-384 or SHA-512.
    Rsa,
    /// ML-DSA-44 (FIPS 204, RFC 9881).
    MlDsa44,
    /// ML-DSA-65.
    MlDsa65,
    /// ML-DSA-87.
    MlDsa87,
}

impl Algorithm {
    /// Every algorithm that can be verified here.
    pub const ALL: [Algorithm; 8] = [
        Algorithm::P256,
        Algorithm::P384,
        Algorithm::P521,
        Algorithm::Ed25519,
        Algorithm::Rsa,
        Algorithm::MlDsa44,
        Algorithm::MlDsa65,
        Algorithm::MlDsa87,
    ];

    /// The usual name: `P-384`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Algorithm::P256 => "P-256",
            Algorithm::P384 => "P-384",
            Algorithm::P521 => "P-521",
            Algorithm::Ed25519 => "Ed25519",
            Algorithm::Rsa => "RSA",
            Algorithm::MlDsa44 => "ML-DSA-44",
            Algorithm::MlDsa65 => "ML-DSA-65",
            Algorithm::MlDsa87 => "ML-DSA-87",
        }
    }

    /// The verification whose public key is a point on this curve.
    const fn point(self) -> Option<&'static EcdsaVerificationAlgorithm> {
        match self {
            Algorithm::P256 => Some(&ECDSA_P256_SHA256_ASN1),
            Algorithm::P384 => Some(&ECDSA_P384_SHA384_ASN1),
            Algorithm::P521 => Some(&ECDSA_P521_SHA512_ASN1),
            _ => None,
        }
    }

    const fn key_id(self) -> AlgorithmIdentifier {
        match self {
            Algorithm::P256 => alg_id::ECDSA_P256,
            Algorithm::P384 => alg_id::ECDSA_P384,
            Algorithm::P521 => alg_id::ECDSA_P521,
            Algorithm::Ed25519 => alg_id::ED25519,
            Algorithm::Rsa => alg_id::RSA_ENCRYPTION,
            Algorithm::MlDsa44 => alg_id::ML_DSA_44,
            Algorithm::MlDsa65 => alg_id::ML_DSA_65,
            Algorithm::MlDsa87 => alg_id::ML_DSA_87,
        }
    }

    fn verifiers(self) -> &'static [&'static dyn SignatureVerificationAlgorithm] {
        type Verifiers<const N: usize> = [&'static dyn SignatureVerificationAlgorithm; N];
        static P256: Verifiers<1> = [alg::ECDSA_P256_SHA256];
        static P384: Verifiers<1> = [alg::ECDSA_P384_SHA384];
        static P521: Verifiers<1> = [alg::ECDSA_P521_SHA512];
        static ED25519: Verifiers<1> = [alg::ED25519];
        static RSA: Verifiers<6> = [
            alg::RSA_PKCS1_2048_8192_SHA256,
            alg::RSA_PKCS1_2048_8192_SHA384,
            alg::RSA_PKCS1_2048_8192_SHA512,
            alg::RSA_PSS_2048_8192_SHA256_LEGACY_KEY,
            alg::RSA_PSS_2048_8192_SHA384_LEGACY_KEY,
            alg::RSA_PSS_2048_8192_SHA512_LEGACY_KEY,
        ];
        static ML_DSA_44: Verifiers<1> = [alg::ML_DSA_44];
        static ML_DSA_65: Verifiers<1> = [alg::ML_DSA_65];
        static ML_DSA_87: Verifiers<1> = [alg::ML_DSA_87];
        match self {
            Algorithm::P256 => &P256,
            Algorithm::P384 => &P384,
            Algorithm::P521 => &P521,
            Algorithm::Ed25519 => &ED25519,
            Algorithm::Rsa => &RSA,
            Algorithm::MlDsa44 => &ML_DSA_44,
            Algorithm::MlDsa65 => &ML_DSA_65,
            Algorithm::MlDsa87 => &ML_DSA_87,
        }
    }
}

impl FromStr for Algorithm {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let known = Algorithm::ALL.into_iter().find(|algorithm| algorithm.as_str() == text);
        known.ok_or_else(|| {
            let words = Algorithm::ALL.map(Algorithm::as_str).join(", ");
            Error::argument("algorithm", format!("{text:?} is none of {words}"))
        })
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The set of algorithms that a caller accepts, for the keys and the signatures of a path alike.
///
/// ```
/// use catalyst_pki::{Algorithm, Algorithms};
///
/// assert!(Algorithms::default().allows(Algorithm::P384));
/// assert!(!Algorithms::default().allows(Algorithm::P256));
/// let wider = Algorithms::default().with(Algorithm::P256);
/// assert!(wider.allows(Algorithm::P256) && wider.allows(Algorithm::P384));
/// ```
#[derive(Clone)]
pub struct Algorithms {
    allowed: Vec<Algorithm>,
    verifiers: Vec<&'static dyn SignatureVerificationAlgorithm>,
}

/// P-384 alone, made once.
pub(crate) static P384_ONLY: LazyLock<Algorithms> = LazyLock::new(Algorithms::p384);

impl Algorithms {
    /// P-384 alone: what this PKI issues.
    #[must_use]
    pub fn p384() -> Self {
        Self::only(&[Algorithm::P384])
    }

    /// Everything in [`Algorithm::ALL`], for certificates of other PKIs.
    #[must_use]
    pub fn all() -> Self {
        Self::only(&Algorithm::ALL)
    }

    /// The same set with one more.
    #[must_use]
    pub fn with(mut self, algorithm: Algorithm) -> Self {
        if !self.allows(algorithm) {
            self.allowed.push(algorithm);
            self.verifiers.extend(algorithm.verifiers());
        }
        self
    }

    /// These and no others. An empty list allows nothing.
    #[must_use]
    pub fn only(algorithms: &[Algorithm]) -> Self {
        let none = Algorithms { allowed: Vec::new(), verifiers: Vec::new() };
        algorithms.iter().copied().fold(none, Self::with)
    }

    /// Whether the set holds `algorithm`.
    #[must_use]
    pub fn allows(&self, algorithm: Algorithm) -> bool {
        self.allowed.contains(&algorithm)
    }

    /// Checks the kind of a certificate's own key, which no signature of the path has exercised
    /// when it is the leaf's.
    pub(crate) fn check_key(&self, certificate: &Certificate<'_>) -> Result<()> {
        let spki = Spki::parse(certificate.spki())?;
        let Some(algorithm) = self.allowed.iter().find(|a| *a.key_id() == *spki.algorithm) else {
            return Err(not_allowed("key", spki.algorithm, |a| *a.key_id() == *spki.algorithm));
        };
        match algorithm.point() {
            Some(curve) if !is_on_curve(curve, spki.key) => {
                Err(Error::MalformedCertificate(format!("its key is no point on {algorithm}")))
            }
            Some(_) => Ok(()),
            // RFC 8017 leaves the size open; what webpki demands of issuers' keys goes for leaves too.
            None if *algorithm == Algorithm::Rsa
                && !matches!(rsa_bits(certificate), Some(2048..=8192)) =>
            {
                Err(Error::AlgorithmNotAllowed("RSA key outside of 2048 to 8192 bits".into()))
            }
            None => Ok(()),
        }
    }

    /// Verifies that the key in `issuer_spki` made this signature.
    pub(crate) fn verify(&self, signed: &Signed<'_>, issuer_spki: &[u8]) -> Result<()> {
        let spki = Spki::parse(issuer_spki)?;
        let is_of_kind =
            |v: &&dyn SignatureVerificationAlgorithm| *v.signature_alg_id() == *signed.algorithm;
        let mut fitting = self
            .verifiers
            .iter()
            .filter(|v| is_of_kind(v) && *v.public_key_alg_id() == *spki.algorithm)
            .peekable();
        if fitting.peek().is_none() {
            let what = match self.verifiers.iter().any(is_of_kind) {
                true => "signature by a key other than",
                false => "signature",
            };
            return Err(not_allowed(what, signed.algorithm, |a| {
                a.verifiers().iter().any(is_of_kind)
            }));
        }
        fitting
            .find(|v| v.verify_signature(spki.key, signed.message, signed.signature).is_ok())
            .map(|_| ())
            .ok_or(Error::SignatureInvalid)
    }
}

impl Default for Algorithms {
    fn default() -> Self {
        Self::p384()
    }
}

impl fmt::Debug for Algorithms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(&self.allowed).finish()
    }
}

/// A SubjectPublicKeyInfo as signature verification wants it.
struct Spki<'a> {
    /// The AlgorithmIdentifier's content, compared byte for byte: a curve given by explicit
    /// parameters (RFC 5480 2.1.1 forbids it) is no curve that is known here.
    algorithm: &'a [u8],
    key: &'a [u8],
}

impl<'a> Spki<'a> {
    fn parse(spki: &'a [u8]) -> Result<Self> {
        let malformed = || Error::MalformedCertificate("bad SubjectPublicKeyInfo".into());
        let parts = sequence(spki).map_err(|_| malformed())?;
        match parts[..] {
            [algorithm, key] => match key.value().split_first() {
                Some((0, key)) => Ok(Spki { algorithm: algorithm.value(), key }),
                _ => Err(malformed()),
            },
            _ => Err(malformed()),
        }
    }
}

/// Whether `point` is an uncompressed point on the curve (SEC 1 2.3.4), and not at infinity.
pub(crate) fn is_on_curve(curve: &'static EcdsaVerificationAlgorithm, point: &[u8]) -> bool {
    point.first() == Some(&4) && ParsedPublicKey::new(curve, point).is_ok()
}

/// The size of an RSA key's modulus in bits; nothing for any other key.
pub(crate) fn rsa_bits(certificate: &Certificate<'_>) -> Option<u32> {
    let Ok(PublicKey::RSA(key)) = certificate.x509().public_key().parsed() else { return None };
    let (first, rest) = match key.modulus {
        [0, first, rest @ ..] | [first, rest @ ..] => (first, rest),
        [] => return None,
    };
    u32::try_from(rest.len()).ok()?.checked_mul(8)?.checked_add(8 - first.leading_zeros())
}

fn not_allowed(what: &str, id: &[u8], is: impl Fn(Algorithm) -> bool) -> Error {
    let name = match Algorithm::ALL.into_iter().find(|a| is(*a)) {
        Some(algorithm) => algorithm.to_string(),
        None => elements(id)
            .ok()
            .and_then(|parts| parts.first().copied())
            .and_then(|oid| oid.decode_as::<ObjectIdentifier>().ok())
            .map_or_else(|| "unknown".into(), |oid| oid.to_string()),
    };
    Error::AlgorithmNotAllowed(format!("{what} {name}"))
}
