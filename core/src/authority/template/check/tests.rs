//! Each way in which a library could have signed something else.

use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DnType, ExtendedKeyUsagePurpose as Eku,
    IsCa, Issuer, KeyIdMethod, KeyUsagePurpose, SanType, SerialNumber,
};
use rustls_pki_types::CertificateDer;

use super::*;
use crate::{
    ServiceType, WorkloadId,
    authority::template::{IssuerKey, Serial},
    x509::{Certificate, PrivateKey, PublicKey},
};

const BEGIN: Timestamp = Timestamp::from_secs(1_800_000_000);
const END: Timestamp = Timestamp::from_secs(1_800_003_600);

struct Ca {
    der: Vec<u8>,
    issuer: Issuer<'static, IssuerKey>,
}

fn new_key() -> (IssuerKey, PublicKey) {
    let key = PrivateKey::generate().unwrap();
    let public = PublicKey::from_point(key.public_point()).unwrap();
    (IssuerKey(Arc::new(key)), public)
}

fn ca_template(public_key: &PublicKey) -> Template<'_> {
    let types = Some(&[ServiceType::Node][..]);
    Template {
        serial: Serial::random().unwrap(),
        common_name: Some("Test CA"),
        not_before: BEGIN,
        not_after: END,
        public_key,
        role: Role::Ca { path_length: 0, service_types: types, name_constraints: None },
    }
}

impl Ca {
    fn new() -> Self {
        let (key, public) = new_key();
        let der = ca_template(&public).self_sign(&key).unwrap();
        let issuer = Issuer::from_ca_cert_der(&CertificateDer::from(der.clone()), key).unwrap();
        Ca { der, issuer }
    }

    fn sign(&self, template: &Template<'_>, bend: impl FnOnce(&mut CertificateParams)) -> Vec<u8> {
        let mut params = template.params(true).unwrap();
        bend(&mut params);
        params.signed_by(template.public_key, &self.issuer).unwrap().der().to_vec()
    }

    fn check(&self, template: &Template<'_>, der: &[u8]) -> Result<()> {
        let own = Certificate::parse(&self.der).unwrap();
        let facts = IssuerFacts { name: own.subject(), key_id: own.key_id().unwrap() };
        template.check(der, Some(facts))
    }
}

fn leaf<'a>(
    public_key: &'a PublicKey,
    id: &'a WorkloadId,
    dns_names: &'a [String],
) -> Template<'a> {
    Template {
        serial: Serial::random().unwrap(),
        common_name: Some("node-a"),
        not_before: BEGIN,
        not_after: END,
        public_key,
        role: Role::Leaf { id, dns_names },
    }
}

fn refused(checked: Result<()>) -> String {
    match checked.unwrap_err() {
        Error::IssuedCertificateRejected(what) => what,
        other => panic!("{other}"),
    }
}

#[test]
fn a_leaf_that_differs_in_anything_is_refused() {
    type Bend = fn(&mut CertificateParams);
    let san = |name: &str| SanType::DnsName(name.try_into().unwrap());
    let second = time::Duration::SECOND;
    let (key_usage, names) = ("2.5.29.15", "2.5.29.17");
    let (constraints, purposes) = ("2.5.29.19", "2.5.29.37");
    let bends: [(&str, Bend); 23] = [
        ("serial number", |leaf| leaf.serial_number = Some(SerialNumber::from_slice(&[0x41; 20]))),
        ("notBefore", |leaf| leaf.not_before += time::Duration::SECOND),
        ("notAfter", |leaf| leaf.not_after += time::Duration::SECOND),
        ("subject", |leaf| leaf.distinguished_name.push(DnType::CommonName, "node-b")),
        ("subject", |leaf| leaf.distinguished_name.push(DnType::OrganizationName, "more")),
        ("subject", |leaf| {
            leaf.distinguished_name.remove(DnType::CommonName);
            leaf.distinguished_name.push(DnType::OrganizationName, "node-a");
        }),
        (constraints, |leaf| leaf.is_ca = IsCa::Ca(BasicConstraints::Unconstrained)),
        ("missing extension", |leaf| leaf.is_ca = IsCa::NoCa),
        (key_usage, |leaf| leaf.key_usages.push(KeyUsagePurpose::KeyCertSign)),
        ("missing extension", |leaf| leaf.key_usages.clear()),
        (purposes, |leaf| leaf.extended_key_usages = vec![Eku::ClientAuth]),
        (purposes, |leaf| leaf.extended_key_usages = vec![Eku::ServerAuth]),
        (purposes, |leaf| leaf.extended_key_usages.push(Eku::Any)),
        (purposes, |leaf| leaf.extended_key_usages.push(Eku::CodeSigning)),
        (purposes, |leaf| leaf.extended_key_usages.push(Eku::EmailProtection)),
        (purposes, |leaf| leaf.extended_key_usages.push(Eku::TimeStamping)),
        (purposes, |leaf| leaf.extended_key_usages.push(Eku::OcspSigning)),
        (purposes, |leaf| leaf.extended_key_usages.push(Eku::Other(vec![1, 2, 3, 4]))),
        (names, |leaf| leaf.subject_alt_names.reverse()),
        (names, |leaf| drop(leaf.subject_alt_names.pop())),
        ("2.5.29.14", |leaf| {
            leaf.key_identifier_method = KeyIdMethod::PreSpecified(vec![7; 20]);
        }),
        ("missing extension", |leaf| leaf.use_authority_key_identifier_extension = false),
        ("extension 1.2.3.4", |leaf| {
            let unknown = CustomExtension::from_oid_content(&[1, 2, 3, 4], vec![5, 0]);
            leaf.custom_extensions.push(unknown);
        }),
    ];
    let ca = Ca::new();
    let (_, public_key) = new_key();
    let id: WorkloadId = "spiffe://td.example/node/node-a".parse().unwrap();
    let dns_names = ["node-a".to_owned()];
    let template = leaf(&public_key, &id, &dns_names);
    assert_eq!(ca.check(&template, &ca.sign(&template, |_| {})), Ok(()));
    for (what, bend) in bends {
        let said = refused(ca.check(&template, &ca.sign(&template, bend)));
        assert!(said.contains(what), "{what}: {said}");
    }
    let more = ca.sign(&template, |leaf| leaf.subject_alt_names.push(san("thief")));
    assert!(refused(ca.check(&template, &more)).contains(names));
    let backdated = ca.sign(&template, |leaf| leaf.not_before -= second);
    assert_eq!(refused(ca.check(&template, &backdated)), "notBefore");
}

