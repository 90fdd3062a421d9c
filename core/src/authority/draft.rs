//! Certificates that a program designs by itself and signs with a key that only it has: one in Web
//! Crypto, in a smart card, anywhere.
//!
//! No certificate of a [`CertificateManager`](super::CertificateManager) comes into being this way:
//! those follow their profiles, and [`sign_csr`](super::CertificateManager::sign_csr) alone makes
//! them.

use aws_lc_rs::signature::{ECDSA_P384_SHA384_FIXED, UnparsedPublicKey};
use der::{
    Decode, Encode, Sequence,
    asn1::{AnyRef, BitStringRef, ObjectIdentifier, UintRef},
};
use parking_lot::Mutex;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyIdMethod, KeyUsagePurpose, SanType, SerialNumber,
};
use rustls_pki_types::CertificateDer;
use x509_cert::spki::{AlgorithmIdentifierRef, SubjectPublicKeyInfoOwned};

use super::{
    names::why_no_common_name,
    template::{Serial, name_constraints_extension, subject_key_id},
};
use crate::{
    Error, Result, Timestamp, TrustDomain, certificate_from_pem, certificate_to_pem, dns, profile,
    x509::{Certificate, PublicKey, serial_from_hex},
};

/// RFC 5758 3.2: `ecdsa-with-SHA384`.
const ECDSA_WITH_SHA384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.3");

/// A certificate as its maker wants it: P-384 keys, ECDSA with SHA-384, both key identifiers.
///
/// ```
/// use catalyst_pki::{Timestamp, authority::CertificateDraft};
/// # use rcgen::{KeyPair, PublicKeyData, SigningKey};
/// # let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).map_err(|e| catalyst_pki::Error::InvalidKey(e.to_string()))?;
/// # let public_key = key.subject_public_key_info();
/// # let sign = |tbs: &[u8]| -> Vec<u8> { key.sign(tbs).unwrap_or_default() };
/// let (from, to) = (Timestamp::from_secs(1_800_000_000), Timestamp::from_secs(1_900_000_000));
/// let mut root = CertificateDraft::new("Our root", public_key, from, to);
/// root.is_ca = true;
/// root.key_cert_sign = true;
/// let unsigned = root.build()?;
/// let signature = sign(unsigned.to_be_signed());
/// # assert!(!signature.is_empty());
/// // In the form that Web Crypto gives it: `unsigned.complete(&signature)`.
/// # Ok::<(), catalyst_pki::Error>(())
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CertificateDraft {
    /// The subject's common name: 1 to 64 visible characters.
    pub common_name: String,
    /// The URI in the subject alternative names.
    pub san_uri: Option<String>,
    /// The DNS names there.
    pub san_dns: Vec<String>,
    /// The key that is certified: a `SubjectPublicKeyInfo` on P-384, DER.
    pub public_key: Vec<u8>,
    /// The certificate of the CA that signs, PEM; `None` for a certificate that signs itself.
    pub issuer_pem: Option<String>,
    /// The first moment of its validity, cut to a whole second.
    pub not_before: Timestamp,
    /// The last one.
    pub not_after: Timestamp,
    /// Whether it is that of a CA.
    pub is_ca: bool,
    /// How many CAs may follow below it; for a CA alone.
    pub path_length: Option<u8>,
    /// Key usage `digitalSignature`.
    pub digital_signature: bool,
    /// Key usage `keyCertSign`.
    pub key_cert_sign: bool,
    /// Key usage `cRLSign`.
    pub crl_sign: bool,
    /// Extended key usage `serverAuth`.
    pub server_auth: bool,
    /// Extended key usage `clientAuth`.
    pub client_auth: bool,
    /// Name constraints of a CA: the URIs of leaves must be on the hosts of these. `spiffe://host/…`
    /// stands for its host, because RFC 5280 4.2.1.10 has no form for a path and TLS stacks reject a
    /// certificate that tries one.
    pub permitted_uris: Vec<String>,
    /// The serial number, hex, up to 20 bytes; a random one without it.
    pub serial: Option<String>,
}

impl CertificateDraft {
    /// A certificate that signs itself and may be used for nothing yet.
    #[must_use]
    pub fn new(
        common_name: impl Into<String>,
        public_key: Vec<u8>,
        not_before: Timestamp,
        not_after: Timestamp,
    ) -> Self {
        CertificateDraft {
            common_name: common_name.into(),
            san_uri: None,
            san_dns: Vec::new(),
            public_key,
            issuer_pem: None,
            not_before,
            not_after,
            is_ca: false,
            path_length: None,
            digital_signature: false,
            key_cert_sign: false,
            crl_sign: false,
            server_auth: false,
            client_auth: false,
            permitted_uris: Vec::new(),
            serial: None,
        }
    }
}

