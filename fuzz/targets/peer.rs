//! Chains that a peer sends, through `verify_svid` and `verify_path`.
//!
//! An input's first byte says what it is: even, certificates one after the other, each led by its
//! length in two bytes; odd, the to-be-signed part of a leaf, which is signed here with the key of a
//! CA that is trusted, so that what comes after the signature check is reached too. That CA and the
//! inputs to begin with are made by `seeds` of the tests; `run.sh` says where they are.
#![no_main]

use std::{env, fs, sync::LazyLock};

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair},
};
use catalyst_pki::{
    Anchor, Crl, PathRequest, PeerRole, Segment, ServiceType, SvidPolicy, Timestamp, Usage,
    verify_path, verify_svid,
};
use libfuzzer_sys::fuzz_target;

struct Ca {
    key: EcdsaKeyPair,
    anchor: Anchor,
    policies: [SvidPolicy; 2],
}

const TRUST_DOMAIN: &str = "mesh.example.com";
/// When the seeds were issued.
const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

static CA: LazyLock<Ca> = LazyLock::new(|| {
    let folder = env::var("CATALYST_FUZZ_CA").expect("run.sh sets CATALYST_FUZZ_CA");
    let read = |name: &str| fs::read(format!("{folder}/{name}")).unwrap();
    let der = read("services.der");
    let policies = [PeerRole::Client, PeerRole::Server].map(|role| {
        SvidPolicy::builder(Segment::Services, role, TRUST_DOMAIN.parse().unwrap())
            .anchor_der(&der)
            .at(NOW)
            .build()
            .unwrap()
    });
    Ca {
        key: EcdsaKeyPair::from_pkcs8(&ECDSA_P384_SHA384_ASN1_SIGNING, &read("services.key")).unwrap(),
        anchor: Anchor::from_der(&der).unwrap(),
        policies,
    }
});

fn tlv(tag: u8, content: &[&[u8]]) -> Vec<u8> {
    let content = content.concat();
    let length = content.len();
    let mut value = match length {
        0..=0x7f => vec![tag, length as u8],
        0x80..=0xff => vec![tag, 0x81, length as u8],
        _ => vec![tag, 0x82, (length >> 8) as u8, length as u8],
    };
    value.extend(content);
    value
}

/// A certificate with the CA's signature.
fn sign(tbs: &[u8]) -> Vec<u8> {
    const ECDSA_WITH_SHA384: &[u8] =
        &[0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x03];
    let signature = CA.key.sign(&SystemRandom::new(), tbs).unwrap();
    tlv(0x30, &[tbs, ECDSA_WITH_SHA384, &tlv(0x03, &[&[0], signature.as_ref()])])
}

fn split(mut input: &[u8]) -> Vec<&[u8]> {
    let mut chain = Vec::new();
    while let [high, low, rest @ ..] = input {
        let length = usize::from(u16::from_be_bytes([*high, *low])).min(rest.len());
        let (certificate, rest) = rest.split_at(length);
        chain.push(certificate);
        input = rest;
    }
    chain
}

fn path(leaf: &[u8], intermediates: &[&[u8]], anchors: &[Anchor], crls: &[Crl]) -> usize {
    let usages = [Usage::Any, Usage::Server, Usage::Client];
    let accepted = usages.into_iter().filter(|usage| {
        let mut request = PathRequest::new(leaf, anchors, NOW);
        request.intermediates = intermediates;
        request.usage = usage.clone();
        request.crls = crls;
        verify_path(&request).is_ok()
    });
    accepted.count()
}

fuzz_target!(|input: &[u8]| {
    let Some((kind, input)) = input.split_first() else { return };
    let ours = std::slice::from_ref(&CA.anchor);
    if kind % 2 == 1 {
        let leaf = sign(input);
        path(&leaf, &[], ours, &[]);
        for policy in &CA.policies {
            if let Ok(svid) = verify_svid(&[&leaf], policy) {
                assert_eq!(svid.trust_domain.as_str(), TRUST_DOMAIN);
                let service_type: ServiceType = svid.service_type.expect("one of ours");
                assert_eq!(service_type.segment(), Segment::Services);
                assert!(svid.not_before <= NOW && NOW <= svid.not_after);
                let uri = svid.spiffe_id.as_str().as_bytes();
                assert!(input.windows(uri.len()).any(|window| window == uri));
                let scheme = b"spiffe://";
                let ids = input.windows(scheme.len()).filter(|window| window == scheme).count();
                assert!(ids >= 1);
            }
        }
        return;
    }
    let chain = split(input);
    for policy in &CA.policies {
        // The seeds hold chains that are right: whoever gets in has one of them.
        if let Ok(svid) = verify_svid(&chain, policy) {
            assert!(svid.spiffe_id.as_str().contains("/node-a") || svid.spiffe_id.as_str().ends_with("-a"));
        }
    }
    let Some((leaf, intermediates)) = chain.split_first() else { return };
    // The same bytes as anchors and as revocation lists.
    let theirs: Vec<Anchor> = chain.iter().filter_map(|der| Anchor::from_der(der).ok()).collect();
    let crls: Vec<Crl> = chain.iter().filter_map(|der| Crl::from_der(der).ok()).collect();
    path(leaf, intermediates, ours, &crls);
    path(leaf, intermediates, &theirs, &crls);
});
