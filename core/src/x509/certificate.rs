//! A certificate, parsed once: what the rules look at.

use std::cell::OnceCell;

use aws_lc_rs::digest;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use der::{
    Tag, Tagged as _,
    asn1::{AnyRef, ObjectIdentifier},
};
use x509_parser::{
    certificate::{X509Certificate, X509CertificateParser},
    extensions::{AuthorityInfoAccess, AuthorityKeyIdentifier, KeyUsage},
    nom::Parser as _,
    oid_registry as oid,
    prelude::FromDer,
    x509::X509Name,
};

use super::{
    constraints::NameConstraints,
    names::{self, Form, GeneralName, Name},
    tlv::{Signed, sequence},
};
use crate::{Error, Result, SERVICE_TYPES_OID, Timestamp};

/// The most bytes of one certificate: of a longer one webpki, to which each is shown too, says only
/// that it can't be read.
const MAX_LEN: usize = 4 + 0xfffe;

/// The most extensions: far more than any certificate has, few enough to compare each with each.
const MAX_EXTENSIONS: usize = 128;

/// Known here, so it isn't searched for by its text.
const SERVICE_TYPES: ObjectIdentifier = ObjectIdentifier::new_unwrap(SERVICE_TYPES_OID);

/// One certificate's fields and extensions, as they stand: broken encodings and doubled extensions
/// are refused here, rules come later.
pub(crate) struct Certificate<'a> {
    der: &'a [u8],
    x509: X509Certificate<'a>,
    pub(crate) signed: Signed<'a>,
    pub(crate) extensions: Extensions<'a>,
    subject_name: OnceCell<Name>,
    issuer_name: OnceCell<Name>,
}

/// An extension's value, and whether it is critical.
#[derive(Debug, Clone)]
pub(crate) struct Extension<T> {
    pub(crate) critical: bool,
    pub(crate) value: T,
}

#[derive(Debug, Default)]
pub(crate) struct Extensions<'a> {
    pub(crate) basic_constraints: Option<Extension<BasicConstraints>>,
    pub(crate) key_usage: Option<Extension<KeyUsage>>,
    /// Object identifiers, their content as encoded.
    pub(crate) extended_key_usage: Option<Extension<Vec<&'a [u8]>>>,
    pub(crate) subject_key_id: Option<Extension<&'a [u8]>>,
    pub(crate) authority_key_id: Option<Extension<AuthorityKeyIdentifier<'a>>>,
    pub(crate) subject_alt_name: Option<Extension<Vec<GeneralName<'a>>>>,
    pub(crate) name_constraints: Option<Extension<NameConstraints>>,
    /// Critical or not, of those whose criticality RFC 5280 fixes and whose value we don't read.
    pub(crate) others: Vec<Extension<oid::Oid<'a>>>,
    /// The value, not decoded yet.
    pub(crate) crl_distribution_points: Option<&'a [u8]>,
    /// The value of our own extension (`profiles.md`), not decoded yet.
    pub(crate) service_types: Option<&'a [u8]>,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct BasicConstraints {
    pub(crate) ca: bool,
    pub(crate) path_len: Option<u32>,
}

/// The fingerprint of a certificate: SHA-256 of its DER, base64url without padding. It is the
/// `x5t#S256` of RFC 8705 too.
#[must_use]
pub fn fingerprint(der: &[u8]) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, der))
}

impl<'a> Certificate<'a> {
    /// # Errors
    ///
    /// [`Error::MalformedCertificate`]: no X.509 certificate in DER, bytes behind it, an extension
    /// that can't be read or stands there twice.
    pub(crate) fn parse(der: &'a [u8]) -> Result<Self> {
        if der.len() > MAX_LEN {
            return Err(malformed("over 64 KiB long"));
        }
        let signed = Signed::parse(der)?;
        let (rest, x509) = X509CertificateParser::new()
            .with_deep_parse_extensions(false)
            .parse(der)
            .map_err(|_| malformed("not an X.509 certificate in DER"))?;
        if !rest.is_empty() {
            return Err(malformed("bytes after the certificate"));
        }
        let extensions = Extensions::read(&x509)?;
        let (subject_name, issuer_name) = (OnceCell::new(), OnceCell::new());
        Ok(Certificate { der, x509, signed, extensions, subject_name, issuer_name })
    }

