//! Certificate signing requests that anybody may send: which are signed, and that hostile ones are
//! refused with a code and a sentence and leave no trace.
#![cfg(feature = "authority")]
#![allow(clippy::unwrap_used, reason = "tests")]

use catalyst_pki::{
    ErrorCode::{
        self, CsrNotAllowed, CsrSignatureInvalid, CsrWithoutSpiffeId, DnsNameNotAllowed,
        InvalidCsr, KeyAlgorithmNotAllowed, SpiffeIdMismatch,
    },
    ServiceType,
    authority::{
        CertificateManager, ManagerConfig, SignRequest, SignedCertificate, store::CertificateQuery,
    },
};
use testkit::requests::{
    self, Key, Unsigned, dns, extension, extension_request, extension_request_by, from_pem, info,
    oid, oids, pem_with_label, request, san, spki, tlv, to_pem, uri,
};

const ID: &str = "spiffe://mesh.example.com/node/node-a";

fn manager() -> CertificateManager {
    let config = ManagerConfig::new("mesh.example.com".parse().unwrap());
    let manager = CertificateManager::ephemeral(config).unwrap();
    manager.initialize().unwrap();
    manager
}

fn stored_leaves(manager: &CertificateManager) -> usize {
    manager.store().list_certificates(&CertificateQuery::default()).unwrap().records.len()
}

fn sign(manager: &CertificateManager, csr_pem: &str) -> catalyst_pki::Result<SignedCertificate> {
    manager.sign_csr(&SignRequest::new(csr_pem, ServiceType::Node, "node-a"))
}

/// Holds each request against the code and the words of its refusal, and that none left a trace.
fn refuse(cases: &[(&str, String, ErrorCode, &str)]) {
    let manager = manager();
    for (what, csr_pem, code, message) in cases {
        match sign(&manager, csr_pem) {
            Ok(_) => panic!("{what}: accepted"),
            Err(error) => {
                assert_eq!((error.code(), error.to_string().as_str()), (*code, *message), "{what}");
            }
        }
    }
    assert_eq!(stored_leaves(&manager), 0, "something was stored");
    // The same CA does sign what is in order.
    sign(&manager, &to_pem(&good())).unwrap();
    assert_eq!(stored_leaves(&manager), 1);
}

fn accept(cases: &[(&str, String)]) {
    let manager = manager();
    for (at, (what, csr_pem)) in cases.iter().enumerate() {
        if let Err(error) = sign(&manager, csr_pem) {
            panic!("{what}: {error}");
        }
        assert_eq!(stored_leaves(&manager), at + 1, "{what}");
    }
}

fn good() -> Vec<u8> {
    request(&[san(&[uri(ID)])])
}

fn with(extensions: &[Vec<u8>]) -> String {
    let mut all = vec![san(&[uri(ID)])];
    all.extend_from_slice(extensions);
    to_pem(&request(&all))
}

fn with_names(names: &[Vec<u8>]) -> String {
    to_pem(&request(&[san(names)]))
}

/// What a P-384 key with these attributes signs.
fn with_attributes(attributes: Vec<Vec<u8>>) -> String {
    let key = Key::new();
    to_pem(&Unsigned { spki: spki(key.point()), attributes }.sign(&key))
}

/// What a request for this SPKI gives; the signature is of another key, since nobody has that one.
fn with_spki(spki: Vec<u8>) -> String {
    let attributes = vec![extension_request(&[san(&[uri(ID)])])];
    to_pem(&Unsigned { spki, attributes }.sign(&Key::new()))
}

