//! Whom a side takes, and who has come.

use std::sync::Arc;

use super::Current;
use crate::{Algorithms, Error, ErrorCode, PeerRole, Result, Svid, SvidPolicy, verify_svid};

/// The verified other side of a connection: of a server its client, of a client its server. Cheap to
/// clone, for whoever keeps an eye on the connections that are open.
#[derive(Debug, Clone)]
pub struct TlsPeer(Arc<Verified>);

#[derive(Debug)]
struct Verified {
    svid: Svid,
    chain: Vec<Vec<u8>>,
    acceptance: Arc<Acceptance>,
}

impl TlsPeer {
    /// Verifies a chain.
    pub(super) fn verify(acceptance: &Arc<Acceptance>, chain: Vec<Vec<u8>>) -> Result<Self> {
        let svid = acceptance.verify(&chain)?;
        Ok(TlsPeer(Arc::new(Verified { svid, chain, acceptance: Arc::clone(acceptance) })))
    }

    /// Who it is, as the handshake has found.
    #[must_use]
    pub fn svid(&self) -> &Svid {
        &self.0.svid
    }

    /// The certificates that it has shown, DER: its own first, then what it sent along. By another
    /// policy than its connection's [`verify_svid`](crate::verify_svid) judges them.
    #[must_use]
    pub fn chain(&self) -> &[Vec<u8>] {
        &self.0.chain
    }

    /// Verifies it once more, by the policies of its connection as they are now: whether it has been
    /// denied or revoked since, or its certificate has ended. A server that asks this whenever its
    /// policy changes, and now and then for the time, closes the connections of those who are no
    /// longer good. A peer is to be entered among those that are open first and asked for then, or a
    /// denial between its handshake and the entry passes it by.
    ///
    /// ```
    /// use catalyst_pki::tls::{TlsPeer, TlsStream};
    /// use std::net::{Shutdown, TcpStream};
    ///
    /// fn end_who_is_no_longer_good(open: &[(TlsPeer, TcpStream)]) {
    ///     for (peer, socket) in open {
    ///         if peer.still_good().is_err() {
    ///             let _ = socket.shutdown(Shutdown::Both);
    ///         }
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`verify_svid`](crate::verify_svid).
    pub fn still_good(&self) -> Result<()> {
        self.0.acceptance.verify(&self.0.chain).map(drop)
    }
}

/// Whom a side takes for a peer: who is good by one of these policies.
#[derive(Debug, Clone)]
pub(super) struct Acceptance {
    role: PeerRole,
    policies: Vec<Current<SvidPolicy>>,
}

impl Acceptance {
    pub(super) fn new(role: PeerRole, policy: Current<SvidPolicy>) -> Result<Self> {
        Acceptance { role, policies: Vec::new() }.or(policy)
    }

    /// Takes those of another policy too.
    pub(super) fn or(mut self, policy: Current<SvidPolicy>) -> Result<Self> {
        self.check(&policy.get())?;
        self.policies.push(policy);
        Ok(self)
    }

    /// Hands the algorithms of all policies on.
    pub(super) fn with_algorithms<T>(&self, then: impl FnOnce(&[&Algorithms]) -> T) -> T {
        let policies: Vec<_> = self.policies.iter().map(Current::get).collect();
        then(&policies.iter().map(|policy| policy.algorithms()).collect::<Vec<_>>())
    }

    /// What the peer is.
    pub(super) fn role(&self) -> PeerRole {
        self.role
    }

    /// Those of the policies, for a message.
    pub(super) fn trust_domains(&self) -> String {
        let mut names: Vec<_> =
            self.policies.iter().map(|policy| policy.get().trust_domain().to_string()).collect();
        names.dedup();
        names.join(", ")
    }

    fn verify(&self, chain: &[Vec<u8>]) -> Result<Svid> {
        let (mut accepted, mut refused) = (None, None::<Error>);
        for policy in &self.policies {
            let policy = policy.get();
            match self.check(&policy).and_then(|()| verify_svid(chain, &policy)) {
                Ok(svid) => accepted = accepted.or(Some(svid)),
                // Who is denied by one policy is let in by no other.
                Err(error) if is_denial(&error) => return Err(error),
                // What the policy of the peer's own segment says of it tells more than that others
                // don't know its CA.
                Err(error) => {
                    refused = refused
                        .filter(|earlier| earlier.code() != ErrorCode::UntrustedIssuer)
                        .or(Some(error));
                }
            }
        }
        accepted.ok_or_else(|| refused.unwrap_or_else(|| Error::internal("no policy")))
    }

    /// A policy can be exchanged for any other, so this is asked at every handshake.
    fn check(&self, policy: &SvidPolicy) -> Result<()> {
        if policy.role() != self.role {
            return Err(Error::InvalidPolicy(format!(
                "it is for peers that are the {}, and this peer is the {}",
                policy.role(),
                self.role
            )));
        }
        if self.role == PeerRole::Server && !policy.expects_somebody() {
            return Err(Error::InvalidPolicy(
                "a client must say which server it expects, or whoever has a certificate of the \
                 segment passes for it: expect its SPIFFE ID, or a pattern"
                    .into(),
            ));
        }
        Ok(())
    }
}

fn is_denial(error: &Error) -> bool {
    matches!(
        error.code(),
        ErrorCode::IdentityDenied
            | ErrorCode::SerialDenied
            | ErrorCode::CertificateRevoked
            | ErrorCode::IssuerRevoked
    )
}
