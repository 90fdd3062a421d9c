//! Every certificate, byte by byte: what the tables of the profiles say is written down here as DER
//! by hand, and compared with what the product made.

use std::{collections::HashSet, sync::Arc, time::Duration};

use aws_lc_rs::digest::{SHA256, digest};
use catalyst_pki::{
    Clock, ErrorCode, ManualClock, Segment, ServiceType, Timestamp, WorkloadId,
    authority::{ManagerConfig, SignRequest},
    certificate_from_pem, generate_key_and_csr,
};
use testkit::{
    mesh::{Mesh, SAMPLES, Sample, TRUST_DOMAIN, config},
    requests::{
        Key, Unsigned, dns, extension, extension_request, oid, oids, san, spki, tlv, to_pem, uri,
    },
};
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::world::Mode;

const AUTHORITY_KEY_ID: &str = "2.5.29.35";
const SUBJECT_KEY_ID: &str = "2.5.29.14";
const SERVICE_TYPES: &str = "2.25.143820187.1";
/// KeyUsage digitalSignature: bit 0.
const DIGITAL_SIGNATURE: &[u8] = &[0x03, 0x02, 0x07, 0x80];
/// KeyUsage keyCertSign and cRLSign: bits 5 and 6.
const CERT_AND_CRL_SIGN: &[u8] = &[0x03, 0x02, 0x01, 0x06];

const NOON: i64 = 1_800_000_000; // 2027-01-15T08:00:00Z

/// What a certificate should be, but for serial number and key, which no table can know.
struct Expected<'a> {
    issuer: &'a str,
    subject: Option<&'a str>,
    not_before: i64,
    not_after: i64,
    extensions: Vec<Vec<u8>>,
}

/// A name of one common name, UTF8String.
fn name(common_name: Option<&str>) -> Vec<u8> {
    let attributes = common_name.map(|text| {
        let attribute = tlv(0x30, &[&oid("2.5.4.3"), &tlv(0x0c, &[text.as_bytes()])]);
        tlv(0x31, &[&attribute])
    });
    tlv(0x30, &[&attributes.unwrap_or_default()])
}

/// RFC 5280 4.1.2.5: UTCTime before 2050, GeneralizedTime from then on; made by way of the text.
fn time(seconds: i64) -> Vec<u8> {
    let text = Timestamp::from_secs(seconds).to_string();
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    assert_eq!(digits.len(), 14, "{text}");
    match &digits[..4] < "2050" {
        true => tlv(0x17, &[&digits.as_bytes()[2..], b"Z"]),
        false => tlv(0x18, &[digits.as_bytes(), b"Z"]),
    }
}

fn key_id(certificate: &X509Certificate<'_>) -> Vec<u8> {
    digest(&SHA256, &certificate.public_key().subject_public_key.data).as_ref()[..20].to_vec()
}

fn parse(der: &[u8]) -> X509Certificate<'_> {
    let (rest, certificate) = X509Certificate::from_der(der).unwrap();
    assert!(rest.is_empty(), "trailing bytes");
    certificate
}

fn hex<T: AsRef<[u8]>>(values: &[T]) -> Vec<String> {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    values.iter().map(|value| hex(value.as_ref())).collect()
}

/// Compares a certificate with what it should be; extensions first, because they tell more.
fn check(what: &str, der: &[u8], expected: &Expected<'_>) {
    let certificate = parse(der);
    let raw = |e: &x509_parser::prelude::X509Extension<'_>| {
        extension(&e.oid.to_id_string(), e.critical, e.value)
    };
    let extensions: Vec<_> = certificate.extensions().iter().map(raw).collect();
    assert_eq!(hex(&extensions), hex(&expected.extensions), "{what}: extensions");

    let serial = certificate.raw_serial();
    assert_eq!(serial.len(), 20, "{what}: serial number");
    assert!((0x01..=0x7f).contains(&serial[0]), "{what}: serial number");
    let algorithm = tlv(0x30, &[&oid("1.2.840.10045.4.3.3")]);
    let point = &certificate.public_key().subject_public_key.data;
    let all: Vec<&[u8]> = expected.extensions.iter().map(Vec::as_slice).collect();
    let tbs = tlv(
        0x30,
        &[
            &tlv(0xa0, &[&[0x02, 0x01, 0x02]]), // version 3
            &tlv(0x02, &[serial]),
            &algorithm,
            &name(Some(expected.issuer)),
            &tlv(0x30, &[&time(expected.not_before), &time(expected.not_after)]),
            &name(expected.subject),
            &spki(point),
            &tlv(0xa3, &[&tlv(0x30, &all)]),
        ],
    );
    let actual = certificate.tbs_certificate.as_ref();
    assert_eq!(hex(&[actual]), hex(&[&tbs]), "{what}: to-be-signed part");
    let signature = tlv(0x03, &[&[0], &certificate.signature_value.data]);
    assert_eq!(der, tlv(0x30, &[&tbs, &algorithm, &signature]), "{what}: certificate");
    assert_eq!((point.len(), point[0]), (97, 0x04), "{what}: P-384 point");
}

