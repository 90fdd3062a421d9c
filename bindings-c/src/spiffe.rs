//! SPIFFE IDs.

use catalyst_pki::WorkloadId;

use crate::text::{Text, pki_str};

/// The SPIFFE ID of a workload: `spiffe://<trust-domain>/<service-type>/<instance-id>`. The service
/// types are `orchestrator`, `auth`, `node`, `gateway`, `envoy/app` and `envoy/transport`.
///
/// Never changed once made: any number of threads may read one.
pub struct pki_spiffe_id {
    uri: Text,
    trust_domain: Text,
    service_type: Text,
    instance_id: Text,
}

impl From<WorkloadId> for pki_spiffe_id {
    fn from(id: WorkloadId) -> Self {
        pki_spiffe_id {
            uri: id.as_str().into(),
            trust_domain: id.trust_domain().into(),
            service_type: id.service_type().as_str().into(),
            instance_id: id.instance_id().into(),
        }
    }
}

export! {
    /// Builds the ID of a workload from its parts. `PKI_ERR_INVALID_SPIFFE_ID` if they make none.
    fn pki_spiffe_id_build(trust_domain: &str, service_type: &str, instance_id: &str) -> New<pki_spiffe_id> {
        Ok(WorkloadId::build(trust_domain, service_type, instance_id)?.into())
    }

    /// Takes the ID of a workload apart. `PKI_ERR_INVALID_SPIFFE_ID` if it is none.
    fn pki_spiffe_id_parse(uri: &str) -> New<pki_spiffe_id> {
        Ok(uri.parse::<WorkloadId>()?.into())
    }

    /// Whether a text is the ID of a workload. False for NULL, and for what is not UTF-8.
    fn pki_spiffe_id_is_valid(uri: &str) -> bool {
        uri.parse::<WorkloadId>().is_ok()
    }

    /// The whole ID. Lives as long as `id`.
    fn pki_spiffe_id_uri(id: &pki_spiffe_id) -> pki_str {
        id.uri.lend()
    }

    /// Its trust domain. Lives as long as `id`.
    fn pki_spiffe_id_trust_domain(id: &pki_spiffe_id) -> pki_str {
        id.trust_domain.lend()
    }

    /// Its service type. Lives as long as `id`.
    fn pki_spiffe_id_service_type(id: &pki_spiffe_id) -> pki_str {
        id.service_type.lend()
    }

    /// Its instance ID: one or more segments. Lives as long as `id`.
    fn pki_spiffe_id_instance_id(id: &pki_spiffe_id) -> pki_str {
        id.instance_id.lend()
    }

    /// Frees an ID, and the texts borrowed from it. NULL is no error.
    fn pki_spiffe_id_free(id: Freed<pki_spiffe_id>) {
        drop(id);
    }
}
