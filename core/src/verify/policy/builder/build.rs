//! Making a policy of what was collected: what can be verified once is verified here.

use std::sync::Arc;

use super::SvidPolicyBuilder;
use crate::{
    Error, Result, ServiceType, TrustDomain,
    verify::{
        anchor::Anchor,
        ca_path::CaPath,
        known::{KnownCa, KnownLists},
        policy::{Issuer, Paths, SvidPolicy, Trust, demands, service_types, somebody},
        revocation::NoLists,
        rules::{self, Role},
        search::Search,
    },
    x509::{Certificate, UriRule, hex},
};

impl SvidPolicyBuilder {
    /// Makes the policy: looks at every anchor, and verifies what can be verified once.
    ///
    /// # Errors
    ///
    /// - [`Error::InvalidPolicy`]: no anchors, a bad pattern, service types of another segment, a
    ///   federated domain without patterns, with one of another domain, or with a root that vouches
    ///   for two domains; an empty list of expected IDs; a revocation list that bears the name of no
    ///   CA of the policy.
    /// - [`Error::AnchorRejected`]: an anchor that is a root, no CA, without service types of this
    ///   segment, or not signed by a pinned root; a root that is no CA.
    /// - [`Error::MalformedCertificate`], [`Error::AlgorithmNotAllowed`]: of an anchor or a root.
    /// - [`Error::CrlInvalid`]: a list that can't be read, or that none of the CAs with its issuer's
    ///   name has signed.
    pub fn build(mut self) -> Result<SvidPolicy> {
        if let Some(failure) = self.failure.take() {
            return Err(failure);
        }
        if self.anchors.is_empty() {
            return Err(Error::InvalidPolicy("no anchors".into()));
        }
        self.grant_service_types()?;
        self.check_roots()?;
        self.check_federated()?;
        let mut known = self.tell_federated_roots()?;
        for root in &self.roots {
            let certificate = Certificate::parse(root.der())?;
            known.push(KnownCa::new(&certificate, Some(certificate.spki())));
        }
        let mut issuers = Vec::with_capacity(self.anchors.len());
        for (anchor, types) in &self.anchors {
            let certificate = Certificate::parse(anchor.der())?;
            let issuer = self
                .check_anchor(&certificate, types)
                .map_err(|error| rejected(&certificate, error))?;
            let root = issuer.above.last().map(|der| Certificate::parse(der)).transpose()?;
            known.push(KnownCa::new(&certificate, root.as_ref().map(|root| root.spki())));
            issuers.push(issuer);
        }
        let lists = KnownLists::new(self.crls, known.into(), &self.algorithms)?;
        let trust = Trust {
            segment: self.segment,
            usage: self.usage,
            trust_domain: self.trust_domain,
            algorithms: self.algorithms,
            anchors: self.anchors.into_iter().map(|(anchor, _)| anchor).collect(),
            issuers,
            federated: self.federated,
            require_crl: self.require_crl,
            skew: self.skew,
        };
        Ok(SvidPolicy {
            paths: Arc::new(Paths::new(&trust, lists)?),
            trust: Arc::new(trust),
            expected: self.expected.map(somebody).transpose()?,
            denied: self.denied,
            time: self.time,
        })
    }

    /// Gives each anchor what is granted to it by its subject key identifier.
    fn grant_service_types(&mut self) -> Result<()> {
        for (key_id, types) in &self.granted {
            let mut found = false;
            for (anchor, granted) in &mut self.anchors {
                if Certificate::parse(anchor.der())?.key_id().map(hex).as_deref() == Some(key_id) {
                    granted.extend(types);
                    found = true;
                }
            }
            if !found {
                return Err(Error::InvalidPolicy(format!(
                    "service types for {key_id}, which is no anchor's subject key identifier"
                )));
            }
        }
        Ok(())
    }

    /// Roots must be ones, and none may vouch for two trust domains.
    fn check_roots(&self) -> Result<()> {
        let own = self.roots.iter().map(|root| (&self.trust_domain, root));
        let foreign = self.federated.iter().flat_map(|federated| {
            federated.roots.iter().map(|root| (&federated.trust_domain, root))
        });
        let mut seen: Vec<(&TrustDomain, &[u8])> = Vec::new();
        for (trust_domain, root) in own.chain(foreign) {
            let certificate = Certificate::parse(root.der())?;
            rules::check_certificate(&certificate, Role::Anchor)
                .and_then(|()| self.algorithms.check_key(&certificate))
                .map_err(|error| rejected(&certificate, error))?;
            let key = certificate.spki();
            if seen.iter().any(|(domain, other)| *other == key && *domain != trust_domain) {
                return Err(Error::InvalidPolicy(format!(
                    "the root {} is to vouch for two trust domains",
                    certificate.subject_text()
                )));
            }
            seen.push((trust_domain, key));
        }
        Ok(())
    }

    fn check_federated(&self) -> Result<()> {
        for (i, federated) in self.federated.iter().enumerate() {
            let name = &federated.trust_domain;
            let refused = |why: &str| {
                Err(Error::InvalidPolicy(format!("the federated trust domain {name} {why}")))
            };
            if *name == self.trust_domain {
                return refused("is the own one");
            }
            if self.federated.iter().take(i).any(|earlier| earlier.trust_domain == *name) {
                return refused("is given twice");
            }
            if federated.allow.is_empty() {
                return refused("allows no IDs");
            }
            if federated.allow.iter().any(|pattern| pattern.trust_domain() != name.as_str()) {
                return refused("allows IDs of another one");
            }
        }
        Ok(())
    }

