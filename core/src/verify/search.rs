//! The search for a path: from a certificate up to an anchor, signature by signature.
//!
//! webpki, which does the same, compares names byte by byte, fails closed on most name constraints
//! and counts self-issued certificates. So its parser and its signature algorithms are used here,
//! and the way is our own.

use std::cell::{Cell, OnceCell};

use rustls_pki_types::CertificateDer;
use webpki::EndEntityCert;

use super::{anchor::Anchor, rules, webpki_error};
use crate::{
    Algorithms, Error, Result,
    x509::{Certificate, Name},
};

/// The most CAs between leaf and anchor.
pub(super) const MAX_DEPTH: usize = 6;
/// The most signatures that are verified for one leaf.
const MAX_SIGNATURES: u32 = 100;

/// What paths may be made of.
pub(super) struct Search<'s, 'a> {
    intermediates: &'s [Certificate<'a>],
    anchors: &'a [Anchor],
    /// The anchors' certificates, each parsed when it may be somebody's issuer.
    parsed: Vec<OnceCell<Result<Certificate<'a>>>>,
    algorithms: &'s Algorithms,
    signatures: Cell<u32>,
}

/// Takes a path, the certificate first that the search began with and the anchor last, and the
/// index of that anchor.
type Accept<'f, 'p, 'a, T> = &'f dyn Fn(&[&'p Certificate<'a>], usize) -> Result<T>;

impl<'s, 'a> Search<'s, 'a> {
    pub(super) fn new(
        intermediates: &'s [Certificate<'a>],
        anchors: &'a [Anchor],
        algorithms: &'s Algorithms,
    ) -> Self {
        let parsed = anchors.iter().map(|_| OnceCell::new()).collect();
        let signatures = Cell::new(MAX_SIGNATURES);
        Search { intermediates, anchors, parsed, algorithms, signatures }
    }

    /// Tries every way up from a certificate until `accept` takes one. A whole path that broke a
    /// rule says more than a signature that doesn't verify, and that more than no path at all.
    pub(super) fn up<'p, T>(
        &'p self,
        from: &'p Certificate<'a>,
        accept: Accept<'_, 'p, 'a, T>,
    ) -> Result<T> {
        self.climb(&mut vec![from], accept)
    }

    /// The certificates of a name: intermediates and anchors.
    pub(super) fn named<'p>(&'p self, name: &'p Name) -> impl Iterator<Item = &'p Certificate<'a>> {
        let intermediates = self.intermediates.iter().filter(move |ca| ca.subject_name() == name);
        intermediates.chain(self.anchors_named(name))
    }

    pub(super) fn anchors_named<'p>(
        &'p self,
        name: &'p Name,
    ) -> impl Iterator<Item = &'p Certificate<'a>> {
        let anchors = (0..self.anchors.len()).filter_map(|index| self.anchor(index).ok());
        anchors.filter(move |ca| ca.subject_name() == name)
    }

    fn climb<'p, T>(
        &'p self,
        path: &mut Vec<&'p Certificate<'a>>,
        accept: Accept<'_, 'p, 'a, T>,
    ) -> Result<T> {
        let Some(head) = path.last().copied() else {
            return Err(Error::internal("a path that begins nowhere"));
        };
        check_encoding(head)?;
        let mut failure = Error::UntrustedIssuer(head.issuer_text());
        for (index, anchor) in self.anchors.iter().enumerate() {
            if !anchor.is_named_by(head) {
                continue;
            }
            let tried = self.anchor(index).and_then(|anchor| {
                self.check_signed(head, anchor)?;
                path.push(anchor);
                let accepted = accept(path, index);
                path.pop();
                accepted
            });
            match tried {
                Ok(accepted) => return Ok(accepted),
                Err(error) => keep_telling(&mut failure, error),
            }
        }
        if path.len() > MAX_DEPTH {
            return Err(failure);
        }
        for issuer in self.intermediates {
            let is_in_path = |c: &&Certificate<'_>| {
                c.subject_name() == issuer.subject_name() && c.spki() == issuer.spki()
            };
            if !head.names_as_issuer(issuer) || path.iter().any(is_in_path) {
                continue;
            }
            let tried = self.check_signed(head, issuer).and_then(|()| {
                path.push(issuer);
                let accepted = self.climb(path, accept);
                path.pop();
                accepted
            });
            match tried {
                Ok(accepted) => return Ok(accepted),
                Err(error) => keep_telling(&mut failure, error),
            }
        }
        Err(failure)
    }

    fn anchor(&self, index: usize) -> Result<&Certificate<'a>> {
        let (Some(anchor), Some(cell)) = (self.anchors.get(index), self.parsed.get(index)) else {
            return Err(Error::internal("an anchor that is none"));
        };
        cell.get_or_init(|| Certificate::parse(anchor.der())).as_ref().map_err(Clone::clone)
    }

    fn check_signed(&self, certificate: &Certificate<'_>, issuer: &Certificate<'_>) -> Result<()> {
        rules::check_link(certificate, issuer)?;
        let left = self.signatures.get().checked_sub(1);
        self.signatures.set(left.ok_or_else(|| {
            Error::PathRuleViolated("too many signatures to verify in search of a path".into())
        })?);
        self.algorithms.verify(&certificate.signed, issuer.spki())
    }
}

/// Holds a certificate against webpki's parser too, which is stricter about encodings and knows
/// every critical extension that it doesn't know.
pub(super) fn check_encoding(certificate: &Certificate<'_>) -> Result<()> {
    let der = CertificateDer::from(certificate.der());
    EndEntityCert::try_from(&der).map(|_| ()).map_err(webpki_error)
}

/// Keeps the first of the failures that say most: anchors and intermediates come in the caller's
/// order, so it is the likeliest to be meant.
fn keep_telling(kept: &mut Error, error: Error) {
    let says = |error: &Error| match error {
        Error::UntrustedIssuer(_) => 0,
        Error::SignatureInvalid | Error::AlgorithmNotAllowed(_) => 1,
        _ => 2,
    };
    if says(&error) > says(kept) {
        *kept = error;
    }
}
