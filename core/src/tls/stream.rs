//! A connection over a blocking stream.

use std::{
    io::{self, Read, Write},
    ops::Deref,
};

use super::TlsConnection;
use crate::Result;

/// A connection over a blocking stream; what is read and written is plaintext. It has all that
/// [`TlsConnection`] says of the other side.
///
/// What goes wrong with TLS in reading or writing is an [`io::Error`] that holds an
/// [`Error`](crate::Error): `error.get_ref()`. Nothing is announced when it is dropped: call
/// [`close`](Self::close), or the other side takes the end for a cut.
#[derive(Debug)]
pub struct TlsStream<S> {
    connection: TlsConnection,
    socket: S,
}

impl<S: Read + Write> TlsStream<S> {
    pub(super) fn handshake(connection: TlsConnection, socket: S) -> Result<Self> {
        let mut stream = TlsStream { connection, socket };
        let shaken = stream.send().and_then(|()| {
            while stream.connection.is_handshaking() {
                stream.receive()?;
                stream.send()?;
            }
            Ok(())
        });
        shaken.map_err(|error| stream.connection.explain(&error))?;
        Ok(stream)
    }

    /// The stream below, as for its time-outs or its address. Bytes read from it or written to it are
    /// missing in the connection.
    pub fn socket(&self) -> &S {
        &self.socket
    }

    /// Announces the end of what this side has to say (`close_notify`); what the other side says can
    /// still be read.
    ///
    /// # Errors
    ///
    /// Those of the stream below.
    pub fn close(&mut self) -> io::Result<()> {
        self.connection.close();
        self.send()
    }

    /// Sends all that is to be sent.
    fn send(&mut self) -> io::Result<()> {
        while self.connection.wants_write() {
            if self.connection.write_tls(&mut self.socket)? == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
        }
        self.socket.flush()
    }

    /// Takes what the other side has sent, waiting for it.
    fn receive(&mut self) -> io::Result<()> {
        let taken = match self.connection.read_tls(&mut self.socket) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
            taken => taken?,
        };
        if let Err(error) = self.connection.process() {
            // The alert; that it can't be sent is no news.
            let _ = self.send();
            return Err(io::Error::new(io::ErrorKind::InvalidData, error));
        }
        if taken == 0 && self.connection.is_handshaking() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(())
    }
}

impl<S: Read + Write> Read for TlsStream<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.connection.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                read => return read,
            }
            // An answer that rustls gives by itself, as to a KeyUpdate.
            self.send()?;
            self.receive()?;
        }
    }
}

impl<S: Read + Write> Write for TlsStream<S> {
    fn write(&mut self, plaintext: &[u8]) -> io::Result<usize> {
        // What was taken before goes first, so that no more than one buffer waits.
        self.send()?;
        let taken = self.connection.write(plaintext)?;
        // It has been taken, so an error is the next call's.
        let _ = self.send();
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.send()
    }
}

impl<S> Deref for TlsStream<S> {
    type Target = TlsConnection;

    fn deref(&self) -> &TlsConnection {
        &self.connection
    }
}
