//! The CAs that a policy holds, and whose revocation lists it looks at.

use std::sync::Arc;

use super::revocation::{Lists, OtherKey, may_sign};
use crate::{
    Algorithms, Crl, Error, Result,
    x509::{Certificate, Name},
};

/// Lists, each signed by one of these CAs.
#[derive(Debug)]
pub(super) struct KnownLists {
    crls: Vec<Crl>,
    cas: Arc<[KnownCa]>,
}

/// A CA that is trusted, or that one which is trusted vouches for.
#[derive(Debug)]
pub(super) struct KnownCa {
    name: Name,
    spki: Box<[u8]>,
    may_sign_lists: bool,
    /// The key of the root above it; `None` for an anchor that is trusted without its root.
    root: Option<Box<[u8]>>,
}

impl KnownCa {
    pub(super) fn new(certificate: &Certificate<'_>, root: Option<&[u8]>) -> Self {
        KnownCa {
            name: certificate.subject_name().clone(),
            spki: certificate.spki().into(),
            may_sign_lists: may_sign(certificate),
            root: root.map(Into::into),
        }
    }
}

impl KnownLists {
    /// Verifies the signature of every list.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidPolicy`] for a list that bears the name of no CA here,
    /// [`Error::CrlInvalid`] for one that no CA of its name has signed.
    pub(super) fn new(
        crls: Vec<Crl>,
        cas: Arc<[KnownCa]>,
        algorithms: &Algorithms,
    ) -> Result<Self> {
        for crl in &crls {
            let mut named = cas.iter().filter(|ca| ca.name == *crl.issuer()).peekable();
            if named.peek().is_none() {
                return Err(Error::InvalidPolicy(format!(
                    "the revocation list {} belongs to no anchor, pinned root or federated CA \
                     here: give its CA too, or leave it out",
                    crl.text()
                )));
            }
            let signed = crl.signed()?;
            let signer = named.find(|ca| algorithms.verify(&signed, &ca.spki).is_ok());
            let why = match signer {
                Some(ca) if ca.may_sign_lists => continue,
                Some(_) => "its issuer's key usage doesn't allow to sign it",
                None => "none of the CAs of its issuer's name here has signed it",
            };
            return Err(Error::CrlInvalid(format!("{}: {why}", crl.text())));
        }
        Ok(KnownLists { crls, cas })
    }

    /// Other lists of the same CAs, verified likewise.
    pub(super) fn with_crls(&self, crls: Vec<Crl>, algorithms: &Algorithms) -> Result<Self> {
        Self::new(crls, Arc::clone(&self.cas), algorithms)
    }
}

impl Lists for KnownLists {
    fn crls(&self) -> &[Crl] {
        &self.crls
    }

    /// Without a root that is pinned all anchors of a name count, so that no entry is passed over.
    /// They may be strangers to each other, and whether they are valid depends on the moment, so
    /// they are never taken for validated: their lists add entries, and answer for nobody.
    fn other_keys(&self, ca: &Certificate<'_>, anchor: &Certificate<'_>) -> Vec<OtherKey> {
        let root = self.cas.iter().find(|known| *known.spki == *anchor.spki());
        let root = root.and_then(|known| known.root.as_deref());
        let is_other = |known: &&KnownCa| {
            known.may_sign_lists
                && known.root.as_deref() == root
                && known.name == *ca.subject_name()
                && *known.spki != *ca.spki()
        };
        let key = |known: &KnownCa| OtherKey { spki: known.spki.clone(), is_validated: false };
        self.cas.iter().filter(is_other).map(key).collect()
    }

    /// It is a list of another CA of the same name: each is one of somebody here.
    fn unsigned(&self, _: &Crl) -> Result<()> {
        Ok(())
    }
}
