//! Issue and verify SPIFFE X.509-SVIDs.
//!
//! Two wings on common words: [`authority`] is the CA, [`verify_svid`] the peer's side. A program
//! that only verifies switches the feature `authority` off and needs no database.
//!
//! ```
//! use catalyst_pki::{
//!     PeerRole, Segment, ServiceType, SvidPolicy, WorkloadId,
//!     authority::{CertificateManager, ManagerConfig, SignRequest},
//!     certificate_from_pem, generate_key_and_csr, verify_svid,
//! };
//!
//! // A CA: a root, a CA for services and one for Envoy.
//! let manager = CertificateManager::ephemeral(ManagerConfig::new("mesh.example.com".parse()?))?;
//! manager.initialize()?;
//!
//! // A service makes its key and asks for a certificate.
//! let id: WorkloadId = "spiffe://mesh.example.com/orchestrator/node-a.example.com".parse()?;
//! let request = generate_key_and_csr(&id, &[])?;
//! let signed = manager.sign_csr(&SignRequest::new(
//!     &request.csr_pem,
//!     ServiceType::Orchestrator,
//!     "node-a.example.com",
//! ))?;
//!
//! // A peer trusts the segment's intermediates, never the root, and says whom it expects.
//! let policy =
//!     SvidPolicy::builder(Segment::Services, PeerRole::Client, "mesh.example.com".parse()?)
//!         .anchors_pem(&manager.ca_bundle()?.services_anchors.concat())
//!         .expect_id("spiffe://mesh.example.com/orchestrator/*")
//!         .build()?;
//! let chain = [certificate_from_pem(&signed.certificate_pem)?];
//! assert_eq!(verify_svid(&chain, &policy)?.spiffe_id.as_str(), id.as_str());
//! # Ok::<(), catalyst_pki::Error>(())
//! ```
//!
//! Mutual TLS over it is in the module `tls`, a feature.
//!
//! Certificates with other names, of other CAs: [`verify_path`]. What can go wrong: [`Error`], whose
//! [`code`](Error::code) is the same in every language.
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

#[cfg(all(doctest, feature = "authority"))]
#[doc = include_str!("../../README.md")]
struct Readme;

#[cfg(feature = "authority")]
pub mod authority;
mod bundle;
mod clock;
mod dns;
mod error;
mod jws;
mod profile;
mod spiffe;
#[cfg(feature = "tls")]
pub mod tls;
pub mod token;
mod verify;
mod x509;

pub use bundle::CaBundle;
pub use clock::{Clock, ManualClock, SystemClock, Timestamp};
pub use error::{Error, ErrorCode, Result};
pub use profile::{
    CaKind, DEFAULT_SVID_TTL, MAX_SVID_TTL, NameConstraintMode, SERVICE_TYPES_OID, Segment,
    ServiceType,
};
pub use spiffe::{DEFAULT_TRUST_DOMAIN, SpiffeId, SpiffeIdError, TrustDomain, WorkloadId};
pub use verify::{
    Anchor, Denied, IdPattern, PathRequest, PeerName, PeerRole, Profile, Purpose, Svid, SvidPolicy,
    SvidPolicyBuilder, Usage, VerifiedPath, verify_path, verify_svid,
};
pub use x509::{
    Algorithm, Algorithms, Crl, KeyAndCsr, certificate_from_pem, certificate_to_pem,
    certificates_from_pem, fingerprint, generate_key_and_csr,
};