    /// Tells federated roots from the intermediates below them, and answers all of them.
    fn tell_federated_roots(&mut self) -> Result<Vec<KnownCa>> {
        let mut known = Vec::new();
        let demands = demands(&self.usage, &self.algorithms, UriRule::Host, &NoLists, false);
        for federated in &mut self.federated {
            let given = std::mem::take(&mut federated.roots);
            let given_certificates: Vec<Certificate<'_>> =
                given.iter().map(|given| Certificate::parse(given.der())).collect::<Result<_>>()?;
            let is_signed_by_another = |one: &Certificate<'_>| {
                !one.is_self_issued()
                    && given_certificates.iter().any(|other| {
                        other.spki() != one.spki()
                            && rules::check_link(one, other).is_ok()
                            && self.algorithms.verify(&one.signed, other.spki()).is_ok()
                    })
            };
            let (below, roots): (Vec<_>, Vec<_>) = given
                .iter()
                .zip(&given_certificates)
                .partition(|(_, certificate)| is_signed_by_another(certificate));
            if roots.is_empty() {
                return Err(Error::InvalidPolicy(format!(
                    "the federated trust domain {} has no root: each certificate is another's",
                    federated.trust_domain
                )));
            }
            federated.roots = roots.iter().map(|(root, _)| (*root).clone()).collect();
            federated.intermediates = below.iter().map(|(ca, _)| ca.der().to_vec()).collect();
            for (_, root) in roots {
                known.push(KnownCa::new(root, Some(root.spki())));
            }
            let below: Vec<Certificate<'_>> = federated
                .intermediates
                .iter()
                .map(|d| Certificate::parse(d))
                .collect::<Result<_>>()?;
            let search = Search::new(&below, &federated.roots, &self.algorithms);
            for ca in &below {
                let root = search.up(ca, &|path, _| {
                    CaPath::new(path, &demands)?;
                    Ok(path.last().map(|root| root.spki().to_vec()))
                });
                let root = root.map_err(|error| rejected(ca, error))?;
                known.push(KnownCa::new(ca, root.as_deref()));
            }
        }
        Ok(known)
    }

    fn check_anchor(&self, anchor: &Certificate<'_>, types: &[ServiceType]) -> Result<Issuer> {
        let refused = |why: &str| Err(Error::AnchorRejected(why.into()));
        let names_itself = anchor.key_id().is_some() && anchor.issuer_key_id() == anchor.key_id();
        if anchor.is_self_issued() || names_itself || self.is_pinned(anchor)? {
            return refused("a root is never a peer's anchor: give the segment's intermediates");
        }
        let legacy = anchor.name_constraints().is_some_and(|c| c.has_uri_prefix());
        if legacy && types.is_empty() {
            return refused(
                "its name constraint is of the path form, so its service types must be configured",
            );
        }
        let uri_rule = if legacy { UriRule::HostOrSpiffePrefix } else { UriRule::Host };
        // What an intermediate limits itself to counts, though it be the anchor.
        rules::check_usage(anchor, &self.usage)?;
        let demands = demands(&self.usage, &self.algorithms, uri_rule, &NoLists, false);
        let take = |path: &[&Certificate<'_>], _| {
            CaPath::new(path, &demands)?;
            let above = path.iter().skip(1).map(|root| root.der().to_vec()).collect();
            Ok((above, service_types(path, self.segment, None)?))
        };
        let (above, named) = if self.pinned {
            Search::new(&[], &self.roots, &self.algorithms).up(anchor, &take)?
        } else {
            take(&[anchor], 0)?
        };
        let configured = Some(types.to_vec()).filter(|types| !types.is_empty());
        match named.or(configured) {
            None => refused("no service types extension, and no service types configured for it"),
            Some(types) if types.is_empty() => {
                let words = format!("it signs for no service type of the segment {}", self.segment);
                refused(&words)
            }
            Some(service_types) => Ok(Issuer { above, uri_rule, service_types }),
        }
    }

    fn is_pinned(&self, anchor: &Certificate<'_>) -> Result<bool> {
        let federated = self.federated.iter().flat_map(|federated| &federated.roots);
        for root in self.roots.iter().chain(federated) {
            if Certificate::parse(root.der())?.spki() == anchor.spki() {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

impl Paths {
    pub(in crate::verify::policy) fn new(trust: &Trust, lists: KnownLists) -> Result<Self> {
        let Trust { usage, algorithms, require_crl, .. } = trust;
        let path = |(anchor, issuer): (&Anchor, &Issuer)| {
            let anchor = Certificate::parse(anchor.der())?;
            let above = issuer.above()?;
            let cas: Vec<_> = [&anchor].into_iter().chain(&above).collect();
            let demands = demands(usage, algorithms, issuer.uri_rule, &lists, *require_crl);
            CaPath::new(&cas, &demands).map_err(|error| rejected(&anchor, error))
        };
        let above_leaves = trust.anchors.iter().zip(&trust.issuers).map(path);
        Ok(Paths { above_leaves: above_leaves.collect::<Result<_>>()?, lists })
    }
}

/// Says which certificate it is about; some refusals are better known by their own code.
fn rejected(certificate: &Certificate<'_>, error: Error) -> Error {
    let why = match error {
        Error::AlgorithmNotAllowed(_)
        | Error::CrlInvalid(_)
        | Error::InvalidPolicy(_)
        | Error::MalformedCertificate(_)
        | Error::Internal(_) => return error,
        Error::AnchorRejected(why) => why,
        Error::UntrustedIssuer(_) => "no pinned root has signed it".into(),
        other => other.to_string(),
    };
    Error::AnchorRejected(format!("{}: {why}", certificate.subject_text()))
}