    pub(crate) fn der(&self) -> &'a [u8] {
        self.der
    }

    pub(crate) fn x509(&self) -> &X509Certificate<'a> {
        &self.x509
    }

    /// The SubjectPublicKeyInfo with its tag and length.
    pub(crate) fn spki(&self) -> &'a [u8] {
        self.x509.tbs_certificate.subject_pki.raw
    }

    /// The serial number as it is encoded: a signed number, see [`serial`](super::serial).
    pub(crate) fn serial(&self) -> &'a [u8] {
        self.x509.raw_serial()
    }

    pub(crate) fn subject(&self) -> &'a [u8] {
        self.x509.tbs_certificate.subject.as_raw()
    }

    pub(crate) fn issuer(&self) -> &'a [u8] {
        self.x509.tbs_certificate.issuer.as_raw()
    }

    pub(crate) fn subject_name(&self) -> &Name {
        self.subject_name.get_or_init(|| Name::new(self.subject()))
    }

    pub(crate) fn issuer_name(&self) -> &Name {
        self.issuer_name.get_or_init(|| Name::new(self.issuer()))
    }

    /// Subject and issuer are the same name (RFC 5280 3.2: self-issued).
    pub(crate) fn is_self_issued(&self) -> bool {
        self.subject() == self.issuer() || self.subject_name() == self.issuer_name()
    }

    /// Whether its issuer's name is the subject of another.
    pub(crate) fn names_as_issuer(&self, other: &Certificate<'_>) -> bool {
        self.issuer() == other.subject() || self.issuer_name() == other.subject_name()
    }

    pub(crate) fn not_before(&self) -> Timestamp {
        Timestamp::from_secs(self.x509.validity.not_before.timestamp())
    }

    pub(crate) fn not_after(&self) -> Timestamp {
        Timestamp::from_secs(self.x509.validity.not_after.timestamp())
    }

    pub(crate) fn is_ca(&self) -> bool {
        self.extensions.basic_constraints.as_ref().is_some_and(|e| e.value.ca)
    }

    pub(crate) fn path_len(&self) -> Option<u32> {
        self.extensions.basic_constraints.as_ref().and_then(|e| e.value.path_len)
    }

    pub(crate) fn key_id(&self) -> Option<&'a [u8]> {
        self.extensions.subject_key_id.as_ref().map(|e| e.value)
    }

    pub(crate) fn issuer_key_id(&self) -> Option<&'a [u8]> {
        let aki = &self.extensions.authority_key_id.as_ref()?.value;
        aki.key_identifier.as_ref().map(|id| id.0)
    }

    pub(crate) fn alt_names(&self) -> &[GeneralName<'a>] {
        self.extensions.subject_alt_name.as_ref().map_or(&[], |e| &e.value)
    }

    /// All that name constraints are about: the SANs, the subject, the mailboxes in the subject.
    pub(crate) fn constrained_names(&self) -> impl Iterator<Item = GeneralName<'_>> {
        let subject = &self.x509.subject;
        let directory = GeneralName { form: Form::Directory, value: subject.as_raw() };
        let directory = subject.iter_rdn().next().map(|_| directory);
        // RFC 5280 wants this of certificates without SAN; with one it does no harm.
        let mailboxes = subject.iter_email();
        let mailboxes =
            mailboxes.map(|email| GeneralName { form: Form::Email, value: email.as_slice() });
        self.alt_names().iter().copied().chain(directory).chain(mailboxes)
    }

    pub(crate) fn name_constraints(&self) -> Option<&NameConstraints> {
        self.extensions.name_constraints.as_ref().map(|e| &e.value)
    }

    /// The subject for a message.
    pub(crate) fn subject_text(&self) -> String {
        name_text(&self.x509.subject)
    }

    pub(crate) fn issuer_text(&self) -> String {
        name_text(&self.x509.issuer)
    }
}

