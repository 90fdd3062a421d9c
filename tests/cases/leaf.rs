//! What a case says of an issued certificate, read from its DER by another parser than ours.

use catalyst_pki::{Timestamp, authority::SignedCertificate, certificate_from_pem, fingerprint};
use serde_json::{Value, json};
use x509_parser::prelude::{FromDer, GeneralName, ParsedExtension, X509Certificate};

/// The fields of a signed certificate, which fit what came along with it.
pub(crate) fn describe(signed: &SignedCertificate) -> Value {
    let der = certificate_from_pem(&signed.certificate_pem).unwrap();
    let (rest, certificate) = X509Certificate::from_der(&der).unwrap();
    assert!(rest.is_empty());
    let seconds = |at: i64| Timestamp::from_secs(at);
    let (begin, end) = (
        certificate.validity().not_before.timestamp(),
        certificate.validity().not_after.timestamp(),
    );
    assert_eq!(signed.fingerprint, fingerprint(&der));
    assert_eq!(signed.serial, hex(certificate.raw_serial()));
    assert_eq!(signed.expires_at, seconds(end));
    let issuers: Vec<Vec<u8>> =
        signed.chain.iter().map(|pem| certificate_from_pem(pem).unwrap()).collect();
    let (_, issuer) = X509Certificate::from_der(&issuers[0]).unwrap();
    assert_eq!(certificate.issuer().as_raw(), issuer.subject().as_raw());

    let (mut uris, mut dns_names, mut usages) = (Vec::new(), Vec::new(), Vec::new());
    for extension in certificate.extensions() {
        match extension.parsed_extension() {
            ParsedExtension::SubjectAlternativeName(names) => {
                for name in &names.general_names {
                    match name {
                        GeneralName::URI(uri) => uris.push(*uri),
                        GeneralName::DNSName(name) => dns_names.push(*name),
                        other => panic!("an unexpected name {other}"),
                    }
                }
            }
            ParsedExtension::ExtendedKeyUsage(usage) => {
                usages.extend(usage.server_auth.then_some("serverAuth"));
                usages.extend(usage.client_auth.then_some("clientAuth"));
                assert!(usage.other.is_empty() && !usage.any);
            }
            _ => {}
        }
    }
    assert_eq!(uris.len(), 1);
    let subject = common_name(&der);
    json!({
        "commonName": if subject.is_empty() { Value::Null } else { subject.into() },
        "spiffeId": uris[0],
        "dnsNames": dns_names,
        "omittedDnsNames": signed.omitted_dns_names,
        "usages": usages,
        "isCa": certificate.is_ca(),
        "issuers": issuers.iter().map(|der| common_name(der)).collect::<Vec<_>>(),
        "issuerLifetimesSeconds": issuers.iter().map(|der| lifetime(der)).collect::<Vec<_>>(),
        "isIssuerConstrained": issuer.name_constraints().unwrap().is_some(),
        "lifetimeSeconds": end - begin,
        "renewAfterSeconds": signed.renew_after.as_millis() / 1000 - begin,
    })
}

/// The subject's common name; empty where there is none.
pub(crate) fn common_name(der: &[u8]) -> String {
    let (_, certificate) = X509Certificate::from_der(der).unwrap();
    let name = certificate.subject().iter_common_name().next();
    name.map(|name| name.as_str().unwrap().to_owned()).unwrap_or_default()
}

fn lifetime(der: &[u8]) -> i64 {
    let (_, certificate) = X509Certificate::from_der(der).unwrap();
    let validity = certificate.validity();
    validity.not_after.timestamp() - validity.not_before.timestamp()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
