//! The side that is connected to.

use std::{
    io::{Read, Write},
    sync::Arc,
};

use rustls::{ServerConfig, ServerConnection, server::NoServerSessionStorage};

use super::{
    Current, RustlsHandshake, TlsConnection, TlsIdentity, TlsSettings, TlsStream,
    identity::Shown,
    peer::Acceptance,
    settings::Built,
    verifier::{PeerVerifier, Verdict},
};
use crate::{Error, PeerRole, Result, SvidPolicy};

/// The server's side of mutual TLS. Made once, used for every connection and from many threads.
///
/// See the [module](super) for an example.
#[derive(Debug, Clone)]
pub struct TlsServer {
    identity: Current<TlsIdentity>,
    acceptance: Acceptance,
    clients_need_certificate: bool,
    settings: Built,
}

impl TlsServer {
    /// A server that shows `identity` and takes the clients of `policy`, none without a certificate.
    /// Give a [`Current`] of either to exchange it later.
    ///
    /// # Errors
    ///
    /// - [`Error::InvalidPolicy`]: a policy for servers.
    /// - [`Error::InvalidArgument`]: settings that contradict themselves.
    pub fn new(
        identity: impl Into<Current<TlsIdentity>>,
        policy: impl Into<Current<SvidPolicy>>,
        settings: &TlsSettings,
    ) -> Result<Self> {
        Ok(TlsServer {
            identity: identity.into(),
            acceptance: Acceptance::new(PeerRole::Client, policy.into())?,
            clients_need_certificate: true,
            settings: settings.build()?,
        })
    }

    /// Takes the clients of another policy too, as those of the other segment. Who is denied by one is
    /// let in by none.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn or_clients_of(mut self, policy: impl Into<Current<SvidPolicy>>) -> Result<Self> {
        self.acceptance = self.acceptance.or(policy.into())?;
        Ok(self)
    }

    /// Takes clients that show **no certificate at all** too: who they are is then for somebody else to
    /// find out, before anything is done for them. [`TlsConnection::peer`] is `None` for them. A
    /// certificate that is shown is verified all the same.
    #[must_use]
    pub fn allow_clients_without_certificate(mut self) -> Self {
        self.clients_need_certificate = false;
        self
    }

    /// Shakes hands with the client at the other end of a blocking stream. How long that may take is
    /// for the stream's time-outs to say.
    ///
    /// ```no_run
    /// # fn serve(server: catalyst_pki::tls::TlsServer, socket: std::net::TcpStream)
    /// # -> catalyst_pki::Result<()> {
    /// use std::io::Read;
    /// // By reference: who is refused reads why before the socket is closed.
    /// if let Err(error) = server.accept(&socket) {
    ///     let _ = socket.shutdown(std::net::Shutdown::Write);
    ///     let _ = std::io::copy(&mut (&socket).take(65_536), &mut std::io::sink());
    ///     return Err(error);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// - Those of [`verify_svid`](crate::verify_svid), if the client is refused; it is sent the alert
    ///   that fits.
    /// - [`Error::ClientCertificateMissing`].
    /// - [`Error::TlsRefusedByPeer`]: the client refused this server.
    /// - [`Error::TlsHandshakeFailed`]: no TLS, or no version, group or protocol in common.
    /// - [`Error::TlsConnectionLost`]: the stream failed or ended.
    pub fn accept<S: Read + Write>(&self, stream: S) -> Result<TlsStream<S>> {
        TlsStream::handshake(self.connection()?, stream)
    }

    /// A connection without a stream, to be driven with bytes.
    ///
    /// # Errors
    ///
    /// [`Error::Internal`].
    pub fn connection(&self) -> Result<TlsConnection> {
        let (config, verdict) = self.rustls()?.into_parts();
        let connection = ServerConnection::new(config).map_err(Error::internal)?;
        Ok(TlsConnection::new(connection.into(), verdict))
    }

    /// The configuration of one connection for who drives rustls himself. This follows rustls' version.
    ///
    /// # Errors
    ///
    /// [`Error::Internal`].
    pub fn rustls(&self) -> Result<RustlsHandshake<ServerConfig>> {
        let Built { provider, versions, alpn } = &self.settings;
        let verdict = Verdict::default();
        let acceptance = Some(Arc::new(self.acceptance.clone()));
        let mut config = ServerConfig::builder_with_provider(Arc::clone(provider))
            .with_protocol_versions(versions)
            .map_err(Error::internal)?
            .with_client_cert_verifier(PeerVerifier::new(
                acceptance,
                self.clients_need_certificate,
                &verdict,
            ))
            .with_cert_resolver(Arc::new(Shown(self.identity.clone())));
        // A resumed session goes by the verifier.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        config.require_ems = true;
        config.alpn_protocols.clone_from(alpn);
        Ok(RustlsHandshake::new(config, verdict))
    }
}
