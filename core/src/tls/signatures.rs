//! Which signatures a peer may prove its key by: those that its policy allows in certificates.

use std::sync::LazyLock;

use rustls::{SignatureScheme, crypto::WebPkiSupportedAlgorithms};
use rustls_pki_types::SignatureVerificationAlgorithm;
use webpki::aws_lc_rs as alg;

use crate::{Algorithm, Algorithms};

/// What an SVID's key may be ([`allow_algorithm`](crate::SvidPolicyBuilder::allow_algorithm)), in our
/// order of preference.
const SCHEMES: [(Algorithm, SignatureScheme); 6] = [
    (Algorithm::P384, SignatureScheme::ECDSA_NISTP384_SHA384),
    (Algorithm::P256, SignatureScheme::ECDSA_NISTP256_SHA256),
    (Algorithm::Ed25519, SignatureScheme::ED25519),
    (Algorithm::MlDsa87, SignatureScheme::ML_DSA_87),
    (Algorithm::MlDsa65, SignatureScheme::ML_DSA_65),
    (Algorithm::MlDsa44, SignatureScheme::ML_DSA_44),
];

/// What the own key may be: whether a peer takes it is for the peer to say.
pub(super) static ALLOWED: LazyLock<Algorithms> =
    LazyLock::new(|| Algorithms::only(&SCHEMES.map(|(algorithm, _)| algorithm)));

/// The schemes that go with these algorithms.
pub(super) fn schemes(algorithms: &[&Algorithms]) -> Vec<SignatureScheme> {
    let allowed = SCHEMES.iter().filter(|(one, _)| algorithms.iter().any(|all| all.allows(*one)));
    allowed.map(|(_, scheme)| *scheme).collect()
}

/// How each is verified. In TLS 1.2 a scheme names a hash and any curve (RFC 5246 7.4.1.4.1); each is
/// bound to its own curve here as in TLS 1.3.
pub(super) static SUPPORTED: WebPkiSupportedAlgorithms = WebPkiSupportedAlgorithms {
    all: &[
        alg::ECDSA_P384_SHA384,
        alg::ECDSA_P256_SHA256,
        alg::ED25519,
        alg::ML_DSA_87,
        alg::ML_DSA_65,
        alg::ML_DSA_44,
    ],
    mapping: &[
        (SignatureScheme::ECDSA_NISTP384_SHA384, P384),
        (SignatureScheme::ECDSA_NISTP256_SHA256, P256),
        (SignatureScheme::ED25519, ED25519),
        (SignatureScheme::ML_DSA_87, ML_DSA_87),
        (SignatureScheme::ML_DSA_65, ML_DSA_65),
        (SignatureScheme::ML_DSA_44, ML_DSA_44),
    ],
};

type One = &'static [&'static dyn SignatureVerificationAlgorithm];
static P384: One = &[alg::ECDSA_P384_SHA384];
static P256: One = &[alg::ECDSA_P256_SHA256];
static ED25519: One = &[alg::ED25519];
static ML_DSA_87: One = &[alg::ML_DSA_87];
static ML_DSA_65: One = &[alg::ML_DSA_65];
static ML_DSA_44: One = &[alg::ML_DSA_44];
