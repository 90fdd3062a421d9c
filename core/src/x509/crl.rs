//! Certificate revocation lists (RFC 5280 5).

use std::{collections::HashSet, fmt, sync::Arc};

use webpki::BorrowedCertRevocationList;
use x509_parser::{
    extensions::ParsedExtension, oid_registry as oid, prelude::FromDer,
    revocation_list::CertificateRevocationList,
};

use super::{
    algorithms::Algorithms,
    certificate::Certificate,
    serial::{serial_to_hex, shortest},
    tlv::Signed,
};
use crate::{Error, Result, Timestamp};

/// A revocation list: read once, looked up many times. Cheap to clone.
///
/// Its signature is verified where it is used, as only there the issuer's certificate is at hand.
/// Complete lists of version 2 are taken; delta lists, indirect lists and lists for some reasons
/// only are refused.
#[derive(Clone)]
pub struct Crl {
    der: Arc<[u8]>,
    issuer: Vec<u8>,
    issuer_key_id: Vec<u8>,
    /// The issuing distribution point as encoded: lists of one issuer that differ in it are not
    /// versions of each other.
    pub(crate) distribution_point: Option<Vec<u8>>,
    pub(crate) number: Vec<u8>,
    this_update: Timestamp,
    next_update: Timestamp,
    revoked: Arc<HashSet<Box<[u8]>>>,
}

impl Crl {
    /// Reads a list in DER.
    ///
    /// # Errors
    ///
    /// [`Error::CrlInvalid`] if it can't be read, or breaks a rule of RFC 5280 5: no CRL number or
    /// a critical one, no authority key identifier, no `nextUpdate`, an unknown critical extension.
    pub fn from_der(der: &[u8]) -> Result<Self> {
        // webpki's parser is the strict one: version, algorithms alike, known critical extensions.
        let strict = BorrowedCertRevocationList::from_der(der)
            .map_err(|error| invalid(format!("it can't be read ({error})")))?;
        let revoked: HashSet<Box<[u8]>> = strict
            .into_iter()
            .map(|entry| {
                let entry = entry.map_err(|error| invalid(format!("a broken entry ({error})")))?;
                Ok(shortest(entry.serial_number).into())
            })
            .collect::<Result<_>>()?;

        let (rest, crl) =
            CertificateRevocationList::from_der(der).map_err(|_| invalid("it can't be read"))?;
        if !rest.is_empty() {
            return Err(invalid("bytes after it"));
        }
        let mut number = None;
        let mut issuer_key_id = None;
        let mut distribution_point = None;
        for extension in crl.extensions() {
            match extension.parsed_extension() {
                // RFC 5280 5.2.3: in every list, and not critical.
                ParsedExtension::CRLNumber(value) if !extension.critical => {
                    number = Some(value.to_bytes_be());
                }
                ParsedExtension::CRLNumber(_) => return Err(invalid("a critical CRL number")),
                // RFC 5280 5.2.1.
                ParsedExtension::AuthorityKeyIdentifier(aki) if !extension.critical => {
                    issuer_key_id = aki.key_identifier.as_ref().map(|id| id.0.to_vec());
                }
                ParsedExtension::AuthorityKeyIdentifier(_) => {
                    return Err(invalid("a critical authority key identifier"));
                }
                _ if extension.oid == oid::OID_X509_EXT_ISSUER_DISTRIBUTION_POINT => {
                    distribution_point = Some(extension.value.to_vec());
                }
                _ => {}
            }
        }
        let time = |t: x509_parser::time::ASN1Time| Timestamp::from_secs(t.timestamp());
        let crl = Crl {
            der: der.into(),
            issuer: crl.issuer().as_raw().to_vec(),
            issuer_key_id: issuer_key_id.ok_or_else(|| invalid("no authority key identifier"))?,
            distribution_point,
            number: number.ok_or_else(|| invalid("no CRL number"))?,
            this_update: time(crl.last_update()),
            next_update: crl.next_update().map(time).ok_or_else(|| invalid("no nextUpdate"))?,
            revoked: Arc::new(revoked),
        };
        if crl.next_update < crl.this_update {
            return Err(invalid("it ends before it begins"));
        }
        Ok(crl)
    }

    /// The list as it was read.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// From when the list says how things stand.
    #[must_use]
    pub fn this_update(&self) -> Timestamp {
        self.this_update
    }

    /// When the next list is due at the latest; after it this one is no longer taken.
    #[must_use]
    pub fn next_update(&self) -> Timestamp {
        self.next_update
    }

    /// How many certificates it revokes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.revoked.len()
    }

    /// Whether it revokes none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.revoked.is_empty()
    }

    /// Whether it speaks of the certificates that `issuer` has signed.
    pub(crate) fn is_of(&self, issuer: &Certificate<'_>) -> bool {
        self.issuer == issuer.subject() && issuer.key_id().is_none_or(|id| id == self.issuer_key_id)
    }

    /// Whether it speaks of `certificate`, as far as that names its issuer.
    pub(crate) fn may_list(&self, certificate: &Certificate<'_>) -> bool {
        self.issuer == certificate.issuer()
            && certificate.issuer_key_id().is_none_or(|id| id == self.issuer_key_id)
    }

    /// Verifies that `issuer` signed it, and may sign lists (RFC 5280 6.3.3 (f) and (g)).
    pub(crate) fn check_signature(
        &self,
        issuer: &Certificate<'_>,
        algorithms: &Algorithms,
    ) -> Result<()> {
        let key_usage = issuer.extensions.key_usage.as_ref();
        if key_usage.is_some_and(|usage| !usage.value.crl_sign()) {
            return Err(invalid("its issuer's key usage doesn't allow to sign it"));
        }
        algorithms
            .verify(&Signed::parse(&self.der)?, issuer)
            .map_err(|error| invalid(error.to_string()))
    }

    /// Checks that it says how things stand at `from` to `to`: one moment, widened by a skew.
    pub(crate) fn check_time(&self, from: Timestamp, to: Timestamp) -> Result<()> {
        if to < self.this_update {
            return Err(invalid(format!("it begins at {}", self.this_update)));
        }
        if from > self.next_update {
            return Err(invalid(format!("the next one was due at {}", self.next_update)));
        }
        Ok(())
    }

    pub(crate) fn revokes(&self, serial: &[u8]) -> bool {
        self.revoked.contains(shortest(serial))
    }
}

impl fmt::Debug for Crl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Crl")
            .field("number", &serial_to_hex(&self.number))
            .field("this_update", &self.this_update)
            .field("next_update", &self.next_update)
            .field("revoked", &self.revoked.len())
            .finish_non_exhaustive()
    }
}

fn invalid(why: impl Into<String>) -> Error {
    Error::CrlInvalid(why.into())
}