#[test]
fn what_no_leaf_is_granted_is_refused() {
    let ca = tlv(0x30, &[&[0x01, 0x01, 0xff]]);
    let cert_sign = [0x03, 0x02, 0x02, 0x04];
    let crl_sign = [0x03, 0x02, 0x01, 0x02];
    let eku = |id| extension(oids::EXTENDED_KEY_USAGE, false, &tlv(0x30, &[&oid(id)]));
    let any = |what: &str| {
        format!("CSR not allowed: it asks for {what}, which no certificate is granted")
    };
    let cases = [
        ("CA:TRUE", extension(oids::BASIC_CONSTRAINTS, true, &ca), "the rights of a CA (CA:TRUE)"),
        (
            "CA:TRUE, not critical",
            extension(oids::BASIC_CONSTRAINTS, false, &ca),
            "the rights of a CA (CA:TRUE)",
        ),
        ("keyCertSign", extension(oids::KEY_USAGE, true, &cert_sign), "a key usage of CAs"),
        ("cRLSign", extension(oids::KEY_USAGE, true, &crl_sign), "a key usage of CAs"),
        ("code signing", eku("1.3.6.1.5.5.7.3.3"), "extended key usage 1.3.6.1.5.5.7.3.3"),
        ("any usage", eku("2.5.29.37.0"), "extended key usage 2.5.29.37.0"),
        (
            "name constraints",
            extension(oids::NAME_CONSTRAINTS, true, &[0x30, 0x00]),
            "extension 2.5.29.30",
        ),
        ("unknown", extension("1.2.3.4.5", false, b"\x05\x00"), "extension 1.2.3.4.5"),
        ("unknown and critical", extension("1.2.3.4.5", true, b""), "extension 1.2.3.4.5"),
        (
            "the service types of our CAs",
            extension("2.25.143820187.1", false, &tlv(0x30, &[&tlv(0x0c, &[b"auth"])])),
            "extension 2.25.143820187.1",
        ),
        ("authority key id", extension("2.5.29.35", false, &[0x30, 0x00]), "extension 2.5.29.35"),
    ];
    let messages = cases.clone().map(|(_, _, asked)| any(asked));
    let cases: Vec<_> = cases
        .iter()
        .zip(&messages)
        .map(|((what, extension, _), message)| {
            (*what, with(std::slice::from_ref(extension)), CsrNotAllowed, message.as_str())
        })
        .collect();
    refuse(&cases);
}

#[test]
fn other_names_than_one_uri_and_dns_names_are_refused() {
    let any = |what: &str| {
        format!("CSR not allowed: it asks for {what}, which no certificate is granted")
    };
    let (two, ip, mail) =
        (any("more than one URI SAN"), any("an IP address SAN"), any("an e-mail SAN"));
    let other = any("a SAN that is neither URI nor DNS name");
    let mismatch = "SPIFFE URI does not match request";
    let nul = format!("{ID}\0");
    let broken = "CSR is not valid PKCS#10: the requested SAN is broken";
    let directory = tlv(0xa4, &[&tlv(0x30, &[])]);
    let mut cases = vec![
        (
            "two URIs",
            with_names(&[uri(ID), uri("spiffe://mesh.example.com/node/node-b")]),
            CsrNotAllowed,
            &*two,
        ),
        ("the same URI twice", with_names(&[uri(ID), uri(ID)]), CsrNotAllowed, &*two),
        (
            "a second URI after DNS names",
            with_names(&[uri(ID), dns("node-a"), uri("https://a.example")]),
            CsrNotAllowed,
            &*two,
        ),
        (
            "a second URI in bad encoding",
            with_names(&[uri(ID), uri(b"spiffe://\xff/node/a")]),
            InvalidCsr,
            broken,
        ),
        ("IPv4", with_names(&[uri(ID), tlv(0x87, &[&[10, 0, 0, 1]])]), CsrNotAllowed, &*ip),
        ("IPv6", with_names(&[uri(ID), tlv(0x87, &[&[0; 16]])]), CsrNotAllowed, &*ip),
        ("e-mail", with_names(&[uri(ID), tlv(0x81, &[b"a@b.example"])]), CsrNotAllowed, &*mail),
        ("directory name", with_names(&[uri(ID), directory]), CsrNotAllowed, &*other),
        (
            "registered id",
            with_names(&[uri(ID), tlv(0x88, &[&[0x2a, 0x03]])]),
            CsrNotAllowed,
            &*other,
        ),
        ("NUL at the end of the URI", with_names(&[uri(nul)]), SpiffeIdMismatch, mismatch),
        (
            "bytes over 127 in the URI",
            with_names(&[uri("spiffe://mesh.example.com/node/nöde-a")]),
            InvalidCsr,
            broken,
        ),
        ("bytes over 127 in a DNS name", with_names(&[uri(ID), dns("nöde-a")]), InvalidCsr, broken),
        ("no URI", with_names(&[dns("node-a")]), CsrWithoutSpiffeId, "CSR has no SPIFFE URI SAN"),
        ("an empty SAN", with_names(&[]), CsrWithoutSpiffeId, "CSR has no SPIFFE URI SAN"),
        ("no SAN", to_pem(&request(&[])), CsrWithoutSpiffeId, "CSR has no SPIFFE URI SAN"),
        ("no attribute", with_attributes(vec![]), CsrWithoutSpiffeId, "CSR has no SPIFFE URI SAN"),
    ];
    for wrong in [
        "",
        "spiffe://mesh.example.com/node/node-b",
        "spiffe://mesh.example.com/node/node-a/",
        "spiffe://mesh.example.com/node/node-a/x",
        "spiffe://mesh.example.com/node/node-A",
        "spiffe://mesh.example.com/node/node%2da",
        "spiffe://mesh.example.com/auth/node-a",
        "spiffe://mesh.example.com./node/node-a",
        "spiffe://rogue.example.org/node/node-a",
        "SPIFFE://mesh.example.com/node/node-a",
        "https://mesh.example.com/node/node-a",
        "mesh.example.com/node/node-a",
    ] {
        cases.push((wrong, with_names(&[uri(wrong)]), SpiffeIdMismatch, mismatch));
    }
    refuse(&cases);
}