fn subject_key_id(certificate: &X509Certificate<'_>) -> Vec<u8> {
    extension(SUBJECT_KEY_ID, false, &tlv(0x04, &[&key_id(certificate)]))
}

fn authority_key_id(issuer: &X509Certificate<'_>) -> Vec<u8> {
    extension(AUTHORITY_KEY_ID, false, &tlv(0x30, &[&tlv(0x80, &[&key_id(issuer)])]))
}

/// The extensions of a leaf, in their order.
fn leaf_extensions(
    leaf: &X509Certificate<'_>,
    issuer: &X509Certificate<'_>,
    uri_text: &str,
    dns_names: &[&str],
    is_client: bool,
) -> Vec<Vec<u8>> {
    let mut names = vec![uri(uri_text)];
    names.extend(dns_names.iter().map(dns));
    let names: Vec<&[u8]> = names.iter().map(Vec::as_slice).collect();
    let has_subject = leaf.subject().iter_attributes().next().is_some();
    let mut usages = oid("1.3.6.1.5.5.7.3.1");
    if is_client {
        usages.extend(oid("1.3.6.1.5.5.7.3.2"));
    }
    vec![
        authority_key_id(issuer),
        extension(oids::SAN, !has_subject, &tlv(0x30, &names)),
        extension(oids::KEY_USAGE, true, DIGITAL_SIGNATURE),
        extension(oids::EXTENDED_KEY_USAGE, false, &tlv(0x30, &[&usages])),
        subject_key_id(leaf),
        extension(oids::BASIC_CONSTRAINTS, true, &[0x30, 0x00]),
    ]
}

/// The extensions of a CA, in their order.
fn ca_extensions(
    ca: &X509Certificate<'_>,
    root: Option<&X509Certificate<'_>>,
    path_length: u8,
    service_types: &[&str],
    mode: Mode,
) -> Vec<Vec<u8>> {
    let path_length = [0x02, 0x01, path_length];
    let mut extensions: Vec<Vec<u8>> = root.map(authority_key_id).into_iter().collect();
    extensions.push(extension(oids::KEY_USAGE, true, CERT_AND_CRL_SIGN));
    extensions.push(subject_key_id(ca));
    let constraints = tlv(0x30, &[&[0x01, 0x01, 0xff], &path_length]);
    extensions.push(extension(oids::BASIC_CONSTRAINTS, true, &constraints));
    if root.is_some() {
        let types: Vec<u8> =
            service_types.iter().flat_map(|name| tlv(0x0c, &[name.as_bytes()])).collect();
        extensions.push(extension(SERVICE_TYPES, false, &tlv(0x30, &[&types])));
        if let Some(content) = name_constraints(mode) {
            extensions.push(extension(oids::NAME_CONSTRAINTS, true, &content));
        }
    }
    extensions
}

fn name_constraints(mode: Mode) -> Option<Vec<u8>> {
    let permitted = |bases: &[Vec<u8>]| {
        let subtrees: Vec<u8> = bases.iter().flat_map(|base| tlv(0x30, &[base])).collect();
        tlv(0xa0, &[&subtrees])
    };
    match mode {
        Mode::None => None,
        Mode::TrustDomain => {
            let (v4, v6) = (tlv(0x87, &[&[0; 8]]), tlv(0x87, &[&[0; 32]]));
            let excluded = tlv(0xa1, &[&tlv(0x30, &[&v4]), &tlv(0x30, &[&v6])]);
            Some(tlv(0x30, &[&permitted(&[uri(TRUST_DOMAIN)]), &excluded]))
        }
        Mode::Dns => {
            let domains: Vec<_> = testkit::mesh::dns_domains().iter().map(dns).collect();
            Some(tlv(0x30, &[&permitted(&domains)]))
        }
    }
}

