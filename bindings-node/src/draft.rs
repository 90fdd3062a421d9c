//! Certificates that JavaScript signs with its own keys.

use std::sync::{Arc, OnceLock};

use catalyst_pki::{
    Error, Timestamp,
    authority::{CertificateDraft, UnsignedCertificate},
};
use napi::bindgen_prelude::Uint8Array;
use napi_derive::napi;

use crate::{
    boundary::guard,
    mailbox::{Mailbox, WithBytes},
    workers::MayWait,
};

/// A certificate as its maker wants it.
#[napi(object)]
pub struct DraftOptions {
    /// The subject's common name.
    pub common_name: String,
    /// The URI in the subject alternative names.
    pub san_uri: Option<String>,
    /// The DNS names there.
    pub san_dns: Vec<String>,
    /// The certificate of the CA that signs, PEM; none for one that signs itself.
    pub issuer_pem: Option<String>,
    /// Milliseconds since the epoch.
    pub not_before: i64,
    /// Milliseconds since the epoch.
    pub not_after: i64,
    /// Whether it is that of a CA.
    pub is_ca: bool,
    /// How many CAs may follow below it.
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
    /// Name constraints of a CA.
    pub permitted_uris: Vec<String>,
    /// The serial number, hex.
    pub serial: Option<String>,
}

/// A certificate that lacks its signature. Every method with a `call` answers through the mailbox.
#[napi]
pub struct Draft(Arc<Inner>);

struct Inner {
    draft: CertificateDraft,
    unsigned: OnceLock<UnsignedCertificate>,
}

#[napi]
impl Draft {
    /// The draft of a certificate for a public key (`SubjectPublicKeyInfo`, DER).
    #[napi(constructor, catch_unwind)]
    pub fn new(options: DraftOptions, public_key: Uint8Array) -> napi::Result<Self> {
        guard(|| {
            let mut draft = CertificateDraft::new(
                options.common_name,
                public_key.to_vec(),
                Timestamp::given("notBefore", options.not_before)?,
                Timestamp::given("notAfter", options.not_after)?,
            );
            draft.san_uri = options.san_uri;
            draft.san_dns = options.san_dns;
            draft.issuer_pem = options.issuer_pem;
            draft.is_ca = options.is_ca;
            draft.path_length = options.path_length;
            draft.digital_signature = options.digital_signature;
            draft.key_cert_sign = options.key_cert_sign;
            draft.crl_sign = options.crl_sign;
            draft.server_auth = options.server_auth;
            draft.client_auth = options.client_auth;
            draft.permitted_uris = options.permitted_uris;
            draft.serial = options.serial;
            Ok(Draft(Arc::new(Inner { draft, unsigned: OnceLock::new() })))
        })
    }

    /// Writes the certificate, all but its signature. Beside the answer are the bytes that the issuer's
    /// key has to sign.
    #[napi(catch_unwind)]
    pub fn to_be_signed(&self, mailbox: &Mailbox, call: u32) -> napi::Result<()> {
        guard(|| {
            let inner = Arc::clone(&self.0);
            mailbox.post().run(call, MayWait::Never, move || {
                let made = inner.draft.build()?;
                let unsigned = inner.unsigned.get_or_init(|| made);
                Ok(WithBytes((), unsigned.to_be_signed().to_vec()))
            })
        })
    }

    /// The certificate with a signature in the form of Web Crypto, PEM.
    #[napi(catch_unwind)]
    pub fn complete(
        &self,
        mailbox: &Mailbox,
        call: u32,
        signature: Uint8Array,
    ) -> napi::Result<()> {
        guard(|| {
            let (inner, signature) = (Arc::clone(&self.0), signature.to_vec());
            mailbox.post().run(call, MayWait::Never, move || {
                let nothing = || Error::Internal("nothing was to be signed".into());
                inner.unsigned.get().ok_or_else(nothing)?.complete(&signature)
            })
        })
    }
}

/// The fingerprint of a certificate in DER: SHA-256, base64url without padding.
#[napi(catch_unwind)]
pub fn fingerprint(mailbox: &Mailbox, call: u32, der: Uint8Array) -> napi::Result<()> {
    guard(|| {
        let der = der.to_vec();
        mailbox.post().run(call, MayWait::Never, move || Ok(catalyst_pki::fingerprint(&der)))
    })
}
