//! A CA that may stand right above a peer, with everything worked out that depends on neither the
//! peer nor the moment.

use std::{cell::RefCell, time::Duration};

use rustls_pki_types::{CertificateDer, TrustAnchor};
use webpki::EndEntityCert;

use super::{
    Usage, crl,
    denied::Denied,
    path::{self, Anchor, Anchors, Climb, EveryUsage},
    rules::{self, Role},
    webpki_error,
};
use crate::{
    Algorithms, Crl, Error, Result, Segment, ServiceType, Timestamp, profile,
    x509::{Budget, Certificate, NameConstraints, UriRule, serial_to_hex},
};

/// The time of a verification, widened by the skew that clocks are allowed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    at: Timestamp,
    /// The latest that it may be by a clock that runs ahead.
    latest: Timestamp,
    /// The earliest, by one that runs behind. Both in whole seconds, as certificates know no others.
    earliest: Timestamp,
}

impl Moment {
    pub(super) fn new(at: Timestamp, skew: Duration) -> Self {
        let latest = at.plus(skew).floor_to_second();
        Moment { at, latest, earliest: at.minus(skew).floor_to_second() }
    }

    pub(super) fn is_before(&self, not_before: Timestamp) -> bool {
        self.latest < not_before
    }

    pub(super) fn is_after(&self, not_after: Timestamp) -> bool {
        self.earliest > not_after
    }

    /// A time for webpki, which knows no skew, once the validity has been checked with it.
    fn within(&self, certificate: &Certificate<'_>) -> Timestamp {
        self.at.max(certificate.not_before()).min(certificate.not_after())
    }
}

/// What a policy demands of the CAs of a path.
#[derive(Debug, Clone, Copy)]
pub(super) struct Demands<'p> {
    pub(super) segment: Segment,
    pub(super) usage: &'p Usage,
    pub(super) algorithms: &'p Algorithms,
    pub(super) crls: &'p [Crl],
}

/// A CA, and what it says and what those above it say of the leaves that it signs.
#[derive(Debug)]
pub(super) struct Issuer {
    subject: Box<[u8]>,
    key_id: Box<[u8]>,
    text: String,
    trust_anchor: TrustAnchor<'static>,
    /// It and the CAs above it, the lowest first.
    cas: Vec<Ca>,
    /// Those of all CAs of the path.
    constraints: Vec<NameConstraints>,
    uri_rule: UriRule,
    /// `None`: no CA of the path has the extension.
    service_types: Option<Vec<ServiceType>>,
    /// Its own lists, with verified signatures.
    crls: Vec<Crl>,
}

/// One CA's certificate, as far as time goes on.
#[derive(Debug)]
struct Ca {
    text: String,
    serial: Box<[u8]>,
    not_before: Timestamp,
    not_after: Timestamp,
    /// The lists of the CA above it, with verified signatures, and whether they name it.
    crls: Vec<(Crl, bool)>,
}