#[test]
fn dns_names_that_nothing_grants_are_refused_by_name() {
    let names = [
        "node-b",
        "auth",
        "*.mesh.example.com",
        "mesh.example.com",
        "localhost",
        "10.0.0.1",
        "",
        ".",
        "node-a.",
        ".node-a",
        "node-a\0.evil.example",
        "node-a evil",
        "node_a",
    ];
    let messages = names.map(|name| {
        format!(
            "DNS name not allowed: {name:?} is granted neither by the profile nor by the policy"
        )
    });
    let cases: Vec<_> = names
        .iter()
        .zip(&messages)
        .map(|(name, message)| {
            (
                *name,
                with_names(&[uri(ID), dns("node-a"), dns(name)]),
                DnsNameNotAllowed,
                message.as_str(),
            )
        })
        .collect();
    refuse(&cases);
}

#[test]
fn lists_of_extensions_that_two_parsers_might_read_differently_are_refused() {
    let twice = |id: &str| format!("CSR is not valid PKCS#10: extension {id} stands in it twice");
    let (san_twice, usage_twice) = (twice("2.5.29.17"), twice("2.5.29.15"));
    let lists = "CSR is not valid PKCS#10: more than one list of requested extensions";
    let broken = "CSR is not valid PKCS#10: the list of requested extensions is broken";
    let usage = extension(oids::KEY_USAGE, true, &[0x03, 0x02, 0x07, 0x80]);
    let (own, other) = (
        extension_request(&[san(&[uri(ID)])]),
        extension_request(&[san(&[uri("spiffe://mesh.example.com/auth/instance-a")])]),
    );
    let values = |values: &[&[u8]]| tlv(0x30, &[&oid("1.2.840.113549.1.9.14"), &tlv(0x31, values)]);
    let list = tlv(0x30, &[&san(&[uri(ID)])]);
    let none = "CSR is not valid PKCS#10: its attribute of requested extensions has no value";
    let attributes = "CSR is not valid PKCS#10: its attributes can't be read (RFC 2986 4.1)";
    let part = |name: &str| format!("CSR is not valid PKCS#10: the requested {name} is broken");
    let broken_parts = ["SAN", "basic constraints", "key usage", "extended key usage"].map(part);
    let rubbish =
        |id| with_attributes(vec![extension_request(&[extension(id, false, b"\x04\x01")])]);
    refuse(&[
        ("two SANs", with(&[san(&[dns("node-a")])]), InvalidCsr, &san_twice),
        ("two key usages", with(&[usage.clone(), usage]), InvalidCsr, &usage_twice),
        ("two attributes", with_attributes(vec![own.clone(), other.clone()]), InvalidCsr, lists),
        ("… out of order", with_attributes(vec![other.clone(), own.clone()]), InvalidCsr, lists),
        (
            "one of PKCS#9 and one of Microsoft",
            with_attributes(vec![own.clone(), microsoft(&[san(&[uri(ID)])])]),
            InvalidCsr,
            lists,
        ),
        ("the same attribute twice", with_attributes(vec![own.clone(), own]), InvalidCsr, lists),
        (
            "two lists in one attribute",
            with_attributes(vec![values(&[&tlv(0x30, &[]), &list])]),
            InvalidCsr,
            lists,
        ),
        (
            "the same list twice in one attribute",
            with_attributes(vec![values(&[&list, &list])]),
            InvalidCsr,
            lists,
        ),
        ("no list in the attribute", with_attributes(vec![values(&[])]), InvalidCsr, none),
        ("a number for an attribute", with_attributes(vec![vec![2, 1, 0]]), InvalidCsr, attributes),
        (
            "an attribute of three parts",
            with_attributes(vec![tlv(0x30, &[&oid("1.2.3"), &tlv(0x31, &[]), &[5, 0]])]),
            InvalidCsr,
            attributes,
        ),
        (
            "a sequence for a set",
            with_attributes(vec![tlv(0x30, &[&oid("1.2.3"), &tlv(0x30, &[])])]),
            InvalidCsr,
            attributes,
        ),
        (
            "a text for a list",
            with_attributes(vec![values(&[&tlv(0x0c, &[b"text"])])]),
            InvalidCsr,
            broken,
        ),
        (
            "a list with trailing bytes",
            with_attributes(vec![values(&[&tlv(0x30, &[&san(&[uri(ID)]), &[0x05, 0x00]])])]),
            InvalidCsr,
            broken,
        ),
        ("rubbish for a SAN", rubbish(oids::SAN), InvalidCsr, &broken_parts[0]),
        ("rubbish for constraints", rubbish(oids::BASIC_CONSTRAINTS), InvalidCsr, &broken_parts[1]),
        ("rubbish for a usage", rubbish(oids::KEY_USAGE), InvalidCsr, &broken_parts[2]),
        ("rubbish for usages", rubbish(oids::EXTENDED_KEY_USAGE), InvalidCsr, &broken_parts[3]),
    ]);
}

