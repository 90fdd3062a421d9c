//! One connection, driven with bytes.

use std::{
    fmt,
    io::{self, Read, Write},
};

use rustls::Connection;
use zeroize::Zeroizing;

use super::{TlsGroup, TlsPeer, TlsVersion, refusal, verifier::Verdict};
use crate::{Error, Result};

/// One side of one connection, without a stream: takes what came from the other side
/// ([`read_tls`](Self::read_tls), then [`process`](Self::process)) and gives what is to be sent
/// ([`write_tls`](Self::write_tls)). For a blocking stream [`TlsStream`](super::TlsStream) does this.
pub struct TlsConnection {
    rustls: Connection,
    verdict: Verdict,
}

impl TlsConnection {
    pub(super) fn new(rustls: Connection, verdict: Verdict) -> Self {
        TlsConnection { rustls, verdict }
    }

    /// Takes bytes that came from the other side, by one `read`; [`process`](Self::process) looks at
    /// them. 0 is the end of the stream.
    ///
    /// # Errors
    ///
    /// Those of `from`.
    pub fn read_tls(&mut self, from: &mut dyn Read) -> io::Result<usize> {
        self.rustls.read_tls(from)
    }

    /// Looks at what has been taken. How many bytes of plaintext can be [read](Self::read) now.
    ///
    /// # Errors
    ///
    /// As [`TlsServer::accept`](super::TlsServer::accept); what is to be sent then is the alert that
    /// says so.
    pub fn process(&mut self) -> Result<usize> {
        let was_handshaking = self.rustls.is_handshaking();
        let state = self.rustls.process_new_packets();
        let state = state.map_err(|error| self.verdict.explain(&error))?;
        if was_handshaking {
            // For the event that it has come.
            let _ = self.peer();
        }
        Ok(state.plaintext_bytes_to_read())
    }

    /// Sends what is to be sent, by one `write`.
    ///
    /// # Errors
    ///
    /// Those of `to`.
    pub fn write_tls(&mut self, to: &mut dyn Write) -> io::Result<usize> {
        self.rustls.write_tls(to)
    }

    /// Whether it waits for bytes from the other side.
    #[must_use]
    pub fn wants_read(&self) -> bool {
        self.rustls.wants_read()
    }

    /// Whether it has bytes to send.
    #[must_use]
    pub fn wants_write(&self) -> bool {
        self.rustls.wants_write()
    }

    /// Whether the handshake goes on.
    #[must_use]
    pub fn is_handshaking(&self) -> bool {
        self.rustls.is_handshaking()
    }

    /// Reads plaintext that has come. 0 is the end that the other side has announced.
    ///
    /// # Errors
    ///
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) as long as there is none;
    /// [`UnexpectedEof`](io::ErrorKind::UnexpectedEof) where the stream ended without announcement,
    /// so that what came may have been cut off.
    pub fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.rustls.reader().read(buffer).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => io::Error::new(
                io::ErrorKind::UnexpectedEof,
                Error::TlsConnectionLost(
                    "the peer ended it without close_notify, so what came may be cut off".into(),
                ),
            ),
            _ => error,
        })
    }

    /// Takes plaintext to be sent; how much of it, since what is not yet sent is bounded. Before the
    /// end of the handshake it waits.
    ///
    /// # Errors
    ///
    /// None as of now.
    pub fn write(&mut self, plaintext: &[u8]) -> io::Result<usize> {
        self.rustls.writer().write(plaintext)
    }

    /// Announces the end of what this side has to say, after all that was written (`close_notify`).
    pub fn close(&mut self) {
        self.rustls.send_close_notify();
    }

    /// The other side, once the handshake is over: as it was verified in the course of it. Nobody if a
    /// client has shown no certificate and need not, or if a client doesn't
    /// [verify its server](super::TlsClient::unverified).
    #[must_use]
    pub fn peer(&self) -> Option<&TlsPeer> {
        self.verdict.peer_of(&self.rustls).ok().flatten()
    }

    /// The certificates that the other side has shown, DER, its own first; **verified only where
    /// [`peer`](Self::peer) says who it is**. Empty before the end of the handshake.
    #[must_use]
    pub fn shown_chain(&self) -> Vec<Vec<u8>> {
        let shown = self.rustls.peer_certificates().filter(|_| !self.is_handshaking());
        shown.unwrap_or_default().iter().map(|der| der.to_vec()).collect()
    }

    /// The version, once it is agreed upon.
    #[must_use]
    pub fn version(&self) -> Option<TlsVersion> {
        self.rustls.protocol_version().and_then(TlsVersion::from_rustls)
    }

    /// The group of the key exchange, once it is agreed upon.
    #[must_use]
    pub fn group(&self) -> Option<TlsGroup> {
        let group = self.rustls.negotiated_key_exchange_group()?;
        TlsGroup::from_rustls(group.name())
    }

    /// The protocol that ALPN has found, if both sides have named some.
    #[must_use]
    pub fn alpn(&self) -> Option<&[u8]> {
        self.rustls.alpn_protocol()
    }

    /// Secret bytes that both sides of this connection can make and nobody else (RFC 8446 7.5,
    /// RFC 5705): they bind what is said elsewhere to it. An empty context is another than none in
    /// TLS 1.2 alone. In TLS 1.3 the client has them a flight before the server.
    ///
    /// # Errors
    ///
    /// [`Error::TlsHandshakeFailed`] before the end of the handshake.
    pub fn export_keying_material<const N: usize>(
        &self,
        label: &str,
        context: Option<&[u8]>,
    ) -> Result<Zeroizing<[u8; N]>> {
        let mut output = Zeroizing::new([0; N]);
        self.rustls
            .export_keying_material(output.as_mut_slice(), label.as_bytes(), context)
            .map_err(|error| Error::TlsHandshakeFailed(error.to_string()))?;
        Ok(output)
    }

    /// What an error of reading or writing means.
    pub(super) fn explain(&self, error: &io::Error) -> Error {
        refusal::from_io(error, |error| self.verdict.explain(error))
    }
}

impl fmt::Debug for TlsConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsConnection")
            .field("peer", &self.peer().map(|peer| &peer.svid().spiffe_id))
            .field("version", &self.version())
            .field("group", &self.group())
            .finish_non_exhaustive()
    }
}
