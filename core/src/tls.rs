//! Mutual TLS between workloads (feature `tls`): rustls over [`verify_svid`](crate::verify_svid).
//!
//! A [`TlsServer`] takes the clients of a [`SvidPolicy`](crate::SvidPolicy), a [`TlsClient`] the one
//! server that its policy expects. Each has a [`TlsIdentity`], its certificates and private key.
//! Identity and policy are [`Current`] values: what is set there counts from the next handshake on,
//! for a renewed certificate, a longer deny list, another anchor. After the handshake
//! [`TlsPeer`] says who the other side is; it has been verified once, and this is the verdict.
//!
//! ```no_run
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let (chain, key, anchors) = (String::new(), String::new(), String::new());
//! use std::{io::Write, net::TcpListener};
//! use catalyst_pki::{PeerRole, Segment, SvidPolicy};
//! use catalyst_pki::tls::{TlsIdentity, TlsServer, TlsSettings};
//!
//! let identity = TlsIdentity::from_pem(&chain, &key)?;
//! let policy = SvidPolicy::builder(Segment::Services, PeerRole::Client, "mesh.example.com".parse()?)
//!     .anchors_pem(&anchors)
//!     .build()?;
//! let server = TlsServer::new(identity, policy, &TlsSettings::default())?;
//! let (socket, _) = TcpListener::bind("127.0.0.1:8443")?.accept()?;
//! let mut stream = server.accept(socket)?;
//! let caller = stream.peer().map(|peer| peer.svid().spiffe_id.to_string());
//! writeln!(stream, "Hello, {}", caller.unwrap_or_default())?;
//! # Ok(())
//! # }
//! ```
//!
//! The client says whom it expects. The server's certificate needs no DNS name: its SPIFFE ID is what
//! it is known by, whatever the address or name that was dialled.
//!
//! ```no_run
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let (chain, key, anchors) = (String::new(), String::new(), String::new());
//! use std::{io::Read, net::TcpStream};
//! use catalyst_pki::{PeerRole, Segment, SvidPolicy};
//! use catalyst_pki::tls::{TlsClient, TlsIdentity, TlsSettings};
//!
//! let identity = TlsIdentity::from_pem(&chain, &key)?;
//! let policy = SvidPolicy::builder(Segment::Services, PeerRole::Server, "mesh.example.com".parse()?)
//!     .anchors_pem(&anchors)
//!     .expect_id("spiffe://mesh.example.com/orchestrator/node-a")
//!     .build()?;
//! let client = TlsClient::new(identity, policy, &TlsSettings::default())?;
//! let mut stream = client.connect(TcpStream::connect("127.0.0.1:8443")?)?;
//! let mut greeting = String::new();
//! stream.read_to_string(&mut greeting)?;
//! # Ok(())
//! # }
//! ```
//!
//! TLS 1.3 alone, unless [`TlsSettings::allow_tls12`] says otherwise. No session is resumed: a resumed
//! one has no certificate to verify (RFC 8446 2.2), so a peer that has been denied or has expired
//! since would come back. There are no tickets, no early data, no secrets given to the kernel.
//!
//! Who drives rustls himself, as with `tokio-rustls`, takes its configuration for each connection from
//! [`TlsServer::rustls`] and [`TlsClient::rustls`].

mod client;
mod connection;
mod current;
mod identity;
mod peer;
mod refusal;
mod rustls_handshake;
mod server;
mod settings;
mod signatures;
mod stream;
mod verifier;

pub use self::{
    client::TlsClient,
    connection::TlsConnection,
    current::Current,
    identity::TlsIdentity,
    peer::TlsPeer,
    rustls_handshake::RustlsHandshake,
    server::TlsServer,
    settings::{TlsGroup, TlsSettings, TlsVersion},
    stream::TlsStream,
};

/// The target of every event of this module.
const EVENTS: &str = "catalyst.pki";
