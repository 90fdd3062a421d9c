//! The rules of RFC 5280 4 and 6.1 that webpki leaves out.

use x509_parser::{oid_registry as oid, x509::X509Version};

use super::Usage;
use crate::{
    Error, Result,
    x509::{Budget, Certificate, Extensions, Form, UriRule},
};

/// Where a certificate stands in a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// The peer's own.
    Leaf,
    /// A CA's, between leaf and anchor.
    Intermediate,
    /// What the caller trusts.
    Anchor,
}

/// Checks what a certificate says by itself, without a look at its neighbours or the clock.
pub(super) fn check_certificate(certificate: &Certificate<'_>, role: Role) -> Result<()> {
    check_fields(certificate, role)?;
    check_criticality(&certificate.extensions)?;
    check_key_usage(certificate, role)?;
    check_key_identifiers(certificate, role)?;
    check_names(certificate, role)
}

/// Checks the path lengths of the CAs of a path, the leaf's issuer first, the anchor last
/// (RFC 5280 6.1.4 (l) and (m)): self-issued CAs count for nobody.
pub(super) fn check_path_lengths(cas: &[&Certificate<'_>]) -> Result<()> {
    let mut below = 0_u32;
    for ca in cas {
        if ca.path_len().is_some_and(|allowed| below > allowed) {
            return Err(Error::PathLengthExceeded);
        }
        if !ca.is_self_issued() {
            below = below.saturating_add(1);
        }
    }
    Ok(())
}

/// Checks one link: that `certificate` names `issuer`, by name and, where both say, by key.
pub(super) fn check_link(certificate: &Certificate<'_>, issuer: &Certificate<'_>) -> Result<()> {
    if !certificate.names_as_issuer(issuer) {
        return Err(Error::UntrustedIssuer(certificate.issuer_text()));
    }
    match (certificate.issuer_key_id(), issuer.key_id()) {
        (Some(named), Some(actual)) if named != actual => Err(Error::UntrustedIssuer(format!(
            "{} has another key than the certificate names",
            issuer.subject_text()
        ))),
        _ => Ok(()),
    }
}

/// Checks the names of the CAs of a path, the anchor last, against the constraints of every CA above
/// them. Self-issued ones are exempt (RFC 5280 6.1.3 (b)).
pub(super) fn check_name_constraints(cas: &[&Certificate<'_>], uri_rule: UriRule) -> Result<()> {
    let mut budget = Budget::new();
    for (i, ca) in cas.iter().enumerate() {
        let Some(constraints) = ca.name_constraints() else { continue };
        for below in cas.iter().take(i).filter(|below| !below.is_self_issued()) {
            constraints.check(below.constrained_names(), uri_rule, &mut budget)?;
        }
    }
    Ok(())
}

/// Checks that name constraints are critical, which RFC 5280 4.2.1.10 demands and the public web's
/// rules don't.
pub(super) fn check_constraints_critical(certificate: &Certificate<'_>) -> Result<()> {
    match &certificate.extensions.name_constraints {
        Some(constraints) if !constraints.critical => {
            Err(rule("4.2.1.10: name constraints must be critical"))
        }
        _ => Ok(()),
    }
}

/// Checks the extended key usage of a leaf, or of a CA that limits what it vouches for.
pub(super) fn check_usage(certificate: &Certificate<'_>, usage: &Usage) -> Result<()> {
    let Some(extension) = &certificate.extensions.extended_key_usage else { return Ok(()) };
    if extension.value.is_empty() {
        return Err(rule("4.2.1.12: an extended key usage that lists nothing"));
    }
    if usage.is_among(&extension.value) {
        Ok(())
    } else {
        Err(Error::UsageNotAllowed(usage.words()))
    }
}

fn check_fields(certificate: &Certificate<'_>, role: Role) -> Result<()> {
    let x509 = certificate.x509();
    if x509.version() != X509Version::V3 {
        return Err(rule("4.1.2.1: a certificate with extensions has version 3"));
    }
    // An anchor is a name and a key (RFC 5280 6.1.1 (d)); old roots have the serial number 0.
    if role != Role::Anchor {
        match certificate.serial() {
            [] | [0] => return Err(rule("4.1.2.2: the serial number is zero")),
            [0x80..=0xff, ..] => return Err(rule("4.1.2.2: the serial number is negative")),
            [0, rest @ ..] | rest if rest.len() > 20 => {
                return Err(rule("4.1.2.2: the serial number has over 20 octets"));
            }
            _ => {}
        }
    }
    if x509.signature != x509.signature_algorithm {
        return Err(rule("4.1.1.2: two different signature algorithms are named"));
    }
    if x509.issuer.iter_rdn().next().is_none() {
        return Err(rule("4.1.2.4: the issuer's name is empty"));
    }
    for time in [&x509.validity.not_before, &x509.validity.not_after] {
        if time.is_generalizedtime() && time.to_datetime().year() < 2050 {
            return Err(rule("4.1.2.5: a date before 2050 is UTCTime"));
        }
    }
    if certificate.not_before() > certificate.not_after() {
        return Err(rule("4.1.2.5: the validity ends before it begins"));
    }
    Ok(())
}

fn check_criticality(extensions: &Extensions<'_>) -> Result<()> {
    let must_not = |critical: Option<bool>, what: &str| match critical {
        Some(true) => Err(rule(format!("{what} must not be critical"))),
        _ => Ok(()),
    };
    must_not(
        extensions.authority_key_id.as_ref().map(|e| e.critical),
        "4.2.1.1: the authority key identifier",
    )?;
    must_not(
        extensions.subject_key_id.as_ref().map(|e| e.critical),
        "4.2.1.2: the subject key identifier",
    )?;
    for extension in &extensions.others {
        let id = &extension.value;
        if *id == oid::OID_PKIX_AUTHORITY_INFO_ACCESS {
            must_not(Some(extension.critical), "4.2.2.1: authority information access")?;
        } else if *id == oid::OID_PKIX_SUBJECT_INFO_ACCESS {
            must_not(Some(extension.critical), "4.2.2.2: subject information access")?;
        } else if !extension.critical
            && (*id == oid::OID_X509_EXT_POLICY_CONSTRAINTS
                || *id == oid::OID_X509_EXT_INHIBIT_ANY_POLICY)
        {
            return Err(rule("4.2.1.11, 4.2.1.14: policy constraints must be critical"));
        }
        // Policies are not processed here, so whatever makes them critical is refused.
        if extension.critical {
            return Err(Error::UnknownCriticalExtension(id.to_id_string()));
        }
    }
    Ok(())
}

fn check_key_usage(certificate: &Certificate<'_>, role: Role) -> Result<()> {
    let key_usage = certificate.extensions.key_usage.as_ref().map(|e| &e.value);
    if key_usage.is_some_and(|usage| usage.flags == 0) {
        return Err(rule("4.2.1.3: a key usage that allows nothing"));
    }
    let signs = key_usage.is_none_or(|usage| usage.key_cert_sign());
    let constraints = certificate.extensions.basic_constraints.as_ref();
    if role != Role::Leaf {
        match constraints {
            None => return Err(rule("4.2.1.9: a CA without basic constraints")),
            Some(constraints) if !constraints.value.ca => {
                return Err(rule("4.2.1.9: an issuer that is no CA"));
            }
            Some(constraints) if !constraints.critical => {
                return Err(rule("4.2.1.9: a CA's basic constraints must be critical"));
            }
            Some(_) if !signs => {
                return Err(rule("4.2.1.3: a CA whose key usage doesn't allow certificates"));
            }
            Some(_) => {}
        }
    }
    if certificate.is_ca() {
        if !signs && certificate.path_len().is_some() {
            return Err(rule("4.2.1.9: a path length of a key that signs no certificates"));
        }
    } else if key_usage.is_some_and(|usage| usage.key_cert_sign()) {
        return Err(rule("4.2.1.9: no CA, but its key usage allows certificates"));
    } else if certificate.path_len().is_some() {
        return Err(rule("4.2.1.9: no CA, but a path length"));
    }
    Ok(())
}

fn check_key_identifiers(certificate: &Certificate<'_>, role: Role) -> Result<()> {
    let extensions = &certificate.extensions;
    let named = certificate.issuer_key_id();
    let self_issued_anchor = role == Role::Anchor && certificate.is_self_issued();
    match (&extensions.authority_key_id, named) {
        (Some(_), None) => {
            return Err(rule("4.2.1.1: an authority key identifier without key identifier"));
        }
        // A self-signed certificate's issuer is itself, which its SKI says already.
        (None, _) if !self_issued_anchor => {
            return Err(rule("4.2.1.1: no authority key identifier"));
        }
        _ => {}
    }
    let own = certificate.key_id();
    if own.is_some_and(<[u8]>::is_empty) || (own.is_none() && certificate.is_ca()) {
        return Err(rule("4.2.1.2: a CA without subject key identifier"));
    }
    if self_issued_anchor && named.is_some() && named != own {
        return Err(rule("4.2.1.1: a root that names another key as its issuer"));
    }
    Ok(())
}

fn check_names(certificate: &Certificate<'_>, role: Role) -> Result<()> {
    let extensions = &certificate.extensions;
    if extensions.name_constraints.is_some() && !certificate.is_ca() {
        return Err(rule("4.2.1.10: name constraints in a certificate that is no CA's"));
    }
    let empty_subject = certificate.x509().subject.iter_rdn().next().is_none();
    if empty_subject && role != Role::Leaf {
        return Err(rule("4.1.2.6: a CA without a name"));
    }
    match &extensions.subject_alt_name {
        Some(names) => {
            if empty_subject && !names.critical {
                return Err(rule("4.1.2.6: without subject the SAN must be critical"));
            }
            if names.value.is_empty() {
                return Err(rule("4.2.1.6: a SAN without names"));
            }
            for name in &names.value {
                // An anchor's own names vouch for nothing.
                if role != Role::Anchor && !name.is_well_formed() {
                    return Err(rule(match name.form {
                        Form::Dns => "4.2.1.6: a dNSName that is no host name",
                        Form::Email => "4.2.1.6: an rfc822Name that is no mailbox",
                        Form::Uri => "4.2.1.6: a URI that is not absolute",
                        Form::Ip => "4.2.1.6: an iPAddress of neither 4 nor 16 octets",
                        _ => "4.2.1.6: an empty name",
                    }));
                }
            }
        }
        None if empty_subject => return Err(rule("4.1.2.6: neither subject nor SAN")),
        None => {}
    }
    Ok(())
}

pub(super) fn rule(which: impl Into<String>) -> Error {
    Error::PathRuleViolated(which.into())
}
