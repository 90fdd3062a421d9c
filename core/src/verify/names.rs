//! Whether a certificate bears the name that is expected.

use std::net::IpAddr;

use rustls_pki_types::{CertificateDer, DnsName, ServerName};
use webpki::EndEntityCert;

use crate::{
    Error, Result,
    x509::{Certificate, Form, split_mailbox},
};

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
