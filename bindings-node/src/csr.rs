//! Keys and certificate signing requests.

use catalyst_pki::{DEFAULT_TRUST_DOMAIN, WorkloadId};
use napi_derive::napi;
use serde::Serialize;
use zeroize::Zeroizing;

use crate::{boundary::guard, mailbox::Mailbox, workers::MayWait};

/// What `generateKeyAndCsr` makes.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyAndCsr {
    /// The private key: P-384, PKCS#8, PEM, not encrypted. It is for this service alone.
    #[serde(serialize_with = "as_text")]
    pub private_key_pem: Zeroizing<String>,
    /// The request, PEM.
    pub csr_pem: String,
    /// The SPIFFE ID that the request names.
    pub spiffe_id: String,
}

fn as_text<S: serde::Serializer>(
    text: &Zeroizing<String>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(text)
}

/// Makes a P-384 key and a request for the certificate of a workload.
///
/// Answers a [`KeyAndCsr`].
#[napi(catch_unwind)]
pub fn generate_key_and_csr(
    mailbox: &Mailbox,
    call: u32,
    service_type: String,
    instance_id: String,
    trust_domain: Option<String>,
    dns: Vec<String>,
) -> napi::Result<()> {
    guard(|| {
        mailbox.post().run(call, MayWait::Never, move || {
            let trust_domain = trust_domain.as_deref().unwrap_or(DEFAULT_TRUST_DOMAIN);
            let id = WorkloadId::build(trust_domain, &service_type, &instance_id)?;
            let dns: Vec<&str> = dns.iter().map(String::as_str).collect();
            let made = catalyst_pki::generate_key_and_csr(&id, &dns)?;
            Ok(KeyAndCsr {
                private_key_pem: made.private_key_pem,
                csr_pem: made.csr_pem,
                spiffe_id: id.to_string(),
            })
        })
    })
}
