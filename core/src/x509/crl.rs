//! Certificate revocation lists (RFC 5280 5).

use std::{collections::HashSet, fmt, sync::Arc};

use der::{Tag, Tagged};
use webpki::BorrowedCertRevocationList;
use x509_parser::{
    extensions::ParsedExtension, oid_registry as oid, prelude::FromDer,
    revocation_list::CertificateRevocationList,
};

use super::{
    certificate::name_text,
    names::{Form, GeneralName, Name},
    serial::{hex, shortest},
    tlv::{Signed, elements, sequence},
};
use crate::{Error, Result, Timestamp};

/// A revocation list: read once, looked up many times. Cheap to clone.
///
/// Its signature is verified where it is used, as only there the issuer's certificate is at hand.
/// Complete lists of version 2 are taken; delta lists, indirect lists and lists for some reasons
/// only are refused. So are those whose issuing distribution point has no full name (webpki reads no
/// others): one that says `onlyContainsCACerts` and nothing else, say. Refused is an error of
/// [`Crl::from_der`], and of whatever takes a list in DER: none is dropped in silence.
#[derive(Clone)]
pub struct Crl(Arc<Content>);

struct Content {
    der: Vec<u8>,
    issuer: Name,
    /// `number 7 of CN=Catalyst Services CA`.
    text: String,
    scope: Scope,
    this_update: Timestamp,
    next_update: Timestamp,
    /// Serial numbers in as few octets as say them.
    revoked: HashSet<Box<[u8]>>,
}

/// Which of its issuer's certificates a list speaks of (RFC 5280 5.2.5).
#[derive(Debug, Default, PartialEq, Eq)]
struct Scope {
    only_users: bool,
    only_cas: bool,
    /// Any of these distribution points; without one all certificates.
    points: Option<Vec<Point>>,
}

/// A name of a distribution point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Point {
    form: Form,
    value: Box<[u8]>,
}

impl Crl {
    /// Reads a list in DER.
    ///
    /// # Errors
    ///
    /// [`Error::CrlInvalid`] if it can't be read, or breaks a rule of RFC 5280 5: no CRL number or
    /// a critical one, no authority key identifier, no `nextUpdate` or one before `thisUpdate`, an
    /// unknown critical extension; or if it is of a kind that is not taken ([`Crl`]).
    pub fn from_der(der: &[u8]) -> Result<Self> {
        if der.trim_ascii_start().starts_with(b"-----BEGIN ") {
            return Err(invalid("it is PEM: give DER"));
        }
        let parsed = CertificateRevocationList::from_der(der);
        // Whose absence webpki's parser calls bad DER.
        let next_update = match &parsed {
            Ok((_, crl)) => Some(crl.next_update().ok_or_else(|| invalid("no nextUpdate"))?),
            Err(_) => None,
        };
        // webpki's parser is the strict one: version, algorithms alike, known critical extensions.
        let strict = BorrowedCertRevocationList::from_der(der).map_err(|error| match error {
            webpki::Error::UnsupportedCrlIssuingDistributionPoint => invalid(
                "its issuing distribution point has no full name: give a list with a full name, \
                 or without that extension",
            ),
            error => invalid(format!("it can't be read ({error})")),
        })?;
        let revoked: HashSet<Box<[u8]>> = strict
            .into_iter()
            .map(|entry| {
                let entry = entry.map_err(|error| invalid(format!("a broken entry ({error})")))?;
                Ok(shortest(entry.serial_number).into())
            })
            .collect::<Result<_>>()?;

        let (Ok((rest, crl)), Some(next_update)) = (&parsed, next_update) else {
            return Err(invalid("it can't be read"));
        };
        if !rest.is_empty() {
            return Err(invalid("bytes after it"));
        }
        let mut number = None;
        let mut has_issuer_key_id = false;
        let mut scope = Scope::default();
        for extension in crl.extensions() {
            match extension.parsed_extension() {
                // RFC 5280 5.2.3: in every list, and not critical.
                ParsedExtension::CRLNumber(value) if !extension.critical => {
                    number = Some(hex(&value.to_bytes_be()));
                }
                ParsedExtension::CRLNumber(_) => return Err(invalid("a critical CRL number")),
                // RFC 5280 5.2.1.
                ParsedExtension::AuthorityKeyIdentifier(aki) if !extension.critical => {
                    has_issuer_key_id = aki.key_identifier.is_some();
                }
                ParsedExtension::AuthorityKeyIdentifier(_) => {
                    return Err(invalid("a critical authority key identifier"));
                }
                _ if extension.oid == oid::OID_X509_EXT_ISSUER_DISTRIBUTION_POINT => {
                    scope = Scope::parse(extension.value)
                        .ok_or_else(|| invalid("a broken issuing distribution point"))?;
                }
                _ => {}
            }
        }
        if !has_issuer_key_id {
            return Err(invalid("no authority key identifier"));
        }
        let number = number.ok_or_else(|| invalid("no CRL number"))?;
        let time = |t: x509_parser::time::ASN1Time| Timestamp::from_secs(t.timestamp());
        let content = Content {
            der: der.to_vec(),
            issuer: Name::new(crl.issuer().as_raw()),
            text: format!("number {number} of {}", name_text(crl.issuer())),
            scope,
            this_update: time(crl.last_update()),
            next_update: time(next_update),
            revoked,
        };
        if content.next_update < content.this_update {
            return Err(invalid("it ends before it begins"));
        }
        Ok(Crl(Arc::new(content)))
    }

