//! Reading a request that anybody may have sent.
//!
//! Nothing but the public key and the names in the SAN is taken from it. What a request may ask for
//! is a short list; anything else is refused, never dropped in silence.
//!
//! Sets may stand in any order: its signature covers the bytes as they were sent, and big producers
//! of requests do not sort them as DER wants it.

use aws_lc_rs::{
    digest,
    signature::{
        ECDSA_P384_SHA256_ASN1, ECDSA_P384_SHA384_ASN1, ECDSA_P384_SHA512_ASN1,
        EcdsaVerificationAlgorithm, UnparsedPublicKey,
    },
};
use der::{
    Decode, Encode, Tag, TagNumber, Tagged,
    asn1::{AnyRef, ObjectIdentifier},
    oid::AssociatedOid,
};
use x509_cert::{
    ext::{
        Extension,
        pkix::{
            BasicConstraints, ExtendedKeyUsage, KeyUsage, SubjectAltName, SubjectKeyIdentifier,
            name::GeneralName,
        },
    },
    name::Name,
    request::ExtensionReq,
};

use crate::{
    Error, Result,
    x509::{
        PublicKey,
        tlv::{Signed, elements, sequence},
    },
};

/// No request of ours comes near it; a larger one is not even decoded.
const MAX_PEM_LEN: usize = 16 * 1024;
const LABELS: [&str; 2] = ["CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST"];

/// Requested extensions as Microsoft's tools used to ask for them, with the same content.
const MICROSOFT_EXTENSION_REQ: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("1.3.6.1.4.1.311.2.1.14");
const SERVER_AUTH: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.1");
const CLIENT_AUTH: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.2");

