//! What the CA/Browser Forum's baseline requirements ask of the public web's certificates beyond
//! RFC 5280. Only [`Profile::WebPki`] asks for it.

use std::net::IpAddr;

use super::rules::{Role, rule};
use crate::{
    Result,
    x509::{Certificate, Form, GeneralName, rsa_bits},
};

/// 2.5.29.37.0.
const ANY_EXTENDED_KEY_USAGE: &[u8] = &[0x55, 0x1d, 0x25, 0x00];

/// Which rules go beyond RFC 5280.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
#[non_exhaustive]
pub enum Profile {
    /// None.
    #[default]
    Rfc5280,
    /// The CA/Browser Forum's, which the certificates of public web servers keep: on extended key
    /// usage, key sizes, common names, wildcards. In return name constraints need not be critical.
    WebPki,
}

pub(super) fn check_certificate(certificate: &Certificate<'_>, role: Role) -> Result<()> {
    let extensions = &certificate.extensions;
    // 7.1.2.11.1.
    if let Some(aki) = &extensions.authority_key_id
        && (aki.value.authority_cert_issuer.is_some() || aki.value.authority_cert_serial.is_some())
    {
        return Err(rule("CABF 7.1.2.11.1: an authority key identifier holds the key's alone"));
    }
    // 6.1.5: and a size divisible by 8.
    if rsa_bits(certificate).is_some_and(|bits| bits < 2048 || !bits.is_multiple_of(8)) {
        return Err(rule("CABF 6.1.5: an RSA key under 2048 bits or not of whole octets"));
    }
    match role {
        Role::Leaf => check_leaf(certificate),
        Role::Anchor if certificate.is_self_issued() && extensions.extended_key_usage.is_some() => {
            Err(rule("CABF 7.1.2.1.2: a root with extended key usage"))
        }
        Role::Intermediate | Role::Anchor => Ok(()),
    }
}

fn check_leaf(leaf: &Certificate<'_>) -> Result<()> {
    match &leaf.extensions.extended_key_usage {
        None => return Err(rule("CABF 7.1.2.7.6: no extended key usage")),
        Some(usage) if usage.critical => {
            return Err(rule("CABF 7.1.2.7.6: a critical extended key usage"));
        }
        Some(usage) if usage.value.contains(&ANY_EXTENDED_KEY_USAGE) => {
            return Err(rule("CABF 7.1.2.7.10: any extended key usage"));
        }
        Some(_) => {}
    }
    let has_subject = leaf.x509().subject.iter_rdn().next().is_some();
    if has_subject && leaf.extensions.subject_alt_name.as_ref().is_some_and(|e| e.critical) {
        return Err(rule("CABF 7.1.2.7.12: a critical SAN beside a subject"));
    }
    // 3.2.2.6. Of the registries' suffixes those of one label are known without their list.
    for name in leaf.alt_names() {
        let below = name.text().and_then(|text| text.strip_prefix("*."));
        if name.form == Form::Dns && below.is_some_and(|below| !below.contains('.')) {
            return Err(rule("CABF 3.2.2.6: a wildcard below a top-level domain"));
        }
    }
    // 7.1.4.3: character for character one of the SANs.
    for common_name in leaf.x509().subject.iter_common_name() {
        let text = common_name.as_str().unwrap_or_default();
        if !leaf.alt_names().iter().any(|name| is_spelt(name, text)) {
            return Err(rule("CABF 7.1.4.3: a common name that is none of the SANs"));
        }
    }
    Ok(())
}

fn is_spelt(name: &GeneralName<'_>, text: &str) -> bool {
    match name.form {
        Form::Dns => name.text() == Some(text),
        // RFC 5952 is how Rust writes addresses.
        Form::Ip => match (<[u8; 4]>::try_from(name.value), <[u8; 16]>::try_from(name.value)) {
            (Ok(v4), _) => IpAddr::from(v4).to_string() == text,
            (_, Ok(v6)) => IpAddr::from(v6).to_string() == text,
            _ => false,
        },
        _ => false,
    }
}