/// A certificate that lacks its signature.
#[derive(Debug, Clone)]
pub struct UnsignedCertificate {
    /// `TBSCertificate`, DER.
    tbs: Vec<u8>,
    issuer_key: PublicKey,
}

impl CertificateDraft {
    /// Writes the certificate, all but its signature.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidArgument`] that names what can't be meant, [`Error::KeyAlgorithmNotAllowed`]
    /// for a key on another curve than P-384, [`Error::MalformedCertificate`] for an issuer that
    /// can't be read.
    pub fn build(&self) -> Result<UnsignedCertificate> {
        let spki = SubjectPublicKeyInfoOwned::from_der(&self.public_key)
            .map_err(|_| Error::argument("public key", "it is no SubjectPublicKeyInfo in DER"))?;
        let public_key = PublicKey::of(&spki)?;
        let params = self.params(&public_key)?;
        let (issuer_key, tbs) = match &self.issuer_pem {
            None => {
                let capture = Capture::of(public_key.clone());
                params.self_signed(&capture).map_err(Error::internal)?;
                (public_key, capture.taken())
            }
            Some(pem) => {
                let der = certificate_from_pem(pem)?;
                let issuer_key = issuer_key(&der)?;
                let capture = Capture::of(issuer_key.clone());
                let issuer = Issuer::from_ca_cert_der(&CertificateDer::from(der), &capture)
                    .map_err(|error| Error::argument("issuer", error.to_string()))?;
                params.signed_by(&public_key, &issuer).map_err(Error::internal)?;
                drop(issuer);
                (issuer_key, capture.taken())
            }
        };
        Ok(UnsignedCertificate { tbs, issuer_key })
    }

    fn params(&self, public_key: &PublicKey) -> Result<CertificateParams> {
        if let Some(why) = why_no_common_name(&self.common_name) {
            return Err(Error::argument("common name", why));
        }
        if self.not_after < self.not_before {
            return Err(Error::argument("not after", "it lies before the certificate begins"));
        }
        let mut params = CertificateParams::default();
        params.serial_number = Some(match &self.serial {
            None => SerialNumber::from_slice(&Serial::random()?.to_bytes()),
            Some(hex) => serial_number(hex)?,
        });
        params.not_before = self.not_before.floor_to_second().to_datetime();
        params.not_after = self.not_after.floor_to_second().to_datetime();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, &self.common_name);
        params.key_identifier_method =
            KeyIdMethod::PreSpecified(subject_key_id(public_key).to_vec());
        params.use_authority_key_identifier_extension = self.issuer_pem.is_some();
        params.is_ca = match (self.is_ca, self.path_length) {
            (false, _) => IsCa::ExplicitNoCa,
            (true, None) => IsCa::Ca(BasicConstraints::Unconstrained),
            (true, Some(length)) => IsCa::Ca(BasicConstraints::Constrained(length)),
        };
        params.key_usages = chosen([
            (self.digital_signature, KeyUsagePurpose::DigitalSignature),
            (self.key_cert_sign, KeyUsagePurpose::KeyCertSign),
            (self.crl_sign, KeyUsagePurpose::CrlSign),
        ]);
        params.extended_key_usages = chosen([
            (self.server_auth, ExtendedKeyUsagePurpose::ServerAuth),
            (self.client_auth, ExtendedKeyUsagePurpose::ClientAuth),
        ]);
        params.subject_alt_names = self.alternative_names()?;
        if !self.permitted_uris.is_empty() {
            if !self.is_ca {
                return Err(Error::argument("name constraints", "only a CA can have them"));
            }
            let content = profile::permit_uris_on(&hosts(&self.permitted_uris)?)?;
            params.custom_extensions.push(name_constraints_extension(content));
        }
        Ok(params)
    }

    fn alternative_names(&self) -> Result<Vec<SanType>> {
        let mut names = Vec::new();
        if let Some(uri) = &self.san_uri {
            if !uri.bytes().all(|byte| byte.is_ascii_graphic()) {
                return Err(Error::argument("SAN URI", "it holds other than visible ASCII"));
            }
            names.push(SanType::URI(uri.as_str().try_into().map_err(Error::internal)?));
        }
        for name in &self.san_dns {
            dns::require_host_name("SAN", name)?;
            names.push(SanType::DnsName(name.as_str().try_into().map_err(Error::internal)?));
        }
        Ok(names)
    }
}