/// The attribute by which Microsoft's tools used to ask for extensions.
fn microsoft(extensions: &[Vec<u8>]) -> Vec<u8> {
    extension_request_by("1.3.6.1.4.1.311.2.1.14", extensions)
}

#[test]
fn keys_that_are_not_on_p_384_are_refused_by_their_name() {
    let ml_dsa = {
        let algorithm = tlv(0x30, &[&oid("2.16.840.1.101.3.4.3.18")]);
        tlv(0x30, &[&algorithm, &tlv(0x03, &[&[0], &[7; 1952]])])
    };
    // A point on P-384, said to be on P-256.
    let mislabelled = {
        let algorithm = tlv(0x30, &[&oid("1.2.840.10045.2.1"), &oid("1.2.840.10045.3.1.7")]);
        tlv(0x30, &[&algorithm, &tlv(0x03, &[&[0], Key::new().point()])])
    };
    let by = |name: &str| format!("Key algorithm must be P-384, got {name}");
    refuse(&[
        ("ML-DSA", with_spki(ml_dsa), KeyAlgorithmNotAllowed, &by("ML-DSA-65")),
        ("mislabelled", with_spki(mislabelled), KeyAlgorithmNotAllowed, &by("P-256")),
    ]);
}

#[test]
fn points_that_are_no_key_are_refused() {
    let key = Key::new();
    let point = key.point();
    let compressed = [&[0x02 | point[96] & 1], &point[1..49]].concat();
    let hybrid = [&[0x06 | point[96] & 1], &point[1..]].concat();
    let mut off_curve = point.to_vec();
    off_curve[96] ^= 1;
    let mut zero = vec![0; 97];
    zero[0] = 4;
    let mut too_great = vec![0xff; 97];
    too_great[0] = 4;
    let no_point = "CSR is not valid PKCS#10: the public key is no uncompressed P-384 point";
    let unused_bits = {
        let algorithm = tlv(0x30, &[&oid("1.2.840.10045.2.1"), &oid("1.3.132.0.34")]);
        let mut even = point.to_vec();
        even[96] &= 0xf0;
        tlv(0x30, &[&algorithm, &tlv(0x03, &[&[4], &even])])
    };
    refuse(&[
        ("compressed", with_spki(spki(&compressed)), InvalidCsr, no_point),
        ("hybrid", with_spki(spki(&hybrid)), InvalidCsr, no_point),
        ("infinity", with_spki(spki(&[0])), InvalidCsr, no_point),
        ("empty", with_spki(spki(&[])), InvalidCsr, no_point),
        ("a byte short", with_spki(spki(&point[..96])), InvalidCsr, no_point),
        ("a byte more", with_spki(spki(&[point, &[0]].concat())), InvalidCsr, no_point),
        ("not whole bytes", with_spki(unused_bits), InvalidCsr, no_point),
        ("off the curve", with_spki(spki(&off_curve)), InvalidCsr, no_point),
        ("zero", with_spki(spki(&zero)), InvalidCsr, no_point),
        ("coordinates over the prime", with_spki(spki(&too_great)), InvalidCsr, no_point),
    ]);
}