impl<'a> Extensions<'a> {
    fn read(x509: &X509Certificate<'a>) -> Result<Self> {
        let mut read = Extensions::default();
        let all = x509.extensions();
        if all.len() > MAX_EXTENSIONS {
            return Err(malformed("over 128 extensions"));
        }
        for (i, extension) in all.iter().enumerate() {
            // RFC 5280 4.2: no more than one instance of an extension.
            if all.iter().take(i).any(|earlier| earlier.oid == extension.oid) {
                return Err(malformed(format!("extension {} twice", extension.oid)));
            }
            let broken = || malformed(format!("extension {} can't be read", extension.oid));
            let critical = extension.critical;
            let value = extension.value;
            let known = &extension.oid;
            if *known == oid::OID_X509_EXT_BASIC_CONSTRAINTS {
                let value = BasicConstraints::parse(value).ok_or_else(broken)?;
                read.basic_constraints = Some(Extension { critical, value });
            } else if *known == oid::OID_X509_EXT_KEY_USAGE {
                let value = whole::<KeyUsage>(value).ok_or_else(broken)?;
                read.key_usage = Some(Extension { critical, value });
            } else if *known == oid::OID_X509_EXT_EXTENDED_KEY_USAGE {
                let value = object_identifiers(value).ok_or_else(broken)?;
                read.extended_key_usage = Some(Extension { critical, value });
            } else if *known == oid::OID_X509_EXT_SUBJECT_KEY_IDENTIFIER {
                let value = octet_string(value).ok_or_else(broken)?;
                read.subject_key_id = Some(Extension { critical, value });
            } else if *known == oid::OID_X509_EXT_AUTHORITY_KEY_IDENTIFIER {
                let value = whole::<AuthorityKeyIdentifier<'_>>(value).ok_or_else(broken)?;
                read.authority_key_id = Some(Extension { critical, value });
            } else if *known == oid::OID_X509_EXT_SUBJECT_ALT_NAME {
                let value = names::general_names(value).ok_or_else(broken)?;
                read.subject_alt_name = Some(Extension { critical, value });
            } else if *known == oid::OID_X509_EXT_NAME_CONSTRAINTS {
                let value = NameConstraints::parse(value)?;
                read.name_constraints = Some(Extension { critical, value });
            } else {
                if known.as_bytes() == SERVICE_TYPES.as_bytes() {
                    read.service_types = Some(value);
                } else if *known == oid::OID_X509_EXT_CRL_DISTRIBUTION_POINTS {
                    read.crl_distribution_points = Some(value);
                } else if *known == oid::OID_PKIX_AUTHORITY_INFO_ACCESS {
                    // RFC 5280 4.2.2.1: at least one AccessDescription.
                    let access = whole::<AuthorityInfoAccess<'_>>(value).ok_or_else(broken)?;
                    if access.accessdescs.is_empty() {
                        return Err(broken());
                    }
                }
                read.others.push(Extension { critical, value: known.clone() });
            }
        }
        Ok(read)
    }
}

impl BasicConstraints {
    /// Stricter than x509-parser, which takes a `cA` and a length in any order of presence.
    fn parse(der: &[u8]) -> Option<Self> {
        let parts = sequence(der).ok()?;
        let (ca, rest) = match parts.split_first() {
            Some((first, rest)) if first.tag() == Tag::Boolean => {
                // A DEFAULT FALSE may be spelt out: no DER, but common and harmless.
                (first.decode_as::<bool>().ok()?, rest)
            }
            _ => (false, &parts[..]),
        };
        let path_len = match rest {
            [] => None,
            [len] => Some(len.decode_as::<u32>().ok()?),
            _ => return None,
        };
        Some(BasicConstraints { ca, path_len })
    }
}

/// A value of which nothing is left over.
fn whole<'a, T: FromDer<'a, x509_parser::error::X509Error>>(der: &'a [u8]) -> Option<T> {
    match T::from_der(der) {
        Ok(([], value)) => Some(value),
        _ => None,
    }
}

fn object_identifiers(der: &[u8]) -> Option<Vec<&[u8]>> {
    let is_oid = |any: AnyRef<'_>| any.tag() == Tag::ObjectIdentifier;
    sequence(der).ok()?.into_iter().map(|any| is_oid(any).then(|| any.value())).collect()
}

fn octet_string(der: &[u8]) -> Option<&[u8]> {
    use der::Decode as _;
    let any = AnyRef::from_der(der).ok()?;
    (any.tag() == Tag::OctetString).then(|| any.value())
}

/// A name for a message: what a stranger wrote, so cut and escaped.
pub(crate) fn name_text(name: &X509Name<'_>) -> String {
    if name.as_raw().len() <= 2 {
        return "(empty name)".into();
    }
    name.to_string().escape_debug().take(256).collect()
}

fn malformed(why: impl Into<String>) -> Error {
    Error::MalformedCertificate(why.into())
}