impl Issuer {
    /// From the CAs above a leaf: the issuer itself first, the one that is trusted last. Every link
    /// between them has been verified.
    pub(super) fn new(
        path: &[&Certificate<'_>],
        uri_rule: UriRule,
        demands: Demands<'_>,
    ) -> Result<Self> {
        let Some(issuer) = path.first() else {
            return Err(Error::internal("an issuer without certificate"));
        };
        for (i, ca) in path.iter().enumerate() {
            let role = if i + 1 == path.len() { Role::Anchor } else { Role::Intermediate };
            path::check_ca(ca, role, demands.usage, demands.algorithms)?;
            if uri_rule == UriRule::Host {
                rules::check_constraints_critical(ca)?;
            }
        }
        // What an intermediate limits itself to counts, though it be the anchor.
        rules::check_usage(issuer, demands.usage)?;
        rules::check_path_lengths(path)?;
        rules::check_name_constraints(path, false, uri_rule)?;

        let mut cas = Vec::with_capacity(path.len());
        for (i, ca) in path.iter().enumerate() {
            let above = path.get(i + 1).copied();
            cas.push(Ca::new(ca, above, demands)?);
        }
        let crls = verified_crls(issuer, demands)?.into_iter().cloned().collect();
        let service_types = service_types(path, demands.segment)?;
        let key_id = issuer.key_id().unwrap_or_default();
        Ok(Issuer {
            subject: issuer.subject().into(),
            key_id: key_id.into(),
            text: issuer.subject_text(),
            trust_anchor: Anchor::from_der(issuer.der())?.trust_anchor,
            cas,
            constraints: path.iter().filter_map(|ca| ca.name_constraints().cloned()).collect(),
            uri_rule,
            service_types,
            crls,
        })
    }

    /// The same with service types from a configuration, if its certificate names none.
    #[must_use]
    pub(super) fn or_service_types(mut self, types: &[ServiceType]) -> Self {
        self.service_types.get_or_insert_with(|| types.to_vec());
        self
    }

    pub(super) fn service_types(&self) -> Option<&[ServiceType]> {
        self.service_types.as_deref()
    }

    pub(super) fn uri_rule(&self) -> UriRule {
        self.uri_rule
    }

    pub(super) fn key_id(&self) -> &[u8] {
        &self.key_id
    }

    /// The subject in a readable form.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Whether a certificate names this CA as its issuer, by name and by key.
    pub(super) fn is_named_by(&self, certificate: &Certificate<'_>) -> bool {
        certificate.issuer() == &*self.subject
            && certificate.issuer_key_id().is_none_or(|id| id == &*self.key_id)
    }

    /// Verifies that this CA signed the leaf: by webpki, one signature.
    pub(super) fn check_signed(
        &self,
        leaf: &Certificate<'_>,
        algorithms: &Algorithms,
        moment: &Moment,
    ) -> Result<()> {
        let der = CertificateDer::from(leaf.der());
        let end_entity = EndEntityCert::try_from(&der).map_err(webpki_error)?;
        end_entity
            .verify_for_usage(
                algorithms.verifiers(),
                std::slice::from_ref(&self.trust_anchor),
                &[],
                path::unix_time(moment.within(leaf)),
                EveryUsage,
                None,
                None,
            )
            .map(|_| ())
            .map_err(webpki_error)
    }

    /// Checks what the CAs above a certificate say of it at this moment: whether they are valid and
    /// not revoked themselves, their name constraints.
    pub(super) fn check_names_and_time(
        &self,
        certificate: &Certificate<'_>,
        moment: &Moment,
        denied: &Denied,
    ) -> Result<()> {
        for ca in &self.cas {
            ca.check(moment, denied)?;
        }
        let mut budget = Budget::new();
        for constraints in &self.constraints {
            constraints.check(certificate, self.uri_rule, &mut budget)?;
        }
        Ok(())
    }

    /// Checks that its lists don't name the leaf.
    pub(super) fn check_crls(&self, leaf: &Certificate<'_>, moment: &Moment) -> Result<()> {
        for crl in &self.crls {
            if crl.revokes(leaf.serial()) {
                return Err(Error::CertificateRevoked(serial_to_hex(leaf.serial())));
            }
            crl.check_time(moment.earliest, moment.latest)?;
        }
        Ok(())
    }
}

impl Ca {
    fn new(
        certificate: &Certificate<'_>,
        issuer: Option<&Certificate<'_>>,
        demands: Demands<'_>,
    ) -> Result<Self> {
        let crls = match issuer {
            Some(issuer) => verified_crls(issuer, demands)?,
            None => Vec::new(),
        };
        Ok(Ca {
            text: certificate.subject_text(),
            serial: certificate.serial().into(),
            not_before: certificate.not_before(),
            not_after: certificate.not_after(),
            crls: crls
                .into_iter()
                .map(|crl| (crl.clone(), crl.revokes(certificate.serial())))
                .collect(),
        })
    }

    fn check(&self, moment: &Moment, denied: &Denied) -> Result<()> {
        if denied.has_issuer(&self.serial) {
            return Err(Error::IssuerRevoked(serial_to_hex(&self.serial)));
        }
        for (crl, revokes) in &self.crls {
            // A list that is out of date revokes for good all the same.
            if *revokes {
                return Err(Error::IssuerRevoked(serial_to_hex(&self.serial)));
            }
            crl.check_time(moment.earliest, moment.latest)?;
        }
        if moment.is_before(self.not_before) {
            return Err(Error::IssuerNotYetValid(format!(
                "{} begins at {}",
                self.text, self.not_before
            )));
        }
        if moment.is_after(self.not_after) {
            return Err(Error::IssuerExpired(format!("{} ended at {}", self.text, self.not_after)));
        }
        Ok(())
    }
}

/// Climbs from a CA to one that is trusted, through others that nobody vouches for yet; `finish`
/// makes of the path and the index of its anchor what the caller wants.
pub(super) fn climb<T>(
    from: &Certificate<'_>,
    through: &[Certificate<'_>],
    anchors: &[Anchor],
    algorithms: &Algorithms,
    finish: impl Fn(&[&Certificate<'_>], usize) -> Result<T>,
) -> Result<T> {
    let anchors = Anchors::new(anchors);
    let found = RefCell::new(None);
    Climb::new(through, &anchors, algorithms).up(&mut vec![from], &|mut path, anchor| {
        path.push(anchors.get(anchor)?);
        *found.borrow_mut() = Some(finish(&path, anchor)?);
        Ok(())
    })?;
    found.into_inner().ok_or_else(|| Error::internal("a path was accepted by nobody"))
}

/// The newest lists of a CA, their signatures verified.
fn verified_crls<'p>(issuer: &Certificate<'_>, demands: Demands<'p>) -> Result<Vec<&'p Crl>> {
    let crls = crl::newest(demands.crls, issuer);
    crls.iter().try_for_each(|crl| crl.check_signature(issuer, demands.algorithms))?;
    Ok(crls)
}

/// The types of this segment that every CA with the extension (`profiles.md`) vouches for.
fn service_types(path: &[&Certificate<'_>], segment: Segment) -> Result<Option<Vec<ServiceType>>> {
    let mut types: Option<Vec<ServiceType>> = None;
    for content in path.iter().filter_map(|ca| ca.extensions.service_types) {
        let named = profile::decode_service_types(content)?;
        types
            .get_or_insert_with(|| segment.service_types().to_vec())
            .retain(|one| named.contains(one));
    }
    Ok(types)
}