/// Signature algorithms that prove possession of a P-384 key. The request's own signature does not
/// enter the certificate, so the digests that tools such as `openssl req` choose are taken too.
const PROOF_ALGORITHMS: [(ObjectIdentifier, &EcdsaVerificationAlgorithm); 3] = [
    (ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.3"), &ECDSA_P384_SHA384_ASN1),
    (ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.2"), &ECDSA_P384_SHA256_ASN1),
    (ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.4"), &ECDSA_P384_SHA512_ASN1),
];

/// What a request holds that may enter a certificate. Whoever made it had the private key.
#[derive(Debug)]
pub(crate) struct CertificateRequest {
    /// The key to be certified.
    pub(crate) public_key: PublicKey,
    /// The URI SAN.
    pub(crate) uri: Option<String>,
    /// The DNS SANs, as they stand there.
    pub(crate) dns_names: Vec<String>,
    /// SHA-256 of the request's DER: by it a request is known again.
    pub(crate) digest: [u8; 32],
}

impl CertificateRequest {
    /// Parses a request, and checks key and proof of possession.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidCsr`], [`Error::CsrNotAllowed`], [`Error::KeyAlgorithmNotAllowed`],
    /// [`Error::CsrSignatureInvalid`].
    pub(crate) fn from_pem(text: &str) -> Result<Self> {
        let der = decode_pem(text)?;
        let signed = Signed::parse(&der).map_err(|_| {
            invalid("it is no signed structure in DER: content, signature algorithm, signature")
        })?;
        let content =
            sequence(signed.message).map_err(|_| invalid("its content is no sequence in DER"))?;
        let (version, subject, key, attributes) = match content[..] {
            [version, subject, key] => (version, subject, key, &[][..]),
            [version, subject, key, attributes] => {
                (version, subject, key, attributes_field(attributes)?)
            }
            _ => return Err(invalid("its content is not version, subject, key and attributes")),
        };
        if version.decode_as::<u8>() != Ok(0) {
            return Err(invalid("its version is not 0, the only one there is"));
        }
        subject.decode_as::<Name>().map_err(|_| invalid("its subject can't be read"))?;
        // The key before the signature: a request with a P-256 key and a SHA-384 signature proves
        // possession of a key that no certificate of ours could hold.
        let public_key = public_key(key)?;
        verify_proof(&public_key, &signed)?;
        let (uri, dns_names) = requested_names(attributes)?;
        let mut digest = [0; 32];
        digest.copy_from_slice(digest::digest(&digest::SHA256, &der).as_ref());
        Ok(CertificateRequest { public_key, uri, dns_names, digest })
    }
}

fn invalid(why: impl Into<String>) -> Error {
    Error::InvalidCsr(why.into())
}

/// The one block in a PEM text. Text around it is explanatory (RFC 7468 5.2), a byte order mark too.
fn decode_pem(text: &str) -> Result<Vec<u8>> {
    const BEGIN: &str = "-----BEGIN ";
    const END: &str = "-----END ";

    if text.len() > MAX_PEM_LEN {
        return Err(invalid(format!("{} bytes long, at most {MAX_PEM_LEN} are read", text.len())));
    }
    let begin = text
        .find(BEGIN)
        .ok_or_else(|| invalid("there is no -----BEGIN CERTIFICATE REQUEST----- in it"))?;
    let block = &text[begin..];
    // By both lines: what stands between two END lines would be overlooked.
    if [BEGIN, END].iter().any(|line| text.matches(line).count() > 1) {
        return Err(invalid("more than one PEM block"));
    }
    let label = LABELS
        .into_iter()
        .find(|label| block[BEGIN.len()..].starts_with(&format!("{label}-----")))
        .ok_or_else(|| invalid("the PEM block in it is no CERTIFICATE REQUEST"))?;
    let last_line = format!("{END}{label}-----");
    let end = block
        .find(&last_line)
        .ok_or_else(|| invalid(format!("the PEM block is cut off: it has no {last_line}")))?;
    let block = pem::parse(&block[..end + last_line.len()])
        .map_err(|_| invalid("the PEM block is broken"))?;
    // A header between BEGIN and the data belongs to encrypted PEM of old, not to RFC 7468.
    if block.headers().iter().next().is_some() {
        return Err(invalid("the PEM block has headers"));
    }
    Ok(block.into_contents())
}

fn public_key(spki: AnyRef<'_>) -> Result<PublicKey> {
    let spki = spki.to_der().map_err(Error::internal)?;
    PublicKey::from_spki(&spki).map_err(|error| match error {
        Error::InvalidKey(_) => invalid("the public key is no uncompressed P-384 point"),
        Error::MalformedCertificate(_) => invalid("its public key can't be read"),
        other => other,
    })
}

fn verify_proof(key: &PublicKey, signed: &Signed<'_>) -> Result<()> {
    UnparsedPublicKey::new(proof_algorithm(signed.algorithm)?, key.as_point())
        .verify(signed.message, signed.signature)
        .map_err(|_| Error::CsrSignatureInvalid)
}

/// The algorithm of an AlgorithmIdentifier's content.
fn proof_algorithm(identifier: &[u8]) -> Result<&'static EcdsaVerificationAlgorithm> {
    let parts = elements(identifier).ok();
    let id = parts.as_ref().and_then(|parts| parts.first()?.decode_as().ok());
    let (Some(parts), Some(id)) = (parts, id) else {
        return Err(invalid("its signature algorithm can't be read"));
    };
    let Some((_, algorithm)) = PROOF_ALGORITHMS.into_iter().find(|(taken, _)| *taken == id) else {
        let name = signature_name(id);
        return Err(invalid(format!(
            "its signature algorithm is {name}; taken are ECDSA with SHA-256, SHA-384 and SHA-512"
        )));
    };
    if parts.len() > 1 {
        return Err(invalid(
            "its signature algorithm has parameters, and ECDSA takes none (RFC 5758 3.2)",
        ));
    }
    Ok(algorithm)
}

/// What a person calls a signature algorithm that is not taken.
fn signature_name(id: ObjectIdentifier) -> String {
    let name = match id.to_string().as_str() {
        "1.2.840.10045.4.1" => "ECDSA with SHA-1",
        "1.2.840.10045.4.3.1" => "ECDSA with SHA-224",
        "2.16.840.1.101.3.4.3.9" => "ECDSA with SHA3-224",
        "2.16.840.1.101.3.4.3.10" => "ECDSA with SHA3-256",
        "2.16.840.1.101.3.4.3.11" => "ECDSA with SHA3-384",
        "2.16.840.1.101.3.4.3.12" => "ECDSA with SHA3-512",
        "1.2.840.113549.1.1.11" => "RSA with SHA-256",
        "1.2.840.113549.1.1.12" => "RSA with SHA-384",
        "1.2.840.113549.1.1.13" => "RSA with SHA-512",
        "1.3.101.112" => "Ed25519",
        other => return other.to_owned(),
    };
    name.to_owned()
}

/// The content of the attributes field. Some producers leave the field out where it is empty.
fn attributes_field(field: AnyRef<'_>) -> Result<&[u8]> {
    const ATTRIBUTES: Tag = Tag::ContextSpecific { number: TagNumber(0), constructed: true };
    match field.tag() {
        ATTRIBUTES => Ok(field.value()),
        _ => Err(invalid("what stands behind its key are no attributes")),
    }
}

/// The URI and the DNS names that the request asks for.
fn requested_names(attributes: &[u8]) -> Result<(Option<String>, Vec<String>)> {
    let mut uri = None;
    let mut dns_names = Vec::new();
    for extension in requested_extensions(attributes)? {
        if extension.extn_id != SubjectAltName::OID {
            check_harmless(&extension)?;
            continue;
        }
        for name in decode::<SubjectAltName>(&extension, "SAN")?.0 {
            match name {
                GeneralName::UniformResourceIdentifier(text) => {
                    if uri.replace(text.as_str().to_owned()).is_some() {
                        return Err(not_allowed("more than one URI SAN"));
                    }
                }
                GeneralName::DnsName(text) => dns_names.push(text.as_str().to_owned()),
                GeneralName::IpAddress(_) => return Err(not_allowed("an IP address SAN")),
                GeneralName::Rfc822Name(_) => return Err(not_allowed("an e-mail SAN")),
                _ => return Err(not_allowed("a SAN that is neither URI nor DNS name")),
            }
        }
    }
    Ok((uri, dns_names))
}

fn requested_extensions(attributes: &[u8]) -> Result<Vec<Extension>> {
    let mut lists = requested_lists(attributes)
        .map_err(|_| invalid("its attributes can't be read (RFC 2986 4.1)"))?
        .into_iter();
    let Some(list) = lists.next() else { return Ok(Vec::new()) };
    if lists.next().is_some() {
        return Err(invalid("more than one list of requested extensions"));
    }
    let list = list.ok_or_else(|| invalid("its attribute of requested extensions has no value"))?;
    let extensions = list
        .decode_as::<Vec<Extension>>()
        .map_err(|_| invalid("the list of requested extensions is broken"))?;
    let mut seen = Vec::new();
    for extension in &extensions {
        if seen.contains(&extension.extn_id) {
            return Err(invalid(format!("extension {} stands in it twice", extension.extn_id)));
        }
        seen.push(extension.extn_id);
    }
    Ok(extensions)
}

/// Every value of every attribute that asks for extensions; `None` for such an attribute without.
fn requested_lists(attributes: &[u8]) -> der::Result<Vec<Option<AnyRef<'_>>>> {
    let mut lists = Vec::new();
    for attribute in elements(attributes)? {
        attribute.tag().assert_eq(Tag::Sequence)?;
        let [id, values] = elements(attribute.value())?[..] else {
            return Err(Tag::Sequence.value_error().into());
        };
        values.tag().assert_eq(Tag::Set)?;
        let values = elements(values.value())?;
        if [ExtensionReq::OID, MICROSOFT_EXTENSION_REQ].contains(&id.decode_as()?) {
            match values[..] {
                [] => lists.push(None),
                _ => lists.extend(values.into_iter().map(Some)),
            }
        }
    }
    Ok(lists)
}

/// Lets pass what tools write into every request and what asks for no more than a leaf's profile
/// holds. Even that is not copied.
fn check_harmless(extension: &Extension) -> Result<()> {
    match extension.extn_id {
        BasicConstraints::OID => {
            if decode::<BasicConstraints>(extension, "basic constraints")?.ca {
                return Err(not_allowed("the rights of a CA (CA:TRUE)"));
            }
        }
        KeyUsage::OID => {
            let usage = decode::<KeyUsage>(extension, "key usage")?;
            if usage.key_cert_sign() || usage.crl_sign() {
                return Err(not_allowed("a key usage of CAs"));
            }
        }
        ExtendedKeyUsage::OID => {
            for usage in decode::<ExtendedKeyUsage>(extension, "extended key usage")?.0 {
                if usage != SERVER_AUTH && usage != CLIENT_AUTH {
                    return Err(not_allowed(&format!("extended key usage {usage}")));
                }
            }
        }
        SubjectKeyIdentifier::OID => {}
        other => return Err(not_allowed(&format!("extension {other}"))),
    }
    Ok(())
}

fn decode<'a, T: Decode<'a, Error = der::Error>>(
    extension: &'a Extension,
    name: &str,
) -> Result<T> {
    T::from_der(extension.extn_value.as_bytes())
        .map_err(|_| invalid(format!("the requested {name} is broken")))
}

fn not_allowed(what: &str) -> Error {
    Error::CsrNotAllowed(what.to_owned())
}
