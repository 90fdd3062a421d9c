//! Reading a request that anybody may have sent.
//!
//! Nothing but the public key and the names in the SAN is taken from it. What a request may ask for
//! is a short list; anything else is refused, never dropped in silence.

use aws_lc_rs::signature::{
    ECDSA_P384_SHA256_ASN1, ECDSA_P384_SHA384_ASN1, ECDSA_P384_SHA512_ASN1,
    EcdsaVerificationAlgorithm, UnparsedPublicKey,
};
use der::{
    Decode, Encode, Reader, SliceReader,
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
    request::{CertReq, ExtensionReq},
};

use crate::{Error, Result, x509::PublicKey};

/// No request of ours comes near it; a larger one is not even decoded.
const MAX_PEM_LEN: usize = 16 * 1024;
const LABELS: [&str; 2] = ["CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST"];

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
        let request = CertReq::from_der(&der).map_err(|error| {
            Error::InvalidCsr(format!("it is no strict DER ({})", error.kind()))
        })?;
        // The decoder sorts what stands in a SET OF.
        if request.to_der().map_err(Error::internal)? != der {
            return Err(invalid("it is no strict DER (a set is out of order)"));
        }
        let tbs = signed_bytes(&der).map_err(Error::internal)?;
        // The key before the signature: a request with a P-256 key and a SHA-384 signature proves
        // possession of a key that no certificate of ours could hold.
        let public_key = PublicKey::of(&request.info.public_key)?;
        verify_proof(&public_key, &request, tbs)?;
        let (uri, dns_names) = requested_names(&request)?;
        Ok(CertificateRequest { public_key, uri, dns_names })
    }
}

/// The part of a request that its signature covers, as it was sent: the first of the three in the
/// outer sequence.
fn signed_bytes(request: &[u8]) -> der::Result<&[u8]> {
    SliceReader::new(AnyRef::from_der(request)?.value())?.tlv_bytes()
}

fn invalid(why: impl Into<String>) -> Error {
    Error::InvalidCsr(why.into())
}

/// The one block of a PEM text, with nothing but white space around it.
fn decode_pem(text: &str) -> Result<Vec<u8>> {
    if text.len() > MAX_PEM_LEN {
        return Err(invalid(format!("{} bytes long, at most {MAX_PEM_LEN} are read", text.len())));
    }
    let text = text.trim_ascii();
    let label = LABELS
        .into_iter()
        .find(|label| text.starts_with(&format!("-----BEGIN {label}-----")))
        .ok_or_else(|| invalid("it does not begin with -----BEGIN CERTIFICATE REQUEST-----"))?;
    // By both lines: what stands between two END lines would be overlooked.
    if ["-----BEGIN ", "-----END "].iter().any(|line| text.matches(line).count() > 1) {
        return Err(invalid("more than one PEM block"));
    }
    if !text.ends_with(&format!("-----END {label}-----")) {
        return Err(invalid("it does not end with the END line of its PEM block"));
    }
    let block = pem::parse(text).map_err(|_| invalid("the PEM block is broken"))?;
    // A header between BEGIN and the data belongs to encrypted PEM of old, not to RFC 7468.
    if block.headers().iter().next().is_some() {
        return Err(invalid("the PEM block has headers"));
    }
    Ok(block.into_contents())
}

fn verify_proof(key: &PublicKey, request: &CertReq, tbs: &[u8]) -> Result<()> {
    let (_, algorithm) = PROOF_ALGORITHMS
        .into_iter()
        .find(|(oid, _)| *oid == request.algorithm.oid)
        // RFC 5758 3.2: ECDSA signatures have no parameters.
        .filter(|_| request.algorithm.parameters.is_none())
        .ok_or(Error::CsrSignatureInvalid)?;
    let signature = request.signature.as_bytes().ok_or(Error::CsrSignatureInvalid)?;
    UnparsedPublicKey::new(algorithm, key.as_point())
        .verify(tbs, signature)
        .map_err(|_| Error::CsrSignatureInvalid)
}

/// The URI and the DNS names that the request asks for.
fn requested_names(request: &CertReq) -> Result<(Option<String>, Vec<String>)> {
    let mut uri = None;
    let mut dns_names = Vec::new();
    for extension in requested_extensions(request)? {
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

fn requested_extensions(request: &CertReq) -> Result<Vec<Extension>> {
    let mut attributes =
        request.info.attributes.iter().filter(|attribute| attribute.oid == ExtensionReq::OID);
    let Some(attribute) = attributes.next() else { return Ok(Vec::new()) };
    let (1, None) = (attribute.values.len(), attributes.next()) else {
        return Err(invalid("more than one list of requested extensions"));
    };
    let extensions = match attribute.values.get(0).map(|value| value.decode_as::<Vec<Extension>>())
    {
        Some(Ok(extensions)) => extensions,
        _ => return Err(invalid("the list of requested extensions is broken")),
    };
    let mut seen = Vec::new();
    for extension in &extensions {
        if seen.contains(&extension.extn_id) {
            return Err(invalid(format!("extension {} stands in it twice", extension.extn_id)));
        }
        seen.push(extension.extn_id);
    }
    Ok(extensions)
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