fn at(seconds: i64) -> (Arc<ManualClock>, ManagerConfig) {
    let clock = Arc::new(ManualClock::new(Timestamp::from_millis(seconds * 1000 + 750)));
    let mut config = config();
    config.clock = Arc::clone(&clock) as Arc<dyn Clock>;
    (clock, config)
}

struct Ders {
    root: Vec<u8>,
    services: Vec<u8>,
    transport: Vec<u8>,
}

impl Ders {
    fn of(mesh: &Mesh) -> Self {
        let der = |segment| certificate_from_pem(mesh.intermediate_pem(segment)).unwrap();
        Ders {
            root: certificate_from_pem(mesh.root_pem()).unwrap(),
            services: der(Segment::Services),
            transport: der(Segment::Transport),
        }
    }

    fn intermediate(&self, segment: Segment) -> &[u8] {
        match segment {
            Segment::Services => &self.services,
            Segment::Transport => &self.transport,
        }
    }
}

const fn ca_name(segment: Segment) -> &'static str {
    match segment {
        Segment::Services => "Catalyst Services CA",
        Segment::Transport => "Catalyst Transport CA",
    }
}

const DAY: i64 = 24 * 60 * 60;

fn check_cas(what: &str, mesh: &Mesh, mode: Mode, made_at: i64) {
    let ders = Ders::of(mesh);
    let root = parse(&ders.root);
    let not_before = made_at - 30;
    check(
        &format!("{what} root"),
        &ders.root,
        &Expected {
            issuer: "Catalyst Root CA",
            subject: Some("Catalyst Root CA"),
            not_before,
            not_after: not_before + 3650 * DAY,
            extensions: ca_extensions(&root, None, 1, &[], mode),
        },
    );
    for (segment, types) in [
        (Segment::Services, &["orchestrator", "auth", "node", "gateway"][..]),
        (Segment::Transport, &["envoy/app", "envoy/transport"]),
    ] {
        let der = ders.intermediate(segment);
        check(
            &format!("{what} {segment}"),
            der,
            &Expected {
                issuer: "Catalyst Root CA",
                subject: Some(ca_name(segment)),
                not_before,
                not_after: not_before + 730 * DAY,
                extensions: ca_extensions(&parse(der), Some(&root), 0, types, mode),
            },
        );
        assert!(parse(der).verify_signature(Some(root.public_key())).is_ok(), "{what} {segment}");
    }
    assert!(root.verify_signature(None).is_ok(), "{what} root");
}

fn check_leaf(what: &str, mesh: &Mesh, sample: &Sample, der: &[u8], made_at: i64) {
    let ders = Ders::of(mesh);
    let segment = sample.service_type.segment();
    let (leaf, issuer) = (parse(der), parse(ders.intermediate(segment)));
    check(
        what,
        der,
        &Expected {
            issuer: ca_name(segment),
            subject: Some(sample.common_name).filter(|name| !name.is_empty()),
            not_before: made_at - 30,
            not_after: made_at - 30 + 3600,
            extensions: leaf_extensions(
                &leaf,
                &issuer,
                &sample.spiffe_id(),
                sample.dns_names,
                sample.is_client,
            ),
        },
    );
    assert!(leaf.verify_signature(Some(issuer.public_key())).is_ok(), "{what}: signature");
}

#[test]
fn every_profile_gives_the_bytes_of_its_table() {
    for mode in Mode::ALL {
        let (_, mut config) = at(NOON);
        config.name_constraints = mode.constraints();
        let mesh = Mesh::new(config);
        check_cas(mode.name(), &mesh, mode, NOON);
        for sample in &SAMPLES {
            let identity = mesh.issue(sample.service_type, sample.instance_id);
            let what = format!("{} {}", mode.name(), sample.service_type);
            check_leaf(&what, &mesh, sample, &identity.der(), NOON);
        }
    }
}

#[test]
fn the_certified_key_is_that_of_the_request() {
    let mesh = Mesh::new(config());
    let identity = mesh.issue(ServiceType::Node, "node-a");
    let key = rcgen::KeyPair::from_pem(&identity.key_pem).unwrap();
    let der = identity.der();
    assert_eq!(parse(&der).public_key().subject_public_key.data, key.public_key_raw());
}

