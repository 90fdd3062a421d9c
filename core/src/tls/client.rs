//! The side that connects.

use std::{
    io::{Read, Write},
    net::Ipv4Addr,
    sync::Arc,
};

use rustls::{ClientConfig, ClientConnection, client::Resumption};
use rustls_pki_types::{DnsName, ServerName};

use super::{
    Current, RustlsHandshake, TlsConnection, TlsIdentity, TlsSettings, TlsStream,
    identity::Shown,
    peer::Acceptance,
    settings::Built,
    verifier::{PeerVerifier, Verdict},
};
use crate::{Error, PeerRole, Result, SvidPolicy};

/// The client's side of mutual TLS. Made once for a server, or for several of the same expected IDs;
/// used for every connection and from many threads.
///
/// See the [module](super) for an example.
#[derive(Debug, Clone)]
pub struct TlsClient {
    identity: Option<Current<TlsIdentity>>,
    acceptance: Option<Acceptance>,
    sni: Option<DnsName<'static>>,
    settings: Built,
}

impl TlsClient {
    /// A client that shows `identity` and takes the server that `policy` expects. Give a [`Current`] of
    /// either to exchange it later.
    ///
    /// # Errors
    ///
    /// - [`Error::InvalidPolicy`]: a policy for clients, or one that expects nobody in particular.
    /// - [`Error::InvalidArgument`]: settings that contradict themselves.
    pub fn new(
        identity: impl Into<Current<TlsIdentity>>,
        policy: impl Into<Current<SvidPolicy>>,
        settings: &TlsSettings,
    ) -> Result<Self> {
        let client = Self::without_identity(policy, settings)?;
        Ok(TlsClient { identity: Some(identity.into()), ..client })
    }

    /// A client that has no certificate to show yet, and takes the server that `policy` expects.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn without_identity(
        policy: impl Into<Current<SvidPolicy>>,
        settings: &TlsSettings,
    ) -> Result<Self> {
        let acceptance = Acceptance::new(PeerRole::Server, policy.into())?;
        Ok(TlsClient { acceptance: Some(acceptance), ..Self::unverified(settings)? })
    }

    /// A client that talks to **whoever answers**, and has nothing to show: for texts that are signed
    /// themselves and hold no secret, as a bundle that is checked against a pinned root. Nothing that
    /// is secret may be sent to such a server, nor anything believed that it says. Its certificates
    /// are in [`TlsConnection::shown_chain`], and it has proven that it has the key of the first, so
    /// [`verify_svid`](crate::verify_svid) can judge them afterwards.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidArgument`]: settings that contradict themselves.
    pub fn unverified(settings: &TlsSettings) -> Result<Self> {
        Ok(TlsClient { identity: None, acceptance: None, sni: None, settings: settings.build()? })
    }

    /// Sends the DNS name that was dialled along, in the open (SNI, RFC 6066), for balancers that choose
    /// a server by it. It says nothing of who the server is, and none is sent without this.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidArgument`] if it is no DNS name.
    pub fn sni(mut self, name: &str) -> Result<Self> {
        let name = DnsName::try_from(name.to_owned());
        self.sni = Some(name.map_err(|_| Error::argument("sni", "not a DNS name"))?);
        Ok(self)
    }

    /// Shakes hands with the server at the other end of a blocking stream. How long that may take is
    /// for the stream's time-outs to say.
    ///
    /// In TLS 1.3 a client is done before the server has looked at its certificate: that it is refused
    /// it learns when it reads for the first time, by the same error within the
    /// [`io::Error`](std::io::Error).
    ///
    /// # Errors
    ///
    /// - Those of [`verify_svid`](crate::verify_svid), if the server is refused; it is sent the alert
    ///   that fits.
    /// - [`Error::TlsRefusedByPeer`]: the server refused this client.
    /// - [`Error::TlsHandshakeFailed`]: no TLS, or no version, group or protocol in common.
    /// - [`Error::TlsConnectionLost`]: the stream failed or ended.
    pub fn connect<S: Read + Write>(&self, stream: S) -> Result<TlsStream<S>> {
        TlsStream::handshake(self.connection()?, stream)
    }

    /// A connection without a stream, to be driven with bytes.
    ///
    /// # Errors
    ///
    /// [`Error::Internal`].
    pub fn connection(&self) -> Result<TlsConnection> {
        // rustls wants a name; an address is sent to nobody, and ours looks at neither.
        let name = match &self.sni {
            Some(name) => ServerName::DnsName(name.clone()),
            None => ServerName::IpAddress(Ipv4Addr::UNSPECIFIED.into()),
        };
        let (config, verdict) = self.rustls()?.into_parts();
        let connection = ClientConnection::new(config, name).map_err(Error::internal)?;
        Ok(TlsConnection::new(connection.into(), verdict))
    }

    /// The configuration of one connection for who drives rustls himself. This follows rustls' version.
    /// The server name that rustls wants beside it goes nowhere, unless [`sni`](Self::sni) was called.
    ///
    /// # Errors
    ///
    /// [`Error::Internal`].
    pub fn rustls(&self) -> Result<RustlsHandshake<ClientConfig>> {
        let Built { provider, versions, alpn } = &self.settings;
        let verdict = Verdict::default();
        let acceptance = self.acceptance.clone().map(Arc::new);
        let builder = ClientConfig::builder_with_provider(Arc::clone(provider))
            .with_protocol_versions(versions)
            .map_err(Error::internal)?
            .dangerous()
            .with_custom_certificate_verifier(PeerVerifier::new(acceptance, true, &verdict));
        let mut config = match &self.identity {
            Some(identity) => builder.with_client_cert_resolver(Arc::new(Shown(identity.clone()))),
            None => builder.with_no_client_auth(),
        };
        // A resumed session goes by the verifier.
        config.resumption = Resumption::disabled();
        config.require_ems = true;
        config.enable_sni = self.sni.is_some();
        config.alpn_protocols.clone_from(alpn);
        Ok(RustlsHandshake::new(config, verdict))
    }
}