#[test]
fn requests_without_proof_of_possession_are_refused() {
    let no_proof = "CSR signature verification failed";
    let (key, thief) = (Key::new(), Key::new());
    let attributes = vec![extension_request(&[san(&[uri(ID)])])];
    let unsigned = Unsigned { spki: spki(key.point()), attributes };
    let genuine = unsigned.sign(&key);

    let mut flipped = genuine.clone();
    *flipped.last_mut().unwrap() ^= 1;
    // The thief's key in the place of the one that signed.
    let at = genuine.windows(97).position(|window| window == key.point()).unwrap();
    let mut swapped = genuine.clone();
    swapped[at..at + 97].copy_from_slice(thief.point());
    // Another name in the place of the one that was signed.
    let at = genuine.windows(6).position(|window| window == b"node-a").unwrap();
    let mut renamed = genuine.clone();
    renamed[at + 5] = b'b';
    // Whoever says SHA-256 or that there are parameters, or gives no signature.
    let algorithm = oid("1.2.840.10045.4.3.3");
    let at = genuine.windows(10).rposition(|window| window == algorithm).unwrap();
    let mut other_digest = genuine.clone();
    other_digest[at + 9] = 2;
    let info = &unsigned.info();
    let with_signature = |algorithm: &[u8], signature: &[u8]| {
        to_pem(&tlv(0x30, &[info, algorithm, &tlv(0x03, &[&[0], signature])]))
    };
    let plain = tlv(0x30, &[&algorithm]);
    let null = tlv(0x30, &[&algorithm, &[0x05, 0x00]]);
    let one_one = tlv(0x30, &[&[0x02, 0x01, 0x01], &[0x02, 0x01, 0x01]]);
    let zeros = tlv(0x30, &[&[0x02, 0x01, 0x00], &[0x02, 0x01, 0x00]]);

    refuse(&[
        ("a flipped bit", to_pem(&flipped), CsrSignatureInvalid, no_proof),
        ("swapped key", to_pem(&swapped), CsrSignatureInvalid, no_proof),
        ("another name", to_pem(&renamed), CsrSignatureInvalid, no_proof),
        ("signed by another key", to_pem(&unsigned.sign(&thief)), CsrSignatureInvalid, no_proof),
        ("another digest", to_pem(&other_digest), CsrSignatureInvalid, no_proof),
        ("no signature", with_signature(&plain, &[]), CsrSignatureInvalid, no_proof),
        ("signature of zeros", with_signature(&plain, &zeros), CsrSignatureInvalid, no_proof),
        ("signature of ones", with_signature(&plain, &one_one), CsrSignatureInvalid, no_proof),
    ]);

    // What can't be proof is said to be that, and not called a bad signature.
    let parameters = "CSR is not valid PKCS#10: its signature algorithm has parameters, and ECDSA \
                      takes none (RFC 5758 3.2)";
    let unreadable = "CSR is not valid PKCS#10: its signature algorithm can't be read";
    refuse(&[
        ("NULL parameters", with_signature(&null, &zeros), InvalidCsr, parameters),
        ("none", with_signature(&tlv(0x30, &[]), &zeros), InvalidCsr, unreadable),
    ]);
    for (id, name) in [
        ("1.2.840.10045.4.1", "ECDSA with SHA-1"),
        ("1.2.840.10045.4.3.1", "ECDSA with SHA-224"),
        ("2.16.840.1.101.3.4.3.9", "ECDSA with SHA3-224"),
        ("2.16.840.1.101.3.4.3.10", "ECDSA with SHA3-256"),
        ("2.16.840.1.101.3.4.3.11", "ECDSA with SHA3-384"),
        ("2.16.840.1.101.3.4.3.12", "ECDSA with SHA3-512"),
        ("1.2.840.113549.1.1.11", "RSA with SHA-256"),
        ("1.2.840.113549.1.1.12", "RSA with SHA-384"),
        ("1.2.840.113549.1.1.13", "RSA with SHA-512"),
        ("1.3.101.112", "Ed25519"),
        ("1.2.3.4", "1.2.3.4"),
    ] {
        let by = format!(
            "CSR is not valid PKCS#10: its signature algorithm is {name}; taken are ECDSA with \
             SHA-256, SHA-384 and SHA-512"
        );
        let csr_pem = with_signature(&tlv(0x30, &[&oid(id)]), &zeros);
        refuse(&[(name, csr_pem, InvalidCsr, &by)]);
    }
}

