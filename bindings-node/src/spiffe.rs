//! SPIFFE IDs.

use catalyst_pki::WorkloadId;
use napi_derive::napi;

use crate::boundary::guard;

/// The parts of a workload's SPIFFE ID.
#[napi(object)]
pub struct SpiffeIdParts {
    /// The whole ID: `spiffe://<trust domain>/<service type>/<instance id>`.
    pub uri: String,
    /// A DNS name of two labels or more: `mesh.example.com`.
    pub trust_domain: String,
    /// What kind of service the workload is.
    pub service_type: String,
    /// One or more path segments: `node-a.example.com`, `region/az-1/inst`.
    pub instance_id: String,
}

/// Builds the ID of a workload.
#[napi(catch_unwind)]
pub fn build_spiffe_id(
    trust_domain: String,
    service_type: String,
    instance_id: String,
) -> napi::Result<String> {
    guard(|| Ok(WorkloadId::build(&trust_domain, &service_type, &instance_id)?.to_string()))
}

/// Takes the ID of a workload apart.
#[napi(catch_unwind)]
pub fn parse_spiffe_id(uri: String) -> napi::Result<SpiffeIdParts> {
    guard(|| {
        let id: WorkloadId = uri.parse()?;
        Ok(SpiffeIdParts {
            uri: id.as_str().into(),
            trust_domain: id.trust_domain().into(),
            service_type: id.service_type().as_str().into(),
            instance_id: id.instance_id().into(),
        })
    })
}

/// Whether a text is the ID of a workload.
#[napi(catch_unwind)]
pub fn is_valid_spiffe_id(uri: String) -> napi::Result<bool> {
    guard(|| Ok(uri.parse::<WorkloadId>().is_ok()))
}
