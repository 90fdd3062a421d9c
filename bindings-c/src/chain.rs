//! Certificates in PEM and DER.

use catalyst_pki::{certificate_to_pem, certificates_from_pem, fingerprint};
use parking_lot::{Mutex, MutexGuard};

use crate::text::{Text, pki_bytes, pki_str};

/// Certificates, one after another: what a peer presented (its own first), or what a PEM text holds.
///
/// Threads may share one; certificates are only ever added, so what was borrowed stays.
pub struct pki_chain(Mutex<Vec<Certificate>>);

/// Its parts are on the heap, each by itself: adding another certificate moves none that was borrowed.
struct Certificate {
    der: Vec<u8>,
    pem: Text,
    fingerprint: Text,
}

impl pki_chain {
    pub(crate) fn new<D: AsRef<[u8]>>(ders: impl IntoIterator<Item = D>) -> Self {
        let chain = pki_chain(Mutex::default());
        chain.add(ders);
        chain
    }

    pub(crate) fn ders(&self) -> Vec<Vec<u8>> {
        self.lock().iter().map(|certificate| certificate.der.clone()).collect()
    }

    fn add<D: AsRef<[u8]>>(&self, ders: impl IntoIterator<Item = D>) {
        self.lock().extend(ders.into_iter().map(|der| {
            let der = der.as_ref();
            Certificate {
                pem: certificate_to_pem(der).into(),
                fingerprint: fingerprint(der).into(),
                der: der.to_vec(),
            }
        }));
    }

    fn at<T: Default>(&self, index: usize, what: impl FnOnce(&Certificate) -> T) -> T {
        self.lock().get(index).map(what).unwrap_or_default()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Certificate>> {
        self.0.lock()
    }
}

export! {
    /// An empty one.
    fn pki_chain_new() -> New<pki_chain> {
        Ok(pki_chain(Mutex::default()))
    }

    /// Adds a certificate, DER, as it is: whether it is one shows when it is verified.
    fn pki_chain_add_der(chain: &mut pki_chain, der: &[u8]) -> Done {
        chain.add([der]);
        Ok(())
    }

    /// Adds the certificates of a PEM text, one or more, in their order. Adds none of them on
    /// failure. `PKI_ERR_MALFORMED_CERTIFICATE` if there is none in it, or a block that is no
    /// certificate.
    fn pki_chain_add_pem(chain: &mut pki_chain, pem: &str) -> Done {
        chain.add(certificates_from_pem(pem)?);
        Ok(())
    }

    /// How many there are; 0 for NULL.
    fn pki_chain_len(chain: &pki_chain) -> usize {
        chain.lock().len()
    }

    /// One of them, DER; none beyond the end. Lives as long as `chain`.
    fn pki_chain_der(chain: &pki_chain, index: usize) -> pki_bytes {
        chain.at(index, |certificate| pki_bytes::borrowed(&certificate.der))
    }

    /// One of them, PEM: lines of 64 characters that end in LF; empty beyond the end. Lives as long
    /// as `chain`.
    fn pki_chain_pem(chain: &pki_chain, index: usize) -> pki_str {
        chain.at(index, |certificate| certificate.pem.lend())
    }

    /// The fingerprint of one of them: SHA-256 of its DER, base64url without padding, which is the
    /// thumbprint `x5t#S256` of RFC 8705 too. Empty beyond the end. Lives as long as `chain`.
    fn pki_chain_fingerprint(chain: &pki_chain, index: usize) -> pki_str {
        chain.at(index, |certificate| certificate.fingerprint.lend())
    }

    /// Frees it, and what was borrowed from it. NULL is no error.
    fn pki_chain_free(chain: Freed<pki_chain>) {
        drop(chain);
    }
}