#[test]
fn what_is_not_one_pem_block_is_refused() {
    let good_pem = to_pem(&good());
    let begin = "CSR is not valid PKCS#10: there is no -----BEGIN CERTIFICATE REQUEST----- in it";
    let label = "CSR is not valid PKCS#10: the PEM block in it is no CERTIFICATE REQUEST";
    let end = "CSR is not valid PKCS#10: the PEM block is cut off: it has no \
               -----END CERTIFICATE REQUEST-----";
    let two = "CSR is not valid PKCS#10: more than one PEM block";
    let broken = "CSR is not valid PKCS#10: the PEM block is broken";
    let headers = "CSR is not valid PKCS#10: the PEM block has headers";
    let long = |length: usize| {
        format!("CSR is not valid PKCS#10: {length} bytes long, at most 16384 are read")
    };
    let megabyte = to_pem(&vec![0x30; 1 << 20]);
    let spaces = format!("{good_pem:0$}", 16_385);
    let (long_megabyte, long_spaces) = (long(megabyte.len()), long(spaces.len()));
    let relabelled = |label| pem_with_label(label, &from_pem(&good_pem));
    let body = good_pem.lines().nth(1).unwrap();
    refuse(&[
        ("empty", String::new(), InvalidCsr, begin),
        ("white space", " \r\n\t".into(), InvalidCsr, begin),
        ("text", "a request, please".into(), InvalidCsr, begin),
        ("base64 without lines", body.into(), InvalidCsr, begin),
        ("a certificate's label", relabelled("CERTIFICATE"), InvalidCsr, label),
        ("a key's label", relabelled("PRIVATE KEY"), InvalidCsr, label),
        ("a label in lower case", relabelled("certificate request"), InvalidCsr, label),
        ("another label at its end", good_pem.replace("END CERT", "END NEW CERT"), InvalidCsr, end),
        ("no end", good_pem.replace("-----END", ""), InvalidCsr, end),
        ("two blocks", format!("{good_pem}{good_pem}"), InvalidCsr, two),
        (
            "a second block inside",
            good_pem.replacen(body, &format!("{body}\n{good_pem}"), 1),
            InvalidCsr,
            two,
        ),
        ("its last line cut", good_pem[..good_pem.len() - 2].into(), InvalidCsr, end),
        ("a key behind it", format!("{good_pem}{}", relabelled("PRIVATE KEY")), InvalidCsr, two),
        (
            "text before a second end",
            format!("{good_pem}text\n-----END CERTIFICATE REQUEST-----\n"),
            InvalidCsr,
            two,
        ),
        (
            "another end before its end",
            good_pem.replacen("-----END ", "-----END X-----\n-----END ", 1),
            InvalidCsr,
            two,
        ),
        (
            "a character that is no base64",
            good_pem.replacen(body, &format!("!{}", &body[1..]), 1),
            InvalidCsr,
            broken,
        ),
        (
            "padding inside",
            good_pem.replacen(body, &format!("===={}", &body[4..]), 1),
            InvalidCsr,
            broken,
        ),
        (
            "a header",
            good_pem.replacen('\n', "\nProc-Type: 4,ENCRYPTED\n\n", 1),
            InvalidCsr,
            headers,
        ),
        ("a megabyte", megabyte, InvalidCsr, &long_megabyte),
        ("white space over the limit", spaces, InvalidCsr, &long_spaces),
    ]);
}

