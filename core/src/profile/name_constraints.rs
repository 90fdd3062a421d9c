//! The name constraints that a CA of ours carries, as they are configured and written.

use std::{fmt, str::FromStr};

use der::{
    Encode,
    asn1::{Ia5String, OctetString},
};
use x509_cert::ext::pkix::{NameConstraints, constraints::name::GeneralSubtree, name::GeneralName};

use crate::{Error, Result, TrustDomain, dns};

/// How the intermediates are bound to their trust domain by RFC 5280 name constraints.
///
/// The rule on paths (a Services CA signs no Envoy) is enforced by this library in every mode: X.509
/// can't express it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum NameConstraintMode {
    /// Critical: URIs on the trust domain's host alone, no IP addresses. Enforced by OpenSSL, NSS,
    /// Go, Envoy, Bun and Node; stock rustls and pyca refuse any chain with it.
    #[default]
    TrustDomain,
    /// No constraint: for peers on stock rustls.
    None,
    /// Critical: DNS names below these domains. Accepted and enforced by all.
    Dns(Vec<String>),
}

impl NameConstraintMode {
    /// The extension's content in DER; `None` in mode `none`.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidArgument`] if a domain is no DNS name, or there is none in mode `dns`.
    pub fn to_der(&self, trust_domain: &TrustDomain) -> Result<Option<Vec<u8>>> {
        let constraints = match self {
            NameConstraintMode::None => return Ok(None),
            NameConstraintMode::TrustDomain => NameConstraints {
                permitted_subtrees: Some(vec![uri_subtree(trust_domain)?]),
                excluded_subtrees: Some(vec![every_address(4)?, every_address(16)?]),
            },
            NameConstraintMode::Dns(domains) => NameConstraints {
                permitted_subtrees: Some(
                    domains.iter().map(|domain| dns_subtree(domain)).collect::<Result<_>>()?,
                )
                .filter(|subtrees: &Vec<_>| !subtrees.is_empty()),
                excluded_subtrees: None,
            },
        };
        if constraints.permitted_subtrees.is_none() {
            return Err(Error::argument("nameConstraints", "mode dns needs at least one domain"));
        }
        constraints.to_der().map(Some).map_err(Error::internal)
    }
}

/// The content of a name constraints extension that permits URIs on these hosts alone, in DER.
#[cfg(feature = "authority")]
pub(crate) fn permit_uris_on(hosts: &[TrustDomain]) -> Result<Vec<u8>> {
    let permitted = hosts.iter().map(uri_subtree).collect::<Result<_>>()?;
    let constraints =
        NameConstraints { permitted_subtrees: Some(permitted), excluded_subtrees: None };
    constraints.to_der().map_err(Error::internal)
}

/// URIs on one host: RFC 5280 4.2.1.10 knows no path.
fn uri_subtree(host: &TrustDomain) -> Result<GeneralSubtree> {
    let host = Ia5String::new(host.as_str()).map_err(Error::internal)?;
    Ok(subtree(GeneralName::UniformResourceIdentifier(host)))
}

fn subtree(base: GeneralName) -> GeneralSubtree {
    GeneralSubtree { base, minimum: 0, maximum: None }
}

/// 0.0.0.0/0 or ::/0: address and mask, both all zero (RFC 5280 4.2.1.10).
fn every_address(address_len: usize) -> Result<GeneralSubtree> {
    let octets = OctetString::new(vec![0_u8; 2 * address_len]).map_err(Error::internal)?;
    Ok(subtree(GeneralName::IpAddress(octets)))
}

fn dns_subtree(domain: &str) -> Result<GeneralSubtree> {
    dns::require_host_name("nameConstraints", domain)?;
    Ok(subtree(GeneralName::DnsName(Ia5String::new(domain).map_err(Error::internal)?)))
}

/// `trust-domain`, `none` or `dns:a.example,b.example`.
impl FromStr for NameConstraintMode {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let mode = match text {
            "trust-domain" => NameConstraintMode::TrustDomain,
            "none" => NameConstraintMode::None,
            _ => match text.strip_prefix("dns:") {
                Some(domains) => NameConstraintMode::Dns(
                    domains.split(',').map(|domain| domain.trim().to_owned()).collect(),
                ),
                None => {
                    return Err(Error::argument(
                        "nameConstraints",
                        format!("{text:?} is none of trust-domain, none, dns:a.example,b.example"),
                    ));
                }
            },
        };
        mode.to_der(&TrustDomain::default())?;
        Ok(mode)
    }
}

impl fmt::Display for NameConstraintMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NameConstraintMode::TrustDomain => f.write_str("trust-domain"),
            NameConstraintMode::None => f.write_str("none"),
            NameConstraintMode::Dns(domains) => write!(f, "dns:{}", domains.join(",")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_constraint_modes_come_back_from_their_text() {
        for text in ["trust-domain", "none", "dns:a.example,b.example"] {
            assert_eq!(text.parse::<NameConstraintMode>().unwrap().to_string(), text);
        }
        for text in ["", "dns:", "dns:a..b", "dns:a.example,", "Trust-Domain"] {
            assert!(text.parse::<NameConstraintMode>().is_err(), "{text:?}");
        }
    }
}
