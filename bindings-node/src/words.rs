//! The words of the core, of which the TypeScript face's types are generated.

use catalyst_pki::{
    Algorithm, ErrorCode, PeerRole, Segment, ServiceType,
    authority::store::{CertificateStatus, CertificateType},
    token::Principal,
};
use napi_derive::napi;

use crate::boundary::guard;

/// An error code.
#[napi(object)]
pub struct ErrorCodeEntry {
    /// `PKI_…`
    pub code: String,
    /// The status of an HTTP answer that carries it.
    pub status: u16,
}

/// Every error code there is.
#[napi(catch_unwind)]
pub fn error_codes() -> napi::Result<Vec<ErrorCodeEntry>> {
    guard(|| {
        let code = |code: &ErrorCode| ErrorCodeEntry {
            code: code.as_str().into(),
            status: code.http_status(),
        };
        Ok(ErrorCode::ALL.iter().map(code).collect())
    })
}

/// The words of everything that is one of a few.
#[napi(object)]
pub struct Words {
    /// What kind of service a workload is.
    pub service_types: Vec<String>,
    /// The groups of services that trust one another.
    pub segments: Vec<String>,
    /// What a peer is in a connection.
    pub roles: Vec<String>,
    /// Kinds of keys with the signature algorithm that goes with them.
    pub algorithms: Vec<String>,
    /// What kind of certificate a record holds.
    pub certificate_types: Vec<String>,
    /// Those of CAs.
    pub ca_certificate_types: Vec<String>,
    /// Where a certificate is in its life.
    pub certificate_statuses: Vec<String>,
    /// As what the holder of a token acts, in short.
    pub principals: Vec<String>,
}

/// Every word there is.
#[napi(catch_unwind)]
pub fn words() -> napi::Result<Words> {
    guard(|| {
        let types = || CertificateType::ALL.iter().copied();
        let is_ca = |one: &CertificateType| *one != CertificateType::EndEntity;
        Ok(Words {
            service_types: texts(ServiceType::ALL, ServiceType::as_str),
            segments: texts(Segment::ALL, Segment::as_str),
            roles: texts(PeerRole::ALL, PeerRole::as_str),
            algorithms: texts(Algorithm::ALL, Algorithm::as_str),
            certificate_types: texts(types(), CertificateType::as_str),
            ca_certificate_types: texts(types().filter(is_ca), CertificateType::as_str),
            certificate_statuses: texts(
                CertificateStatus::ALL.iter().copied(),
                CertificateStatus::as_str,
            ),
            principals: texts(Principal::ALL.iter().copied(), Principal::short),
        })
    })
}

fn texts<T>(all: impl IntoIterator<Item = T>, text: fn(T) -> &'static str) -> Vec<String> {
    all.into_iter().map(|one| text(one).to_owned()).collect()
}