#[test]
fn a_leaf_of_another_key_or_issuer_or_algorithm_is_refused() {
    let ca = Ca::new();
    let (_, public_key) = new_key();
    let id: WorkloadId = "spiffe://td.example/node/node-a".parse().unwrap();
    let template = leaf(&public_key, &id, &[]);
    let good = ca.sign(&template, |_| {});
    let (_, other_key) = new_key();
    let other = Template { public_key: &other_key, ..leaf(&public_key, &id, &[]) };
    let other = Template { serial: template.serial, ..other };
    assert_eq!(refused(ca.check(&other, &good)), "public key");
    // Of the same name, and with another key.
    assert!(refused(Ca::new().check(&template, &good)).contains("2.5.29.35"));
    let facts = IssuerFacts { name: b"another", key_id: b"" };
    assert_eq!(refused(template.check(&good, Some(facts))), "issuer");
    assert_eq!(refused(ca.check(&template, &[&good[..], &[0]].concat())), "trailing bytes");

    // ecdsa-with-SHA384, and what differs from it in its last byte: with SHA-256 (RFC 5758 3.2).
    const SHA384: [u8; 8] = [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x03];
    let found = good.windows(SHA384.len()).enumerate().filter(|(_, bytes)| *bytes == SHA384);
    let ends: Vec<_> = found.map(|(at, _)| at + SHA384.len() - 1).collect();
    for (at, what) in ends.into_iter().zip(["signature algorithm", "outer signature algorithm"]) {
        let mut der = good.clone();
        der[at] = 2;
        assert_eq!(refused(ca.check(&template, &der)), what);
    }
}

#[test]
fn a_ca_that_differs_is_refused() {
    let ca = Ca::new();
    let (_, public_key) = new_key();
    let template = ca_template(&public_key);
    assert_eq!(ca.check(&template, &ca.sign(&template, |_| {})), Ok(()));
    let deeper = ca.sign(&template, |ca| ca.is_ca = IsCa::Ca(BasicConstraints::Constrained(1)));
    assert!(refused(ca.check(&template, &deeper)).contains("2.5.29.19"));
    let broader = ca.sign(&template, |ca| {
        let types = profile::encode_service_types(&ServiceType::ALL).unwrap();
        let arcs = profile::SERVICE_TYPES_OID_ARCS;
        ca.custom_extensions = vec![CustomExtension::from_oid_content(arcs, types)];
    });
    assert!(refused(ca.check(&template, &broader)).contains(SERVICE_TYPES_OID));
}

#[test]
fn times_from_2050_on_are_written_in_their_other_form() {
    let ca = Ca::new();
    let (_, public_key) = new_key();
    let id: WorkloadId = "spiffe://td.example/node/node-a".parse().unwrap();
    for end in [2_524_607_999, 2_524_608_000] {
        let not_after = Timestamp::from_secs(end);
        let template = Template { not_after, ..leaf(&public_key, &id, &[]) };
        assert_eq!(ca.check(&template, &ca.sign(&template, |_| {})), Ok(()));
    }
}