#[test]
fn what_is_not_strict_der_is_refused() {
    let good = good();
    let manager = manager();
    let refused = |what: &str, der: &[u8]| {
        let error = match sign(&manager, &to_pem(der)) {
            Ok(_) => panic!("{what}: accepted"),
            Err(error) => error,
        };
        assert_eq!(error.code(), InvalidCsr, "{what}: {error}");
        let message = error.to_string();
        assert!(message.starts_with("CSR is not valid PKCS#10: "), "{message}");
        // In words, not in those of a parser.
        assert!(!message.contains("ASN.1") && !message.contains("SEQUENCE"), "{message}");
    };
    refused("nothing", &[]);
    let key = Key::new();
    let (empty, spki) = (tlv(0x30, &[]), spki(key.point()));
    refused("a fifth part", &requests::sign(&info(&empty, &spki, &[0xa0, 0, 5, 0]), &key));
    refused("no attributes", &requests::sign(&info(&empty, &spki, &[0xa1, 0]), &key));
    refused("a number for a subject", &requests::sign(&info(&[2, 1, 0], &spki, &[0xa0, 0]), &key));

    refused("a trailing byte", &[&*good, &[0]].concat());
    refused("a second request behind it", &[&*good, &*good].concat());
    for end in 1..good.len() {
        refused(&format!("the first {end} bytes"), &good[..end]);
    }
    for start in 1..good.len() {
        refused(&format!("all but the first {start} bytes"), &good[start..]);
    }
    // BER: an indefinite length, a length with a leading zero.
    let content = &good[4..];
    refused("an indefinite length", &[&[0x30, 0x80], content, &[0, 0]].concat());
    let length = (content.len() as u16).to_be_bytes();
    refused("a long length", &[&[0x30, 0x83, 0], &length[..], content].concat());
    // Version 2, which PKCS#10 doesn't have.
    let at = good.windows(3).position(|window| window == [0x02, 0x01, 0x00]).unwrap();
    let mut version = good.clone();
    version[at + 2] = 1;
    refused("version 2", &version);
    let root = manager.ca_bundle().unwrap().services_bundle.pop().unwrap();
    refused("a certificate", &catalyst_pki::certificate_from_pem(&root).unwrap());
    refused(
        "nested to the depth of 4,000",
        &(0..2_000).fold(vec![], |inner, _| tlv(0x30, &[&inner])),
    );
    assert_eq!(stored_leaves(&manager), 0);
}

#[test]
fn a_pem_text_cut_anywhere_is_refused() {
    let manager = manager();
    let pem = to_pem(&good());
    // Without its last line's end it is whole.
    for end in 0..pem.len() - 1 {
        let error = sign(&manager, &pem[..end]).unwrap_err();
        assert_eq!(error.code(), InvalidCsr, "{end} bytes: {error}");
    }
    for start in 1..pem.len() {
        let error = sign(&manager, &pem[start..]).unwrap_err();
        assert_eq!(error.code(), InvalidCsr, "from byte {start}: {error}");
    }
    assert_eq!(stored_leaves(&manager), 0);
    sign(&manager, &pem[..pem.len() - 1]).unwrap();
}

