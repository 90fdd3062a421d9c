//! The CAs above a leaf: held against every rule once, and against the clock at every use.

use super::{
    Usage,
    denied::Denied,
    moment::Moment,
    revocation::{CaList, Lists, Revocable, lists_of},
    rules::{self, Role},
    search::check_encoding,
    web::{self, Profile},
};
use crate::{
    Algorithms, Error, Result, Timestamp,
    x509::{Budget, Certificate, NameConstraints, UriRule, serial_to_hex},
};

/// What is demanded of a path, by whomever.
#[derive(Clone, Copy)]
pub(super) struct Demands<'d> {
    pub(super) usage: &'d Usage,
    pub(super) algorithms: &'d Algorithms,
    pub(super) profile: Profile,
    pub(super) uri_rule: UriRule,
    pub(super) max_depth: usize,
    pub(super) lists: &'d dyn Lists,
    pub(super) require_crl: bool,
}

/// The CAs above a leaf, with everything worked out that depends on neither the leaf nor the moment.
#[derive(Debug)]
pub(super) struct CaPath {
    /// The leaf's issuer first, the anchor last; at least one.
    cas: Vec<Ca>,
    /// Of all of them.
    constraints: Vec<NameConstraints>,
    uri_rule: UriRule,
    require_crl: bool,
}

/// One CA's certificate, as far as leaves and time are concerned.
#[derive(Debug)]
struct Ca {
    text: String,
    subject: Box<[u8]>,
    key_id: Box<[u8]>,
    spki: Box<[u8]>,
    not_before: Timestamp,
    not_after: Timestamp,
    revocable: Revocable,
    /// The lists of what it has issued.
    lists: Vec<CaList>,
}

impl CaPath {
    /// From the CAs above a leaf, its issuer first and the anchor last. Every link between them has
    /// been verified.
    pub(super) fn new(path: &[&Certificate<'_>], demands: &Demands<'_>) -> Result<Self> {
        let Some(anchor) = path.last() else {
            return Err(Error::internal("a path without CAs"));
        };
        for (i, ca) in path.iter().enumerate() {
            let role = if i + 1 == path.len() { Role::Anchor } else { Role::Intermediate };
            rules::check_certificate(ca, role)?;
            demands.algorithms.check_key(ca)?;
            // An anchor's own limits are the caller's business: it named the anchor for this use.
            if role != Role::Anchor {
                rules::check_usage(ca, demands.usage)?;
            }
            match demands.profile {
                Profile::WebPki => web::check_certificate(ca, role)?,
                Profile::Rfc5280 if demands.uri_rule == UriRule::Host => {
                    rules::check_constraints_critical(ca)?;
                }
                Profile::Rfc5280 => {}
            }
        }
        rules::check_path_lengths(path)?;
        let depth = path.iter().rev().skip(1).filter(|ca| !ca.is_self_issued()).count();
        if depth > demands.max_depth {
            return Err(Error::PathLengthExceeded);
        }
        rules::check_name_constraints(path, demands.uri_rule)?;
        let ca = |ca: &&Certificate<'_>| {
            let lists = lists_of(ca, anchor, demands.lists, demands.algorithms)?;
            Ok(Ca::new(ca, lists))
        };
        Ok(CaPath {
            cas: path.iter().map(ca).collect::<Result<_>>()?,
            constraints: path.iter().filter_map(|ca| ca.name_constraints().cloned()).collect(),
            uri_rule: demands.uri_rule,
            require_crl: demands.require_crl,
        })
    }

    /// The subject of the leaf's issuer in a readable form.
    pub(super) fn issuer_text(&self) -> &str {
        self.issuer().map_or("", |ca| &ca.text)
    }

    /// The subject key identifier of the leaf's issuer.
    pub(super) fn issuer_key_id(&self) -> &[u8] {
        self.issuer().map_or(&[], |ca| &ca.key_id)
    }

    /// Whether a leaf names its issuer here, by name as it is encoded and by key.
    pub(super) fn is_named_by(&self, leaf: &Certificate<'_>) -> bool {
        self.issuer().is_some_and(|ca| {
            *leaf.issuer() == *ca.subject && leaf.issuer_key_id().is_none_or(|id| *id == *ca.key_id)
        })
    }

    /// Verifies that the issuer signed a leaf: one signature.
    pub(super) fn check_signed(
        &self,
        leaf: &Certificate<'_>,
        algorithms: &Algorithms,
    ) -> Result<()> {
        check_encoding(leaf)?;
        algorithms.verify(&leaf.signed, self.issuer().map_or(&[], |ca| &ca.spki))
    }

    /// Checks what the CAs say of a leaf at this moment: whether they are valid and not revoked
    /// themselves, their name constraints, their lists.
    pub(super) fn check(
        &self,
        leaf: &Certificate<'_>,
        moment: &Moment,
        denied: &Denied,
    ) -> Result<()> {
        self.check_cas(moment, denied)?;
        let mut budget = Budget::new();
        for constraints in &self.constraints {
            constraints.check(leaf.constrained_names(), self.uri_rule, &mut budget)?;
        }
        match self.issuer() {
            Some(ca) if self.require_crl || !ca.lists.is_empty() => {
                Revocable::new(leaf).check(&ca.lists, moment, self.require_crl)
            }
            _ => Ok(()),
        }
    }

    /// Checks that the CAs are valid at this moment, and not revoked.
    pub(super) fn check_cas(&self, moment: &Moment, denied: &Denied) -> Result<()> {
        for (i, ca) in self.cas.iter().enumerate() {
            if denied.has_issuer(ca.revocable.serial()) {
                return Err(Error::IssuerRevoked(serial_to_hex(ca.revocable.serial())));
            }
            if let Some(above) = self.cas.get(i + 1) {
                ca.revocable.check(&above.lists, moment, self.require_crl)?;
            }
            ca.check_validity(moment)?;
        }
        Ok(())
    }

    fn issuer(&self) -> Option<&Ca> {
        self.cas.first()
    }
}

impl Ca {
    fn new(certificate: &Certificate<'_>, lists: Vec<CaList>) -> Self {
        Ca {
            text: certificate.subject_text(),
            subject: certificate.subject().into(),
            key_id: certificate.key_id().unwrap_or_default().into(),
            spki: certificate.spki().into(),
            not_before: certificate.not_before(),
            not_after: certificate.not_after(),
            revocable: Revocable::new(certificate),
            lists,
        }
    }

    fn check_validity(&self, moment: &Moment) -> Result<()> {
        let Ca { text, not_before, not_after, .. } = self;
        if moment.is_before(*not_before) {
            return Err(Error::IssuerNotYetValid(format!("{text} begins at {not_before}")));
        }
        if moment.is_after(*not_after) {
            return Err(Error::IssuerExpired(format!("{text} ended at {not_after}")));
        }
        Ok(())
    }
}
