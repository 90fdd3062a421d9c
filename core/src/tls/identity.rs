//! Who this side is: certificates and private key.

use std::{fmt, sync::Arc};

use rustls::{
    SignatureScheme,
    client::ResolvesClientCert,
    crypto::aws_lc_rs::sign::any_supported_type,
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use zeroize::Zeroizing;

use super::{Current, signatures};
use crate::{
    Error, Result, SpiffeId, Timestamp, certificates_from_pem, fingerprint, verify,
    x509::Certificate,
};

const BEGIN: &str = "-----BEGIN PRIVATE KEY-----";
const END: &str = "-----END PRIVATE KEY-----";

/// A workload's SVID with its private key. Debug shows whose it is, never the key, which is wiped from
/// memory when the last user is gone.
pub struct TlsIdentity {
    spiffe_id: SpiffeId,
    not_after: Timestamp,
    key: Arc<CertifiedKey>,
}

impl TlsIdentity {
    /// From the certificates that are shown to peers (PEM; the own one first, then its intermediate)
    /// and the private key: PKCS#8 in PEM, not encrypted, as
    /// [`generate_key_and_csr`](crate::generate_key_and_csr) gives it.
    ///
    /// # Errors
    ///
    /// - [`Error::MalformedCertificate`], [`Error::CaUsedAsLeaf`], [`Error::AlgorithmNotAllowed`],
    ///   [`Error::SpiffeIdMissing`], [`Error::SpiffeIdNotUnique`], [`Error::PeerIdInvalid`]: the
    ///   first certificate is no SVID. Who has issued it, and whether it is current, is for peers to
    ///   say.
    /// - [`Error::InvalidKey`]: no such key, or not that certificate's.
    pub fn from_pem(chain_pem: &str, private_key_pem: &str) -> Result<Self> {
        let chain = certificates_from_pem(chain_pem)?;
        Self::from_der(&chain, &pkcs8_from_pem(private_key_pem)?)
    }

    /// From DER: the certificates, the own one first, and the private key in PKCS#8. The key's bytes
    /// stay the caller's, to be wiped by him.
    ///
    /// # Errors
    ///
    /// As [`from_pem`](Self::from_pem).
    pub fn from_der(chain: &[impl AsRef<[u8]>], private_key: &[u8]) -> Result<Self> {
        let Some((leaf, sent)) = chain.split_first() else {
            return Err(Error::MalformedCertificate("an empty chain".into()));
        };
        let leaf = verify::leaf_from_der(leaf.as_ref())?;
        signatures::ALLOWED.check_key(&leaf)?;
        let spiffe_id = verify::peer_id(&leaf)?;
        for der in sent {
            Certificate::parse(der.as_ref())?;
        }

        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(private_key));
        let key = any_supported_type(&key)
            .map_err(|_| Error::InvalidKey("it is not a private key in PKCS#8".into()))?;
        let is_its_key = key.public_key().is_some_and(|spki| spki.as_ref() == leaf.spki());
        if !is_its_key {
            return Err(Error::InvalidKey(format!(
                "it is not the key of the certificate of {spiffe_id}"
            )));
        }
        let not_after = leaf.not_after();
        let chain = chain.iter().map(|der| der.as_ref().to_vec().into()).collect();
        Ok(TlsIdentity { spiffe_id, not_after, key: Arc::new(CertifiedKey::new(chain, key)) })
    }

    /// Who this is.
    #[must_use]
    pub fn spiffe_id(&self) -> &SpiffeId {
        &self.spiffe_id
    }

    /// When its certificate ends. Peers refuse it from then on.
    #[must_use]
    pub fn not_after(&self) -> Timestamp {
        self.not_after
    }

    /// SHA-256 of its certificate's DER, base64url without padding.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        self.key.cert.first().map(|der| fingerprint(der)).unwrap_or_default()
    }
}

impl fmt::Debug for TlsIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsIdentity")
            .field("spiffe_id", &self.spiffe_id)
            .field("not_after", &self.not_after)
            .finish_non_exhaustive()
    }
}

/// The one private key in a PEM text, be there certificates beside it.
fn pkcs8_from_pem(text: &str) -> Result<Zeroizing<Vec<u8>>> {
    let invalid = |why: &str| Error::InvalidKey(why.into());
    let begin = text.find(BEGIN).ok_or_else(|| {
        invalid("no PRIVATE KEY in the PEM: PKCS#8 without a passphrase is expected, which `openssl pkcs8 -topk8 -nocrypt` makes of others")
    })?;
    let (_, from) = text.split_at(begin);
    let end = from.find(END).ok_or_else(|| invalid("the PRIVATE KEY in the PEM is cut off"))?;
    let (block, rest) = from.split_at_checked(end + END.len()).unwrap_or((from, ""));
    if rest.contains(BEGIN) {
        return Err(invalid("more than one PRIVATE KEY in the PEM"));
    }
    // Into one buffer of the right size: what grows leaves parts of the key behind in memory.
    let (_, der) = der::pem::decode_vec(block.as_bytes())
        .map_err(|_| invalid("the PRIVATE KEY in the PEM can't be read"))?;
    Ok(Zeroizing::new(der))
}

/// What rustls asks for the certificate to show, at each handshake.
#[derive(Debug)]
pub(super) struct Shown(pub(super) Current<TlsIdentity>);

impl ResolvesServerCert for Shown {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.get().key))
    }
}

impl ResolvesClientCert for Shown {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.get().key))
    }

    fn has_certs(&self) -> bool {
        true
    }
}