/// Times around the year 2050, in certificates of every kind.
#[test]
fn times_are_utc_time_before_2050_and_generalized_time_from_then_on() {
    const START_OF_2050: i64 = 2_524_608_000;
    for made_at in [
        2_380_000_000,             // 2045: the root ends in 2055, all else before 2050
        START_OF_2050 - 400 * DAY, // the intermediates end in 2050
        START_OF_2050 - 1800,      // leaves end in 2050
        START_OF_2050 - 3570,      // … in its first second
        START_OF_2050 - 3571,      // … one second before
        START_OF_2050 + 29,        // made in 2050, backdated to before
        START_OF_2050 + 30,
        4_102_444_800, // 2100
    ] {
        let (_, config) = at(made_at);
        let mesh = Mesh::new(config);
        check_cas(&made_at.to_string(), &mesh, Mode::TrustDomain, made_at);
        let sample = &SAMPLES[0];
        let identity = mesh.issue(sample.service_type, sample.instance_id);
        check_leaf(&made_at.to_string(), &mesh, sample, &identity.der(), made_at);
    }
}

/// Signs with a lifetime asked for; the times in the certificate, in seconds.
fn sign_for(mesh: &Mesh, ttl_seconds: Option<i64>) -> (i64, i64) {
    let id = WorkloadId::new(mesh.manager.trust_domain(), ServiceType::Node, "node-a").unwrap();
    let csr = generate_key_and_csr(&id, &[]).unwrap();
    let mut request = SignRequest::new(&csr.csr_pem, ServiceType::Node, "node-a");
    request.ttl_seconds = ttl_seconds;
    let signed = mesh.manager.sign_csr(&request).unwrap();
    let der = certificate_from_pem(&signed.certificate_pem).unwrap();
    let validity = parse(&der).validity().clone();
    let (from, to) = (validity.not_before.timestamp(), validity.not_after.timestamp());
    assert_eq!(signed.expires_at, Timestamp::from_secs(to));
    let half = Timestamp::from_millis(from * 1000 + (to - from) * 500);
    let record = mesh.manager.store().find_by_serial(&signed.serial).unwrap().unwrap();
    assert_eq!(signed.renew_after, half.max(record.created_at), "never before it was signed");
    assert_eq!(signed.fingerprint, catalyst_pki::fingerprint(&der));
    let serial: String =
        parse(&der).raw_serial().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(signed.serial, serial);
    assert_eq!(signed.chain, [mesh.intermediate_pem(Segment::Services), mesh.root_pem()]);
    (from, to)
}

#[test]
fn a_leaf_lives_exactly_as_long_as_granted_and_begins_a_little_earlier() {
    let (_, config) = at(NOON);
    let mesh = Mesh::new(config);
    for (asked, granted, backdate) in [
        (None, 3_600, 30),
        (Some(1), 1, 0),
        (Some(9), 9, 0),
        (Some(10), 10, 1),
        (Some(60), 60, 6),
        (Some(299), 299, 29),
        (Some(300), 300, 30),
        (Some(301), 301, 30),
        (Some(86_399), 86_399, 30),
        (Some(86_400), 86_400, 30),
        (Some(86_401), 86_400, 30),
        (Some(i64::MAX), 86_400, 30),
    ] {
        let (from, to) = sign_for(&mesh, asked);
        assert_eq!((NOON - from, to - from), (backdate, granted), "{asked:?}");
    }
}

#[test]
fn the_configured_cap_and_default_count() {
    let (_, mut config) = at(NOON);
    config.svid_ttl = Duration::from_secs(7_200);
    config.max_svid_ttl = Duration::from_secs(5_400);
    let mesh = Mesh::new(config);
    for asked in [None, Some(7_200), Some(86_400)] {
        let (from, to) = sign_for(&mesh, asked);
        assert_eq!(to - from, 5_400, "{asked:?}");
    }
    for seconds in [0, 59, 86_401] {
        let mut config = self::config();
        config.max_svid_ttl = Duration::from_secs(seconds);
        let error = catalyst_pki::authority::CertificateManager::ephemeral(config).unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidArgument);
        assert_eq!(
            error.to_string(),
            "Invalid maxSvidTtlSeconds: it must be 60 to 86400 whole seconds"
        );
    }
}

#[test]
fn a_leaf_never_outlives_its_issuer() {
    let (clock, config) = at(NOON);
    let mesh = Mesh::new(config);
    let end = NOON - 30 + 730 * DAY;
    for before_end in [3_571, 3_570, 3_569, 600, 60] {
        clock.set(Timestamp::from_secs(end - before_end));
        let (from, to) = sign_for(&mesh, None);
        assert_eq!(from, end - before_end - 30);
        assert_eq!(to, end.min(from + 3_600), "{before_end} s before the end");
    }
    let id = "spiffe://mesh.example.com/node/node-a".parse().unwrap();
    let csr = generate_key_and_csr(&id, &[]).unwrap();
    let request = SignRequest::new(&csr.csr_pem, ServiceType::Node, "node-a");
    // In the last minute nothing is signed any more.
    for before_end in [59, 1, 0, -1] {
        clock.set(Timestamp::from_secs(end - before_end));
        let error = mesh.manager.sign_csr(&request).unwrap_err();
        assert_eq!(error.code(), ErrorCode::SigningCaExpired);
        assert_eq!(error.to_string(), "Signing CA certificate expired");
    }
}