impl UnsignedCertificate {
    /// What the issuer's key has to sign: `TBSCertificate`, DER.
    #[must_use]
    pub fn to_be_signed(&self) -> &[u8] {
        &self.tbs
    }

    /// The whole certificate, PEM. `signature` is ECDSA with SHA-384 in the form of IEEE P1363, as
    /// Web Crypto gives it: r and s, 48 bytes each.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidKey`] if it is not the issuer's signature on this certificate.
    pub fn complete(&self, signature: &[u8]) -> Result<String> {
        let wrong = || {
            Error::InvalidKey(
                "it did not sign this certificate: the signing key must be the issuer's, and that \
                 of the subject where there is no issuer"
                    .into(),
            )
        };
        UnparsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, self.issuer_key.as_point())
            .verify(&self.tbs, signature)
            .map_err(|_| wrong())?;
        let (r, s) = signature.split_at_checked(48).ok_or_else(wrong)?;
        let encode = || -> der::Result<Vec<u8>> {
            let signature = EcdsaSignature { r: UintRef::new(r)?, s: UintRef::new(s)? }.to_der()?;
            SignedCertificate {
                tbs: AnyRef::from_der(&self.tbs)?,
                algorithm: AlgorithmIdentifierRef { oid: ECDSA_WITH_SHA384, parameters: None },
                signature: BitStringRef::from_bytes(&signature)?,
            }
            .to_der()
        };
        Ok(certificate_to_pem(&encode().map_err(Error::internal)?))
    }
}

/// `Certificate`, RFC 5280 4.1.
#[derive(Sequence)]
struct SignedCertificate<'a> {
    tbs: AnyRef<'a>,
    algorithm: AlgorithmIdentifierRef<'a>,
    signature: BitStringRef<'a>,
}

/// `ECDSA-Sig-Value`, RFC 3279 2.2.3.
#[derive(Sequence)]
struct EcdsaSignature<'a> {
    r: UintRef<'a>,
    s: UintRef<'a>,
}

/// A key that signs nothing and keeps what it was given to sign.
struct Capture {
    key: PublicKey,
    message: Mutex<Vec<u8>>,
}

impl Capture {
    fn of(key: PublicKey) -> Self {
        Capture { key, message: Mutex::default() }
    }

    fn taken(self) -> Vec<u8> {
        self.message.into_inner()
    }
}

impl rcgen::PublicKeyData for Capture {
    fn der_bytes(&self) -> &[u8] {
        self.key.as_point()
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        &rcgen::PKCS_ECDSA_P384_SHA384
    }
}

impl rcgen::SigningKey for Capture {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        *self.message.lock() = message.to_vec();
        Ok(Vec::new())
    }
}

fn chosen<T, const N: usize>(choices: [(bool, T); N]) -> Vec<T> {
    choices.into_iter().filter_map(|(is_chosen, what)| is_chosen.then_some(what)).collect()
}

fn issuer_key(der: &[u8]) -> Result<PublicKey> {
    let issuer = Certificate::parse(der)?;
    if !issuer.is_ca() {
        return Err(Error::argument("issuer", "it is no CA certificate"));
    }
    PublicKey::from_spki(issuer.spki())
}

/// RFC 5280 4.1.2.2: positive, at most 20 bytes as an INTEGER.
fn serial_number(hex: &str) -> Result<SerialNumber> {
    match serial_from_hex(hex, "the serial number").as_deref() {
        Ok(serial @ [0..0x80, ..]) if serial != [0] && serial.len() <= 20 => {
            Ok(SerialNumber::from_slice(serial.strip_prefix(&[0]).unwrap_or(serial)))
        }
        _ => Err(Error::argument("serial number", "it must be hex, positive, at most 20 bytes")),
    }
}

/// The hosts of URIs or host names, each once.
fn hosts(uris: &[String]) -> Result<Vec<TrustDomain>> {
    let mut hosts = Vec::new();
    for uri in uris {
        let host = uri.strip_prefix("spiffe://").unwrap_or(uri);
        let host: TrustDomain = host.split('/').next().unwrap_or(host).parse()?;
        host.require_dns_name()?;
        if !hosts.contains(&host) {
            hosts.push(host);
        }
    }
    Ok(hosts)
}
