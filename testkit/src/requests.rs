//! Certificate signing requests of any shape, put together byte by byte.

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair, KeyPair},
};
use der::{Encode, asn1::ObjectIdentifier};

/// Object identifiers of extensions.
pub mod oids {
    /// Subject alternative name.
    pub const SAN: &str = "2.5.29.17";
    /// Basic constraints.
    pub const BASIC_CONSTRAINTS: &str = "2.5.29.19";
    /// Key usage.
    pub const KEY_USAGE: &str = "2.5.29.15";
    /// Extended key usage.
    pub const EXTENDED_KEY_USAGE: &str = "2.5.29.37";
    /// Name constraints.
    pub const NAME_CONSTRAINTS: &str = "2.5.29.30";
}

const EXTENSION_REQUEST: &str = "1.2.840.113549.1.9.14";
const ECDSA_WITH_SHA384: &str = "1.2.840.10045.4.3.3";

/// A DER value: tag, length, content.
#[must_use]
pub fn tlv(tag: u8, content: &[&[u8]]) -> Vec<u8> {
    let content = content.concat();
    let mut value = vec![tag];
    match content.len() {
        short @ 0..=0x7f => value.push(short as u8),
        long => {
            let bytes = long.to_be_bytes();
            let bytes = &bytes[bytes.iter().take_while(|byte| **byte == 0).count()..];
            value.push(0x80 | bytes.len() as u8);
            value.extend_from_slice(bytes);
        }
    }
    value.extend(content);
    value
}

/// An object identifier, DER.
///
/// # Panics
///
/// If `dotted` is none.
#[must_use]
pub fn oid(dotted: &str) -> Vec<u8> {
    ObjectIdentifier::new(dotted).unwrap().to_der().unwrap()
}

/// A P-384 key.
#[derive(Debug)]
pub struct Key(EcdsaKeyPair);

impl Key {
    /// A new one.
    ///
    /// # Panics
    ///
    /// If there is no randomness.
    #[must_use]
    #[allow(clippy::new_without_default, reason = "each is another")]
    pub fn new() -> Self {
        Key(EcdsaKeyPair::generate(&ECDSA_P384_SHA384_ASN1_SIGNING).unwrap())
    }

    /// The public key: `04 || x || y`.
    #[must_use]
    pub fn point(&self) -> &[u8] {
        self.0.public_key().as_ref()
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.0.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec()
    }
}

/// A subject public key info that says P-384, with any point.
#[must_use]
pub fn spki(point: &[u8]) -> Vec<u8> {
    let algorithm = tlv(0x30, &[&oid("1.2.840.10045.2.1"), &oid("1.3.132.0.34")]);
    tlv(0x30, &[&algorithm, &tlv(0x03, &[&[0], point])])
}

/// An extension.
#[must_use]
pub fn extension(id: &str, critical: bool, content: &[u8]) -> Vec<u8> {
    let critical: &[u8] = if critical { &[0x01, 0x01, 0xff] } else { &[] };
    tlv(0x30, &[&oid(id), critical, &tlv(0x04, &[content])])
}

/// A subject alternative name extension.
#[must_use]
pub fn san(names: &[Vec<u8>]) -> Vec<u8> {
    let names: Vec<&[u8]> = names.iter().map(Vec::as_slice).collect();
    extension(oids::SAN, false, &tlv(0x30, &names))
}

/// A URI in a SAN.
#[must_use]
pub fn uri(text: impl AsRef<[u8]>) -> Vec<u8> {
    tlv(0x86, &[text.as_ref()])
}

/// A DNS name in a SAN.
#[must_use]
pub fn dns(text: impl AsRef<[u8]>) -> Vec<u8> {
    tlv(0x82, &[text.as_ref()])
}

/// The attribute that asks for extensions.
#[must_use]
pub fn extension_request(extensions: &[Vec<u8>]) -> Vec<u8> {
    extension_request_by(EXTENSION_REQUEST, extensions)
}

/// The same by another object identifier.
#[must_use]
pub fn extension_request_by(id: &str, extensions: &[Vec<u8>]) -> Vec<u8> {
    let extensions: Vec<&[u8]> = extensions.iter().map(Vec::as_slice).collect();
    let list = tlv(0x30, &extensions);
    tlv(0x30, &[&oid(id), &tlv(0x31, &[&list])])
}

/// A request that is not signed yet.
#[derive(Debug)]
pub struct Unsigned {
    /// The subject public key info.
    pub spki: Vec<u8>,
    /// The attributes.
    pub attributes: Vec<Vec<u8>>,
}

impl Unsigned {
    /// What is signed.
    #[must_use]
    pub fn info(&self) -> Vec<u8> {
        let attributes: Vec<&[u8]> = self.attributes.iter().map(Vec::as_slice).collect();
        info(&tlv(0x30, &[]), &self.spki, &tlv(0xa0, &attributes))
    }

    /// Signs it: ECDSA with SHA-384.
    #[must_use]
    pub fn sign(&self, key: &Key) -> Vec<u8> {
        sign(&self.info(), key)
    }
}

/// What is signed, with a subject, and with whatever stands in the place of the attributes.
#[must_use]
pub fn info(subject: &[u8], spki: &[u8], attributes: &[u8]) -> Vec<u8> {
    tlv(0x30, &[&[0x02, 0x01, 0x00], subject, spki, attributes])
}

/// Signs anything as the content of a request: ECDSA with SHA-384.
#[must_use]
pub fn sign(info: &[u8], key: &Key) -> Vec<u8> {
    let algorithm = tlv(0x30, &[&oid(ECDSA_WITH_SHA384)]);
    tlv(0x30, &[info, &algorithm, &tlv(0x03, &[&[0], &key.sign(info)])])
}

/// A request for these extensions by a new key, DER.
#[must_use]
pub fn request(extensions: &[Vec<u8>]) -> Vec<u8> {
    let key = Key::new();
    Unsigned { spki: spki(key.point()), attributes: vec![extension_request(extensions)] }.sign(&key)
}

/// As PEM with the usual label.
#[must_use]
pub fn to_pem(der: &[u8]) -> String {
    pem_with_label("CERTIFICATE REQUEST", der)
}

/// As PEM with any label.
#[must_use]
pub fn pem_with_label(label: &str, der: &[u8]) -> String {
    let config = pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF);
    pem::encode_config(&pem::Pem::new(label, der), config)
}

/// Back from PEM.
///
/// # Panics
///
/// If it is none.
#[must_use]
pub fn from_pem(text: &str) -> Vec<u8> {
    pem::parse(text).unwrap().into_contents()
}
