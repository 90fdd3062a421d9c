//! rustls' verifiers, of one connection each: `verify_svid`, and its verdict kept.

use std::sync::{Arc, OnceLock};

use rustls::{
    CommonState, DigitallySignedStruct, DistinguishedName, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{verify_tls12_signature, verify_tls13_signature},
    server::danger::{ClientCertVerified, ClientCertVerifier},
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use super::{
    EVENTS, TlsPeer,
    peer::Acceptance,
    refusal,
    signatures::{SUPPORTED, schemes},
};
use crate::{Error, Result, SpiffeId, fingerprint, verify, x509::P384_ONLY};

/// What became of the peer of one connection: nobody where it was not to be verified.
#[derive(Debug, Clone, Default)]
pub(super) struct Verdict(Arc<Judged>);

#[derive(Debug, Default)]
struct Judged {
    peer: OnceLock<Result<Option<TlsPeer>>>,
    /// Whether it has been said that the peer has come.
    is_announced: OnceLock<()>,
}

impl Verdict {
    /// Who is at the other end of a connection, which must be that of the verdict. Nobody where it has
    /// shown no certificate.
    pub(super) fn peer_of(&self, connection: &CommonState) -> Result<Option<&TlsPeer>> {
        if connection.is_handshaking() {
            return Err(Error::TlsHandshakeFailed("it has not come to its end yet".into()));
        }
        let Some(shown) = connection.peer_certificates() else { return Ok(None) };
        let peer = match self.0.peer.get() {
            Some(Ok(None)) => return Ok(None),
            Some(Ok(Some(peer))) if is_same(peer.chain(), shown) => peer,
            _ => return Err(Error::internal("the verdict on another connection was asked for")),
        };
        if self.0.is_announced.set(()).is_ok() {
            let svid = peer.svid();
            tracing::info!(
                target: EVENTS,
                spiffe_id = svid.spiffe_id.as_str(),
                fingerprint = svid.fingerprint,
                serial = svid.serial,
                "mTLS peer connected"
            );
        }
        Ok(Some(peer))
    }

    /// Why the connection failed: the refusal, if this side has refused the other.
    pub(super) fn explain(&self, error: &rustls::Error) -> Error {
        match self.0.peer.get() {
            Some(Err(refusal)) => refusal.clone(),
            _ => refusal::from_rustls(error),
        }
    }

    fn settle(&self, judged: Result<Option<TlsPeer>>) -> Result<(), rustls::Error> {
        let answer = judged.as_ref().map(drop).map_err(refusal::for_rustls);
        let is_first = self.0.peer.set(judged).is_ok();
        // One verdict for two connections would have one pass for the other.
        is_first.then_some(()).ok_or_else(|| {
            rustls::Error::General("one connection's configuration used for two".into())
        })?;
        answer
    }
}

fn is_same(chain: &[Vec<u8>], shown: &[CertificateDer<'_>]) -> bool {
    chain.iter().map(Vec::as_slice).eq(shown.iter().map(|der| der.as_ref()))
}

/// The verifier of one connection.
#[derive(Debug)]
pub(super) struct PeerVerifier {
    /// `None`: whoever it is.
    acceptance: Option<Arc<Acceptance>>,
    is_mandatory: bool,
    schemes: Vec<SignatureScheme>,
    verdict: Verdict,
}

impl PeerVerifier {
    pub(super) fn new(
        acceptance: Option<Arc<Acceptance>>,
        is_mandatory: bool,
        verdict: &Verdict,
    ) -> Arc<Self> {
        let schemes = match &acceptance {
            Some(acceptance) => acceptance.with_algorithms(schemes),
            None => schemes(&[&P384_ONLY]),
        };
        Arc::new(PeerVerifier { acceptance, is_mandatory, schemes, verdict: verdict.clone() })
    }

    fn judge(
        &self,
        leaf: &CertificateDer<'_>,
        sent: &[CertificateDer<'_>],
    ) -> Result<(), rustls::Error> {
        let chain = std::iter::once(leaf).chain(sent).map(|der| der.to_vec()).collect();
        let judged = match &self.acceptance {
            Some(acceptance) => TlsPeer::verify(acceptance, chain).map(Some),
            None => Ok(None),
        };
        if let Err(error) = &judged {
            self.say(error, leaf);
        }
        self.verdict.settle(judged)
    }

    fn say(&self, error: &Error, leaf: &CertificateDer<'_>) {
        let (code, fingerprint) = (error.code().as_str(), fingerprint(leaf));
        let (Error::ForeignTrustDomain(received_domain), Some(acceptance)) =
            (error, &self.acceptance)
        else {
            tracing::warn!(target: EVENTS, fingerprint, code, %error, "TLS peer refused");
            return;
        };
        let id = verify::leaf_from_der(leaf).and_then(|leaf| verify::peer_id(&leaf));
        tracing::warn!(
            target: EVENTS,
            fingerprint,
            code,
            expected_domain = acceptance.trust_domains(),
            received_domain,
            received_spiffe_id = id.as_ref().map(SpiffeId::as_str).unwrap_or_default(),
            peer = acceptance.role().as_str(),
            "Peer's trust domain mismatch"
        );
    }
}

impl ClientCertVerifier for PeerVerifier {
    fn client_auth_mandatory(&self) -> bool {
        self.is_mandatory
    }

    /// None: a client has one certificate for us, and strangers need not learn our CAs' names.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        sent: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        self.judge(leaf, sent).map(|()| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, leaf, signed, &SUPPORTED)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, leaf, signed, &SUPPORTED)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.schemes.clone()
    }
}

impl ServerCertVerifier for PeerVerifier {
    /// By its SPIFFE ID, whatever name was dialled.
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        sent: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.judge(leaf, sent).map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, leaf, signed, &SUPPORTED)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, leaf, signed, &SUPPORTED)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.schemes.clone()
    }
}