#[test]
fn an_intermediate_never_outlives_its_root() {
    let (_, mut config) = at(NOON);
    config.cas.root_lifetime = Duration::from_secs(100 * 86_400);
    let mesh = Mesh::new(config);
    let ders = Ders::of(&mesh);
    let end = parse(&ders.root).validity().not_after.timestamp();
    assert_eq!(end, NOON - 30 + 100 * DAY);
    for segment in Segment::ALL {
        let intermediate = parse(ders.intermediate(segment));
        assert_eq!(intermediate.validity().not_after.timestamp(), end);
    }
}

#[test]
fn a_name_too_long_for_a_common_name_leaves_the_subject_empty_and_the_san_critical() {
    let (_, config) = at(NOON);
    let mesh = Mesh::new(config);
    let long = format!("{}.somebiz.local.io", "n".repeat(47)); // 64 bytes
    let longer = format!("{}.somebiz.local.io", "n".repeat(48)); // 65 bytes
    let label = "n".repeat(64); // no DNS label
    let path = "region/az-1/inst";
    let underscore = "under_score";
    for (id, common_name, dns_names) in [
        (&*long, &*long, &[&*long][..]),
        (&longer, "", &[&longer]),
        (&label, &label, &[]),
        (path, path, &[]),
        (underscore, underscore, &[]),
    ] {
        let identity = mesh.issue(ServiceType::Node, id);
        let sample = Sample {
            service_type: ServiceType::Node,
            instance_id: Box::leak(id.into()),
            common_name: Box::leak(common_name.into()),
            dns_names: Box::leak(
                dns_names.iter().map(|n| &*Box::leak(Box::<str>::from(*n))).collect(),
            ),
            is_client: true,
        };
        check_leaf(id, &mesh, &sample, &identity.der(), NOON);
    }
}

#[test]
fn nothing_but_key_and_granted_names_is_taken_from_a_request() {
    let (_, config) = at(NOON);
    let mesh = Mesh::new(config);
    for sample in &SAMPLES {
        let key = Key::new();
        let csr = Unsigned {
            spki: spki(key.point()),
            attributes: vec![extension_request(&[
                san(&[uri(sample.spiffe_id())]),
                extension(oids::BASIC_CONSTRAINTS, false, &[0x30, 0x00]),
                // digitalSignature, keyEncipherment, keyAgreement
                extension(oids::KEY_USAGE, false, &[0x03, 0x02, 0x03, 0xa8]),
                extension(oids::EXTENDED_KEY_USAGE, true, &tlv(0x30, &[&oid("1.3.6.1.5.5.7.3.2")])),
                extension(SUBJECT_KEY_ID, false, &tlv(0x04, &[b"not the key's"])),
            ])],
        };
        let pem = to_pem(&csr.sign(&key));
        let request = SignRequest::new(&pem, sample.service_type, sample.instance_id);
        let signed = mesh.manager.sign_csr(&request).unwrap();
        let der = certificate_from_pem(&signed.certificate_pem).unwrap();
        check_leaf(sample.service_type.as_str(), &mesh, sample, &der, NOON);
        assert_eq!(parse(&der).public_key().subject_public_key.data, key.point());
    }
}

#[test]
fn no_serial_number_comes_twice() {
    let mesh = Mesh::new(config());
    let csr =
        generate_key_and_csr(&"spiffe://mesh.example.com/node/a".parse().unwrap(), &[]).unwrap();
    let request = SignRequest::new(&csr.csr_pem, ServiceType::Node, "a");
    let serials: HashSet<String> =
        (0..500).map(|_| mesh.manager.sign_csr(&request).unwrap().serial).collect();
    assert_eq!(serials.len(), 500);
    // 158 random bits: over 500 numbers, every byte but the first takes most of its values.
    for at in 1..20 {
        let values: HashSet<&str> =
            serials.iter().map(|serial| &serial[2 * at..2 * at + 2]).collect();
        assert!(values.len() > 150, "byte {at} takes {} values", values.len());
    }
}
