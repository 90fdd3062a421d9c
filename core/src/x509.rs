//! Certificates, requests, lists and names as data: what both wings read and write.

mod algorithms;
mod certificate;
mod constraints;
mod crl;
mod csr;
mod key;
mod names;
mod pem;
mod serial;
mod tlv;

pub use self::{
    algorithms::{Algorithm, Algorithms},
    certificate::fingerprint,
    crl::Crl,
    csr::{KeyAndCsr, generate_key_and_csr},
    pem::{certificate_from_pem, certificate_to_pem, certificates_from_pem},
};
pub(crate) use self::{
    algorithms::{P384_ONLY, rsa_bits},
    certificate::{Certificate, Extensions},
    constraints::{Budget, NameConstraints, UriRule},
    crl::{Point, distribution_points},
    key::PublicKey,
    names::{Form, GeneralName, Name, split_mailbox},
    serial::{bytes_from_hex, hex, serial_from_hex, serial_to_hex, shortest},
};
#[cfg(feature = "authority")]
pub(crate) use self::{csr::CertificateRequest, key::PrivateKey, names::folded_text, pem::to_pem};
