//! What is in a sequence, and what a signature covers, read by the `der` crate.
//!
//! x509-parser decodes these places too, but not as they stand, which the rules need: signature
//! algorithms are compared as encoded (an `AlgorithmIdentifier` with other parameters is another
//! algorithm, RFC 5280 4.1.1.2), names in bad encoding must be counted, a `cA` that is FALSE must
//! be told from none. x509-cert's types own what they decode, and refuse what must be counted.

use der::{Decode, Reader, SliceReader, Tag, Tagged, asn1::AnyRef};

use crate::Error;

/// The elements of a sequence's value, each with its tag.
pub(crate) fn elements(value: &[u8]) -> Result<Vec<AnyRef<'_>>, der::Error> {
    let mut reader = SliceReader::new(value)?;
    let mut elements = Vec::new();
    while !reader.is_finished() {
        elements.push(AnyRef::decode(&mut reader)?);
    }
    Ok(elements)
}

/// The elements of what must be one SEQUENCE with nothing behind it.
pub(crate) fn sequence(der: &[u8]) -> Result<Vec<AnyRef<'_>>, der::Error> {
    let any = AnyRef::from_der(der)?;
    any.tag().assert_eq(Tag::Sequence)?;
    elements(any.value())
}

/// A signed structure (RFC 5280 4.1.1, 5.1.1): certificate or CRL.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Signed<'a> {
    /// What is signed, with its tag and length.
    pub(crate) message: &'a [u8],
    /// The AlgorithmIdentifier's content.
    pub(crate) algorithm: &'a [u8],
    pub(crate) signature: &'a [u8],
}

impl<'a> Signed<'a> {
    pub(crate) fn parse(der: &'a [u8]) -> Result<Self, Error> {
        Self::read(der).map_err(|_| Error::MalformedCertificate("not a signed structure".into()))
    }

    fn read(der: &'a [u8]) -> Result<Self, der::Error> {
        let outer = AnyRef::from_der(der)?;
        outer.tag().assert_eq(Tag::Sequence)?;
        let mut reader = SliceReader::new(outer.value())?;
        let message = reader.tlv_bytes()?;
        let algorithm = AnyRef::decode(&mut reader)?;
        algorithm.tag().assert_eq(Tag::Sequence)?;
        let signature = AnyRef::decode(&mut reader)?;
        signature.tag().assert_eq(Tag::BitString)?;
        reader.finish()?;
        match signature.value().split_first() {
            // X.690 8.6.2.2: the first octet counts unused bits, and a signature is whole octets.
            Some((0, signature)) => Ok(Signed { message, algorithm: algorithm.value(), signature }),
            _ => Err(Tag::BitString.value_error().into()),
        }
    }
}