    /// The list as it was read.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.0.der
    }

    /// From when the list says how things stand.
    #[must_use]
    pub fn this_update(&self) -> Timestamp {
        self.0.this_update
    }

    /// When the next list is due at the latest; after it this one is no longer taken.
    #[must_use]
    pub fn next_update(&self) -> Timestamp {
        self.0.next_update
    }

    /// How many certificates it revokes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.revoked.len()
    }

    /// Whether it revokes none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.revoked.is_empty()
    }

    /// The list in a message: its number (hex) and its issuer.
    pub(crate) fn text(&self) -> &str {
        &self.0.text
    }

    pub(crate) fn issuer(&self) -> &Name {
        &self.0.issuer
    }

    pub(crate) fn signed(&self) -> Result<Signed<'_>> {
        Signed::parse(&self.0.der)
    }

    /// Whether it names the certificate with this serial number. Whatever its scope: a serial number
    /// is unique to its issuer.
    pub(crate) fn revokes(&self, serial: &[u8]) -> bool {
        self.0.revoked.contains(shortest(serial))
    }

    /// Whether it speaks of CAs, or else of all others.
    pub(crate) fn is_about(&self, cas: bool) -> bool {
        if cas { !self.0.scope.only_users } else { !self.0.scope.only_cas }
    }

    /// Whether it holds all that is revoked of the certificates of these distribution points.
    pub(crate) fn covers(&self, points: &[Point]) -> bool {
        let own = self.0.scope.points.as_ref();
        own.is_none_or(|own| own.iter().any(|point| points.contains(point)))
    }

    /// Whether it and another are versions of one list.
    pub(crate) fn has_scope_of(&self, other: &Crl) -> bool {
        self.0.scope == other.0.scope
    }
}

impl fmt::Debug for Crl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Crl")
            .field("text", &self.0.text)
            .field("this_update", &self.0.this_update)
            .field("next_update", &self.0.next_update)
            .field("revoked", &self.0.revoked.len())
            .finish_non_exhaustive()
    }
}

impl Scope {
    fn parse(der: &[u8]) -> Option<Self> {
        let mut scope = Scope::default();
        for part in sequence(der).ok()? {
            let Tag::ContextSpecific { number, .. } = part.tag() else { return None };
            match number.value() {
                0 => scope.points = Some(full_name(part.value())?),
                // X.690 11.1: TRUE is 255; webpki has refused what is neither TRUE nor FALSE.
                1 => scope.only_users = part.value() == [0xff],
                2 => scope.only_cas = part.value() == [0xff],
                _ => {}
            }
        }
        Some(scope)
    }
}

/// The names of a certificate's CRL distribution points (RFC 5280 4.2.1.13) whose lists hold all
/// reasons and come from the certificate's issuer. Nothing of what can't be read.
pub(crate) fn distribution_points(der: &[u8]) -> Vec<Point> {
    let complete = |point: der::asn1::AnyRef<'_>| match elements(point.value()).ok()?.as_slice() {
        [name] if is_field(name, 0) => full_name(name.value()),
        _ => None,
    };
    let points = sequence(der).unwrap_or_default();
    points.into_iter().filter_map(complete).flatten().collect()
}

/// The names of a DistributionPointName that is a full name.
fn full_name(der: &[u8]) -> Option<Vec<Point>> {
    match elements(der).ok()?.as_slice() {
        [full] if is_field(full, 0) => elements(full.value())
            .ok()?
            .into_iter()
            .map(|name| {
                let name = GeneralName::new(name)?;
                Some(Point { form: name.form, value: name.value.into() })
            })
            .collect(),
        _ => None,
    }
}

fn is_field(any: &der::asn1::AnyRef<'_>, wanted: u32) -> bool {
    matches!(any.tag(), Tag::ContextSpecific { number, .. } if number.value() == wanted)
}

fn invalid(why: impl Into<String>) -> Error {
    Error::CrlInvalid(why.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use testkit::requests::tlv;

    #[test]
    fn a_distribution_point_is_known_by_its_full_name_alone() {
        let uri = tlv(0x86, &[b"http://crl.example"]);
        let full = tlv(0xa0, &[&uri]);
        let name = tlv(0xa0, &[&full]);
        for (point, known) in [
            (tlv(0x30, &[&name]), true),
            // Some reasons, another issuer of lists.
            (tlv(0x30, &[&name, &tlv(0x81, &[&[1, 2]])]), false),
            (tlv(0x30, &[&name, &tlv(0xa2, &[&uri])]), false),
            (tlv(0x30, &[&tlv(0xa2, &[&full])]), false),
            // A name relative to the issuer's.
            (tlv(0x30, &[&tlv(0xa0, &[&tlv(0xa1, &[&uri])])]), false),
            (tlv(0x30, &[&tlv(0xa0, &[&tlv(0x30, &[&uri])])]), false),
            (tlv(0x30, &[]), false),
        ] {
            let points = distribution_points(&tlv(0x30, &[&point]));
            assert_eq!(points.len(), usize::from(known), "{point:02x?}");
        }
        assert!(distribution_points(b"no sequence").is_empty());
    }
}
