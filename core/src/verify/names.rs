//! The names in a certificate (RFC 5280 4.2.1.6), and whether one of them is the expected one.

use std::net::IpAddr;

use der::{Tag, Tagged};
use rustls_pki_types::{CertificateDer, DnsName, ServerName};
use webpki::EndEntityCert;

use super::{certificate::Certificate, tlv::sequence};
use crate::{Error, Result, dns};

/// A name that the peer must bear.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PeerName {
    /// A DNS name; a wildcard in the certificate stands for one label (RFC 9525 6.3).
    Dns(String),
    /// An IP address, compared with iPAddress SANs only.
    Ip(IpAddr),
    /// A mailbox: its local part is compared exactly, its host without regard to case
    /// (RFC 5280 7.5).
    Email(String),
}

/// What a GeneralName is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Form {
    Other,
    Email,
    Dns,
    X400,
    Directory,
    EdiParty,
    Uri,
    Ip,
    RegisteredId,
}

/// One GeneralName, its value as encoded: no name is left out because its bytes are odd.
#[derive(Debug, Clone, Copy)]
pub(super) struct GeneralName<'a> {
    pub(super) form: Form,
    pub(super) value: &'a [u8],
}

impl<'a> GeneralName<'a> {
    pub(super) fn new(name: der::asn1::AnyRef<'a>) -> Option<Self> {
        let Tag::ContextSpecific { number, .. } = name.tag() else { return None };
        let form = match number.value() {
            0 => Form::Other,
            1 => Form::Email,
            2 => Form::Dns,
            3 => Form::X400,
            4 => Form::Directory,
            5 => Form::EdiParty,
            6 => Form::Uri,
            7 => Form::Ip,
            8 => Form::RegisteredId,
            _ => return None,
        };
        Some(GeneralName { form, value: name.value() })
    }

    /// The text of a name that is an IA5String; nothing if it holds anything but ASCII.
    pub(super) fn text(&self) -> Option<&'a str> {
        std::str::from_utf8(self.value).ok().filter(|text| text.is_ascii())
    }

    /// Whether the name has the form that RFC 5280 4.2.1.6 gives it.
    pub(super) fn is_well_formed(&self) -> bool {
        match self.form {
            Form::Dns => self.text().is_some_and(is_dns_san),
            Form::Email => self.text().is_some_and(|text| split_mailbox(text).is_some()),
            Form::Uri => self.text().is_some_and(is_absolute_uri),
            Form::Ip => matches!(self.value.len(), 4 | 16),
            Form::Other | Form::X400 | Form::Directory | Form::EdiParty | Form::RegisteredId => {
                !self.value.is_empty()
            }
        }
    }
}

/// The names of a GeneralNames value; nothing if it isn't one.
pub(super) fn general_names(der: &[u8]) -> Option<Vec<GeneralName<'_>>> {
    sequence(der).ok()?.into_iter().map(GeneralName::new).collect()
}

/// Checks that the leaf bears each of the expected names.
pub(super) fn check_expected(leaf: &Certificate<'_>, expected: &[PeerName]) -> Result<()> {
    if expected.is_empty() {
        return Ok(());
    }
    let der = CertificateDer::from(leaf.der());
    let end_entity = EndEntityCert::try_from(&der).map_err(super::webpki_error)?;
    for name in expected {
        let (matches, text) = match name {
            PeerName::Dns(dns) => {
                let server = DnsName::try_from(dns.as_str())
                    .map_err(|_| Error::argument("peer name", "not a DNS name"))?;
                let server = ServerName::DnsName(server);
                (end_entity.verify_is_valid_for_subject_name(&server).is_ok(), dns.clone())
            }
            PeerName::Ip(ip) => {
                let server = ServerName::IpAddress((*ip).into());
                (end_entity.verify_is_valid_for_subject_name(&server).is_ok(), ip.to_string())
            }
            PeerName::Email(mailbox) => {
                let wanted = split_mailbox(mailbox)
                    .ok_or_else(|| Error::argument("peer name", "not a mailbox"))?;
                let matches = leaf
                    .alt_names()
                    .iter()
                    .filter(|name| name.form == Form::Email)
                    .filter_map(|name| split_mailbox(name.text()?))
                    .any(|found| found.0 == wanted.0 && found.1.eq_ignore_ascii_case(wanted.1));
                (matches, mailbox.clone())
            }
        };
        if !matches {
            return Err(Error::NameMismatch(text));
        }
    }
    Ok(())
}

/// A host name, or one whose first label is `*`. The name of a TLD's every child is no name.
pub(super) fn is_dns_san(name: &str) -> bool {
    dns::is_host_name(name.strip_prefix("*.").unwrap_or(name))
}

/// Local part and host of `local@host`. Quoted local parts, which may hold another `@`, are not
/// taken: two parsers never agree on them.
pub(super) fn split_mailbox(text: &str) -> Option<(&str, &str)> {
    let (local, host) = text.split_once('@')?;
    let local_ok = |b: u8| b.is_ascii_graphic() && !b"\"(),:;<>[\\]".contains(&b);
    (!local.is_empty() && local.bytes().all(local_ok) && dns::is_host_name(host))
        .then_some((local, host))
}

/// RFC 3986 3: a scheme and something behind it.
fn is_absolute_uri(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once(':') else { return false };
    let scheme_byte = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.');
    scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(scheme_byte)
        && !rest.is_empty()
        && rest.bytes().all(|b| b.is_ascii_graphic())
}
