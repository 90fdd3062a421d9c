//! Keys and certificate signing requests.

use catalyst_pki::{WorkloadId, generate_key_and_csr};

use crate::text::{Text, pki_str};

/// A new private key with the request for its certificate.
///
/// Never changed once made: any number of threads may read one.
pub struct pki_key_csr {
    private_key_pem: Text,
    csr_pem: Text,
    spiffe_id: Text,
}

export! {
    /// Makes a P-384 key and a request (PKCS#10) for the certificate of `spiffe_id`. `dns` are DNS
    /// names to ask for beside those that the profile grants by itself.
    /// `PKI_ERR_INVALID_SPIFFE_ID`, `PKI_ERR_INVALID_ARGUMENT` (no DNS name). Any thread.
    fn pki_key_csr_new(spiffe_id: &str, dns: &[&str]) -> New<pki_key_csr> {
        let id: WorkloadId = spiffe_id.parse()?;
        let made = generate_key_and_csr(&id, &dns)?;
        Ok(pki_key_csr {
            private_key_pem: made.private_key_pem.as_str().into(),
            csr_pem: made.csr_pem.into(),
            spiffe_id: id.as_str().into(),
        })
    }

    /// The private key: PKCS#8, PEM, not encrypted. It is for this service alone. Lives as long as
    /// `key`, and is wiped from memory with it.
    fn pki_key_csr_private_key_pem(key: &pki_key_csr) -> pki_str {
        key.private_key_pem.lend()
    }

    /// The request, PEM: what a CA is sent. Lives as long as `key`.
    fn pki_key_csr_csr_pem(key: &pki_key_csr) -> pki_str {
        key.csr_pem.lend()
    }

    /// The SPIFFE ID that it asks for. Lives as long as `key`.
    fn pki_key_csr_spiffe_id(key: &pki_key_csr) -> pki_str {
        key.spiffe_id.lend()
    }

    /// Frees key and request and wipes the key. NULL is no error.
    fn pki_key_csr_free(key: Freed<pki_key_csr>) {
        drop(key);
    }
}
