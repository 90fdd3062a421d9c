//! For who drives rustls himself.

use std::{io, sync::Arc};

use super::{TlsPeer, refusal, verifier::Verdict};
use crate::{Error, Result};

/// The configuration of one connection for who drives rustls himself, and what comes of it. `C` is
/// `rustls::ServerConfig` or `rustls::ClientConfig`.
///
/// **This type follows rustls' version** (0.23), unlike the rest of this module.
///
/// Each is good for one connection: a second one that shows a certificate is refused, so that no
/// connection passes for another's peer.
///
/// ```no_run
/// use std::net::TcpStream;
/// use catalyst_pki::{Error, tls::{TlsPeer, TlsServer}};
///
/// fn accept(server: &TlsServer, mut socket: TcpStream) -> Result<Option<TlsPeer>, Error> {
///     let handshake = server.rustls()?;
///     let mut connection = rustls::ServerConnection::new(handshake.config())
///         .map_err(|error| Error::Internal(error.to_string()))?;
///     connection.complete_io(&mut socket).map_err(|error| handshake.error(&error))?;
///     handshake.peer(&connection)
/// }
/// ```
///
/// With `tokio-rustls` it is `TlsAcceptor::from(handshake.config()).accept(socket).await` in the
/// middle, and the connection is `stream.get_ref().1`.
#[derive(Debug)]
pub struct RustlsHandshake<C> {
    config: Arc<C>,
    verdict: Verdict,
}

impl<C> RustlsHandshake<C> {
    pub(super) fn new(config: C, verdict: Verdict) -> Self {
        RustlsHandshake { config: Arc::new(config), verdict }
    }

    /// The configuration, for one connection.
    #[must_use]
    pub fn config(&self) -> Arc<C> {
        Arc::clone(&self.config)
    }

    /// Who is at the other end of the connection that was made with [`config`](Self::config), after
    /// its handshake. Nobody if a client has shown no certificate and need not, or if a client
    /// doesn't [verify its server](super::TlsClient::unverified).
    ///
    /// # Errors
    ///
    /// - [`Error::TlsHandshakeFailed`]: the handshake has not come to its end.
    /// - [`Error::Internal`]: it is another connection.
    pub fn peer(&self, connection: &rustls::CommonState) -> Result<Option<TlsPeer>> {
        self.verdict.peer_of(connection).map(|peer| peer.cloned())
    }

    /// What an error of the handshake, or of reading and writing, means in the words of this crate:
    /// the refusal itself if this side has refused the other.
    #[must_use]
    pub fn error(&self, error: &io::Error) -> Error {
        refusal::from_io(error, |error| self.verdict.explain(error))
    }

    pub(super) fn into_parts(self) -> (Arc<C>, Verdict) {
        (self.config, self.verdict)
    }
}