#[test]
fn what_tools_make_of_a_good_request_is_accepted() {
    let pem = to_pem(&good());
    let usages = [&oid("1.3.6.1.5.5.7.3.1")[..], &oid("1.3.6.1.5.5.7.3.2")].concat();
    accept(&[
        ("as it is", pem.clone()),
        ("CRLF", pem.replace('\n', "\r\n")),
        ("white space around it", format!(" \r\n\t{pem}\n\n  ")),
        ("no line's end at its end", pem.trim_end().into()),
        ("a byte order mark", format!("\u{feff}{pem}")),
        ("as long as it may be", format!("{pem:0$}", 16 * 1024)),
        ("text around it", format!("Certificate Request:\n    Data:\n{pem}\nby certreq\0")),
        ("the label of older tools", pem_with_label("NEW CERTIFICATE REQUEST", &from_pem(&pem))),
        ("the profile's own DNS name", with_names(&[uri(ID), dns("node-a")])),
        ("… in upper case", with_names(&[dns("NODE-A"), uri(ID)])),
        ("CA:FALSE", with(&[extension(oids::BASIC_CONSTRAINTS, true, &[0x30, 0x00])])),
        (
            "usages of TLS",
            with(&[extension(oids::EXTENDED_KEY_USAGE, false, &tlv(0x30, &[&usages]))]),
        ),
        (
            "a long challenge password before the extensions",
            with_attributes(vec![
                tlv(
                    0x30,
                    &[&oid("1.2.840.113549.1.9.7"), &tlv(0x31, &[&tlv(0x13, &[&[b'x'; 160]])])],
                ),
                extension_request(&[san(&[uri(ID)])]),
            ]),
        ),
        (
            "the challenge password after the extensions",
            with_attributes(vec![
                extension_request(&[san(&[uri(ID)])]),
                tlv(0x30, &[&oid("1.2.840.113549.1.9.7"), &tlv(0x31, &[&tlv(0x13, &[b"x"])])]),
            ]),
        ),
        ("a subject of several parts in any order", {
            let part = |id, text: &[u8]| tlv(0x30, &[&oid(id), &tlv(0x0c, &[text])]);
            let parts = [part("2.5.4.10", b"Z"), part("2.5.4.3", b"n1"), part("2.5.4.6", b"DE")];
            let subject = tlv(0x30, &[&tlv(0x31, &parts.each_ref().map(Vec::as_slice))]);
            let attributes = tlv(0xa0, &[&extension_request(&[san(&[uri(ID)])])]);
            let key = Key::new();
            to_pem(&requests::sign(&info(&subject, &spki(key.point()), &attributes), &key))
        }),
        ("what Microsoft's tools ask for", with_attributes(vec![microsoft(&[san(&[uri(ID)])])])),
        (
            "a challenge password",
            with_attributes(vec![
                tlv(0x30, &[&oid("1.2.840.113549.1.9.7"), &tlv(0x31, &[&tlv(0x13, &[b"secret"])])]),
                extension_request(&[san(&[uri(ID)])]),
            ]),
        ),
    ]);
}

#[test]
fn a_caller_that_knows_who_asks_may_do_without_the_uri() {
    let manager = manager();
    let lenient = |csr_pem: &str| {
        let mut request = SignRequest::new(csr_pem, ServiceType::Node, "node-a");
        request.require_csr_spiffe_id = false;
        manager.sign_csr(&request)
    };
    let key = Key::new();
    let no_attributes = requests::sign(&info(&tlv(0x30, &[]), &spki(key.point()), &[]), &key);
    let withouts = [
        request(&[]),
        request(&[san(&[dns("node-a")])]),
        from_pem(&with_attributes(vec![])),
        no_attributes,
    ];
    for without in withouts {
        let signed = lenient(&to_pem(&without)).unwrap();
        let der = catalyst_pki::certificate_from_pem(&signed.certificate_pem).unwrap();
        assert!(der.windows(ID.len()).any(|window| window == ID.as_bytes()), "the SVID has its ID");
    }
    // One that is there must be right all the same.
    let wrong = with_names(&[uri("spiffe://mesh.example.com/node/node-b")]);
    assert_eq!(lenient(&wrong).unwrap_err().code(), SpiffeIdMismatch);
    let wrong = with_attributes(vec![microsoft(&[san(&[uri("spiffe://other.example/a")])])]);
    assert_eq!(lenient(&wrong).unwrap_err().code(), SpiffeIdMismatch);
    assert_eq!(stored_leaves(&manager), 4);
}
