//! What a certificate is asked for.

use crate::text::pki_str;

/// For `pki_sign_request.flags`: takes a CSR that names no SPIFFE ID. Only for callers that have
/// checked by other means who sent the request.
pub const PKI_SIGN_CSR_WITHOUT_SPIFFE_ID: u32 = 1;

/// `PKI_TTL_CONFIGURED`, which stands in the hand-written part of the header: no C literal has this
/// value.
pub(crate) const TTL_CONFIGURED: i64 = i64::MIN;

/// What a certificate is asked for. Begin with `PKI_SIGN_REQUEST_INIT` and set what differs.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct pki_sign_request {
    /// `sizeof(pki_sign_request)`, which `PKI_SIGN_REQUEST_INIT` sets.
    pub struct_size: usize,
    /// The certificate signing request, PEM. Must be given.
    pub csr_pem: pki_str,
    /// The service type of the workload: `orchestrator`, `auth`, `node`, `gateway`, `envoy/app`,
    /// `envoy/transport`. Must be given.
    pub service_type: pki_str,
    /// Its instance ID. Must be given.
    pub instance_id: pki_str,
    /// How long the certificate shall live, in seconds; cut to what is configured.
    /// `PKI_TTL_CONFIGURED`, which `PKI_SIGN_REQUEST_INIT` sets: as configured.
    pub ttl_seconds: i64,
    /// 0, or `PKI_SIGN_…` together.
    pub flags: u32,
    /// 0.
    pub reserved: u32,
    /// What `pki_token_issuer_bootstrap` answered: the bootstrap token is used up for this
    /// certificate, in one transaction with it. The same request with the same token gets the same
    /// certificate again. May be left out.
    pub token_jti: pki_str,
}
