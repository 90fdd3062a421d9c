//! `verify_path`: which paths are found, and what every certificate on one must keep.
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "tests")]

use catalyst_pki::{
    Algorithms, Anchor, Error, ErrorCode, PathRequest, PeerName, Profile, Segment, Usage,
    verify_path, verify_svid,
};
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyIdMethod, KeyUsagePurpose, PKCS_ECDSA_P384_SHA384,
    PKCS_ED25519, SanType,
};
use testkit::hierarchy::{
    Ca, NODE, NOW, Pki, dns, permitted_uris, policy, san, service_types, timestamp,
};
use time::Duration;

use ErrorCode::{
    AnchorRejected, CaUsedAsLeaf, InvalidArgument, IssuerExpired, IssuerNotYetValid,
    KeyUsageNotAllowed, MalformedCertificate, NameConstraintViolated, NameMismatch,
    PathLengthExceeded, PathRuleViolated, SignatureInvalid, UntrustedIssuer, UsageNotAllowed,
};

fn unlimited(params: &mut CertificateParams) {
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
}

fn extension(id: &[u64], content: &[u8]) -> CustomExtension {
    CustomExtension::from_oid_content(id, content.to_vec())
}

fn root() -> Ca {
    Ca::root_with("Root", &PKCS_ECDSA_P384_SHA384, unlimited)
}

fn verdict(leaf: &[u8], intermediates: &[&Ca], root: &Ca) -> Result<usize, ErrorCode> {
    let intermediates: Vec<&[u8]> = intermediates.iter().map(|ca| &ca.der[..]).collect();
    bent(leaf, &intermediates, root, |_| {})
}

/// The length of the path that was found.
fn bent(
    leaf: &[u8],
    intermediates: &[&[u8]],
    root: &Ca,
    bend: impl FnOnce(&mut PathRequest<'_>),
) -> Result<usize, ErrorCode> {
    let anchors = [Anchor::from_der(&root.der).unwrap()];
    let mut request = PathRequest::new(leaf, &anchors, timestamp(NOW));
    request.intermediates = intermediates;
    bend(&mut request);
    let verdict = verify_path(&request);
    if let Ok(path) = &verdict {
        assert_eq!(path.chain()[0], leaf);
        assert_eq!(path.issuer(), path.chain()[1]);
        assert_eq!(path.anchor(), root.der);
    }
    verdict.map(|path| path.chain().len()).map_err(|error| error.code())
}

#[test]
fn a_path_goes_up_to_six_cas_and_no_further() {
    let root = root();
    let mut cas = vec![root.subordinate("CA 0", unlimited)];
    for depth in 1..7 {
        let next = cas[depth - 1].subordinate(&format!("CA {depth}"), unlimited);
        cas.push(next);
    }
    let all: Vec<&Ca> = cas.iter().rev().collect();
    assert_eq!(verdict(&root.leaf(NODE), &all, &root), Ok(2));
    assert_eq!(verdict(&cas[5].leaf(NODE), &all, &root), Ok(8));
    assert_eq!(verdict(&cas[6].leaf(NODE), &all, &root), Err(UntrustedIssuer));
    // A caller may want fewer.
    let ders: Vec<&[u8]> = all.iter().map(|ca| &ca.der[..]).collect();
    for (max_depth, expected) in [(1, Err(PathLengthExceeded)), (2, Ok(4))] {
        let limit = |request: &mut PathRequest<'_>| request.max_depth = max_depth;
        assert_eq!(bent(&cas[1].leaf(NODE), &ders, &root, limit), expected);
    }
    // Whichever is missing, there is no path.
    assert_eq!(verdict(&cas[1].leaf(NODE), &[&cas[1]], &root), Err(UntrustedIssuer));
}

#[test]
fn a_path_length_counts_the_cas_below_but_no_self_issued_ones() {
    let limited = |len| {
        move |p: &mut CertificateParams| {
            p.is_ca = IsCa::Ca(BasicConstraints::Constrained(len));
        }
    };
    let root = Ca::root_with("Root", &PKCS_ECDSA_P384_SHA384, limited(1));
    let ca = root.subordinate("CA", unlimited);
    let below = ca.subordinate("Below", unlimited);
    assert_eq!(verdict(&ca.leaf(NODE), &[&ca], &root), Ok(3));
    assert_eq!(verdict(&below.leaf(NODE), &[&below, &ca], &root), Err(PathLengthExceeded));
    // The CA's own new key, whatever the spelling of its name.
    for issuer in [&ca, &ca.spelt_otherwise()] {
        let renewed = issuer.subordinate("CA", unlimited);
        assert_eq!(verdict(&renewed.leaf(NODE), &[&renewed, &ca], &root), Ok(4));
    }
    // A pinned root's path length counts for what is below its anchor.
    let anchor = root.subordinate("Anchor", |params| {
        unlimited(params);
        params.custom_extensions.push(service_types(Segment::Services.service_types()));
    });
    let sub = anchor.subordinate("Sub", |_| {});
    let chain = [sub.leaf(NODE), sub.der.clone()];
    let unpinned = policy(&anchor).build().unwrap();
    assert!(verify_svid(&chain, &unpinned).is_ok());
    let pinned = policy(&anchor).pinned_root_der(&root.der).build().unwrap();
    assert_eq!(verify_svid(&chain, &pinned).unwrap_err().code(), PathLengthExceeded);
}

#[test]
fn every_ca_of_a_path_is_looked_at() {
    let root = root();
    let under = |bend: &dyn Fn(&mut CertificateParams)| {
        let ca = root.subordinate("CA", |params| {
            unlimited(params);
            bend(params);
        });
        let below = ca.subordinate("Below", |_| {});
        verdict(&below.leaf(NODE), &[&below, &ca], &root)
    };
    assert_eq!(under(&|_| {}), Ok(4));
    assert_eq!(under(&|p| p.not_after = NOW - Duration::SECOND), Err(IssuerExpired));
    assert_eq!(under(&|p| p.not_before = NOW + Duration::SECOND), Err(IssuerNotYetValid));
    assert_eq!(under(&|p| p.not_after = NOW), Ok(4));
    let no_ca = |params: &mut CertificateParams| {
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    };
    assert_eq!(under(&no_ca), Err(PathRuleViolated));
    let for_any_use = |params: &mut CertificateParams| {
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages.clear();
    };
    assert_eq!(under(&for_any_use), Err(PathRuleViolated));
    let lists_alone = |p: &mut CertificateParams| p.key_usages = vec![KeyUsagePurpose::CrlSign];
    assert_eq!(under(&lists_alone), Err(PathRuleViolated));
    let uris = |uris: &[&str]| {
        let constraint = permitted_uris(uris);
        under(&move |params| params.custom_extensions.push(constraint.clone()))
    };
    assert_eq!(uris(&["mesh.example.com"]), Ok(4));
    assert_eq!(uris(&["other.example"]), Err(NameConstraintViolated));
    let optional = |params: &mut CertificateParams| {
        let mut constraint = permitted_uris(&["mesh.example.com"]);
        constraint.set_criticality(false);
        params.custom_extensions.push(constraint);
    };
    assert_eq!(under(&optional), Err(PathRuleViolated));

    let purposes = |ca: &[ExtendedKeyUsagePurpose]| {
        let ca = root.subordinate("CA", |params| params.extended_key_usages = ca.to_vec());
        bent(&ca.leaf(NODE), &[&ca.der], &root, |request| request.usage = Usage::Server)
    };
    assert_eq!(purposes(&[]), Ok(3));
    assert_eq!(purposes(&[ExtendedKeyUsagePurpose::ServerAuth]), Ok(3));
    assert_eq!(purposes(&[ExtendedKeyUsagePurpose::ClientAuth]), Err(UsageNotAllowed));
}

#[test]
fn the_names_of_cas_are_held_to_the_constraints_above_them() {
    let root = root();
    let ca = root.subordinate("CA", |params| {
        unlimited(params);
        params.custom_extensions.push(permitted_uris(&["mesh.example.com"]));
    });
    for (uri, expected) in [
        ("spiffe://mesh.example.com/ca", Ok(4)),
        ("spiffe://other.example/ca", Err(NameConstraintViolated)),
    ] {
        let below = ca.subordinate("Below", |params| {
            params.subject_alt_names.push(testkit::hierarchy::uri(uri));
        });
        assert_eq!(verdict(&below.leaf(NODE), &[&below, &ca], &root), expected, "{uri}");
    }
}

#[test]
fn a_leaf_is_looked_at() {
    let root = root();
    let leaf = |bend: &dyn Fn(&mut CertificateParams)| {
        let leaf = root.leaf_with(NODE, bend);
        bent(&leaf, &[], &root, |request| request.usage = Usage::Server)
    };
    assert_eq!(leaf(&|_| {}), Ok(2));
    assert_eq!(leaf(&unlimited), Err(CaUsedAsLeaf));
    let length_alone = |params: &mut CertificateParams| {
        params.is_ca = IsCa::NoCa;
        // SEQUENCE { INTEGER 0 }
        params.custom_extensions.push(extension(&[2, 5, 29, 19], b"\x30\x03\x02\x01\x00"));
    };
    assert_eq!(leaf(&length_alone), Err(PathRuleViolated));
    let lists = |p: &mut CertificateParams| p.key_usages = vec![KeyUsagePurpose::CrlSign];
    assert_eq!(leaf(&lists), Err(KeyUsageNotAllowed));
    // RFC 5280 4.2.1.12: what fits a TLS server and a TLS client, each by itself.
    for (allowed, as_server, as_client) in [
        (KeyUsagePurpose::DigitalSignature, Ok(2), Ok(2)),
        (KeyUsagePurpose::KeyAgreement, Ok(2), Ok(2)),
        (KeyUsagePurpose::KeyEncipherment, Ok(2), Err(KeyUsageNotAllowed)),
        (KeyUsagePurpose::ContentCommitment, Err(KeyUsageNotAllowed), Err(KeyUsageNotAllowed)),
    ] {
        let leaf = root.leaf_with(NODE, |params| params.key_usages = vec![allowed]);
        for (usage, expected) in [(Usage::Server, as_server), (Usage::Client, as_client)] {
            let verdict = bent(&leaf, &[], &root, |request| request.usage = usage);
            assert_eq!(verdict, expected, "{allowed:?}");
        }
    }
    let client = |params: &mut CertificateParams| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    };
    assert_eq!(leaf(&client), Err(UsageNotAllowed));
    assert_eq!(leaf(&|p| p.not_after = NOW), Ok(2));
    let ended = |p: &mut CertificateParams| p.not_after = NOW - Duration::SECOND;
    assert_eq!(leaf(&ended), Err(ErrorCode::CertificateExpired));
    let nameless = |params: &mut CertificateParams| {
        params.distinguished_name = DistinguishedName::new();
        params.subject_alt_names.clear();
    };
    assert_eq!(leaf(&nameless), Err(PathRuleViolated));

    let named = root.leaf_with(NODE, |p| p.subject_alt_names.push(dns("db.example.com")));
    for (name, expected) in [("db.example.com", Ok(2)), ("example.com", Err(NameMismatch))] {
        let names = [PeerName::Dns(name.into())];
        let anchors = [Anchor::from_der(&root.der).unwrap()];
        let mut request = PathRequest::new(&named, &anchors, timestamp(NOW));
        request.names = &names;
        let verdict = verify_path(&request).map(|path| path.chain().len());
        assert_eq!(verdict.map_err(|error| error.code()), expected, "{name}");
    }
}

#[test]
fn a_certificate_has_its_limits() {
    // Signatures of one length.
    let root = Ca::root_with("Root", &PKCS_ED25519, |_| {});
    let told = |bend: &dyn Fn(&mut CertificateParams)| {
        let leaf = root.leaf_with(NODE, bend);
        let anchors = [Anchor::from_der(&root.der).unwrap()];
        let mut request = PathRequest::new(&leaf, &anchors, timestamp(NOW));
        let algorithms = Algorithms::all();
        request.algorithms = &algorithms;
        let verdict = verify_path(&request).map(drop).map_err(|error| error.to_string());
        (leaf.len(), verdict)
    };
    let padded = |length| {
        told(&move |params| {
            params.custom_extensions.push(extension(&[1, 2, 3], &vec![0; length]));
        })
    };
    let (length, verdict) = padded(0x8000);
    assert_eq!(verdict, Ok(()));
    let most = 0x8000 + 4 + 0xfffe - length;
    assert_eq!(padded(most), (4 + 0xfffe, Ok(())));
    let (_, refused) = padded(most + 1);
    assert!(refused.is_err_and(|why| why.contains("over 64 KiB long")));

    // Six stand in every leaf.
    let many = |count: u64| {
        told(&move |params| {
            params.custom_extensions.extend((6..count).map(|i| extension(&[1, 2, 3, i], b"")));
        })
    };
    assert_eq!(many(128).1, Ok(()));
    assert!(many(129).1.is_err_and(|why| why.contains("over 128 extensions")));
}

#[test]
fn a_name_that_is_none_is_told_by_its_form() {
    let root = root();
    for (tag, name, told) in [
        (1, &b"ops"[..], "an rfc822Name that is no mailbox"),
        (2, b"db..example.com", "a dNSName that is no host name"),
        (6, b"node-a", "a URI that is not absolute"),
        (7, b"12345", "an iPAddress of neither 4 nor 16 octets"),
    ] {
        let leaf = root.leaf_with(NODE, |params| {
            params.subject_alt_names.clear();
            params.custom_extensions.push(san(&[(tag, name)]));
        });
        let anchors = [Anchor::from_der(&root.der).unwrap()];
        let refused = verify_path(&PathRequest::new(&leaf, &anchors, timestamp(NOW))).unwrap_err();
        assert_eq!(refused.code(), PathRuleViolated);
        assert!(refused.to_string().contains(told), "{refused}");
    }
}

#[test]
fn a_leaf_of_the_web_pki_is_named_by_its_sans() {
    let root = root();
    let named = |common_name: &str, names: &[SanType]| {
        let leaf = root.leaf_with(NODE, |params| {
            params.distinguished_name = DistinguishedName::new();
            params.distinguished_name.push(DnType::CommonName, common_name);
            params.subject_alt_names = names.to_vec();
        });
        bent(&leaf, &[], &root, |request| request.profile = Profile::WebPki)
    };
    let ip = |text: &str| SanType::IpAddress(text.parse().unwrap());
    let host = [dns("db.example.com")];
    assert_eq!(named("db.example.com", &host), Ok(2));
    assert_eq!(named("DB.example.com", &host), Err(PathRuleViolated));
    assert_eq!(named("192.0.2.1", &[ip("192.0.2.1")]), Ok(2));
    assert_eq!(named("192.0.2.1", &[ip("192.0.2.2")]), Err(PathRuleViolated));
    assert_eq!(named("2001:db8::1", &[ip("2001:db8::1")]), Ok(2));
    assert_eq!(named("2001:DB8::1", &[ip("2001:db8::1")]), Err(PathRuleViolated));
    assert_eq!(named("*.example.com", &[dns("*.example.com")]), Ok(2));
    assert_eq!(named("*.com", &[dns("*.com")]), Err(PathRuleViolated));
}

#[test]
fn a_mailbox_is_named_in_whole() {
    let root = root();
    let leaf = root.leaf_with(NODE, |params| {
        let mailbox = "Ops@db.example.com".try_into().unwrap();
        params.subject_alt_names.push(SanType::Rfc822Name(mailbox));
    });
    for (mailbox, expected) in [
        // RFC 5280 7.5: the host in any case, the local part as it is.
        ("Ops@DB.example.com", Ok(2)),
        ("ops@db.example.com", Err(NameMismatch)),
        ("Dev@db.example.com", Err(NameMismatch)),
        ("Ops@example.com", Err(NameMismatch)),
        ("db.example.com", Err(InvalidArgument)),
    ] {
        let names = [PeerName::Email(mailbox.into())];
        let anchors = [Anchor::from_der(&root.der).unwrap()];
        let mut request = PathRequest::new(&leaf, &anchors, timestamp(NOW));
        request.names = &names;
        let verdict = verify_path(&request).map(|path| path.chain().len());
        assert_eq!(verdict.map_err(|error| error.code()), expected, "{mailbox}");
    }
}

#[test]
fn a_search_ends() {
    let root = root();
    let ca = root.subordinate("CA", |_| {});
    let leaf = ca.leaf(NODE);
    let key_id = ca.params.key_identifier(&ca.key);
    // Others that claim to be the issuer, each of which costs a signature.
    let decoys: Vec<Ca> = (0..100)
        .map(|_| {
            root.subordinate("CA", |params| {
                params.key_identifier_method = KeyIdMethod::PreSpecified(key_id.clone());
            })
        })
        .collect();
    for (count, expected) in [(98, Ok(3)), (100, Err(PathRuleViolated))] {
        let mut intermediates: Vec<&[u8]> =
            decoys.iter().take(count).map(|decoy| &decoy.der[..]).collect();
        intermediates.push(&ca.der);
        assert_eq!(bent(&leaf, &intermediates, &root, |_| {}), expected, "{count}");
    }
    let many = vec![&ca.der[..]; 129];
    assert_eq!(bent(&leaf, &many[..128], &root, |_| {}), Ok(3));
    assert_eq!(bent(&leaf, &many, &root, |_| {}), Err(InvalidArgument));
}

#[test]
fn cas_that_vouch_for_each_other_lead_nowhere() {
    let cas: Vec<Ca> = (0..4)
        .map(|i| Ca::root_with(&format!("CA {i}"), &PKCS_ECDSA_P384_SHA384, unlimited))
        .collect();
    let mut cross = Vec::new();
    for (i, ca) in cas.iter().enumerate() {
        let mut params = ca.params.clone();
        params.use_authority_key_identifier_extension = true;
        for other in cas.iter().enumerate().filter(|(j, _)| *j != i).map(|(_, other)| other) {
            cross.push(params.signed_by(&ca.key, &other.issuer()).unwrap().der().to_vec());
        }
    }
    let cross: Vec<&[u8]> = cross.iter().map(Vec::as_slice).collect();
    let leaf = cas[0].leaf(NODE);
    // Long before the signatures run out that a search may cost: no CA comes twice on a path.
    assert_eq!(bent(&leaf, &cross, &root(), |_| {}), Err(UntrustedIssuer));
    assert!(bent(&leaf, &cross, &cas[3], |_| {}).is_ok());
}

#[test]
fn the_failure_that_says_most_is_told() {
    let root = root();
    let ca = root.subordinate("CA", |_| {});
    let leaf = ca.leaf(NODE);
    let anchors = [Anchor::from_der(&root.der).unwrap()];
    let unknown = verify_path(&PathRequest::new(&leaf, &anchors, timestamp(NOW))).unwrap_err();
    assert!(matches!(&unknown, Error::UntrustedIssuer(issuer) if issuer == "CN=CA"), "{unknown}");
    let unreadable: &[u8] = b"no certificate";
    assert_eq!(bent(&leaf, &[unreadable], &root, |_| {}), Err(MalformedCertificate));
    assert_eq!(bent(&leaf, &[unreadable, &ca.der], &root, |_| {}), Ok(3));
    // Beside an issuer that has expired, one whose key is another's.
    let expired = root.subordinate("CA", |params| params.not_after = NOW - Duration::DAY);
    let key_id = expired.params.key_identifier(&expired.key);
    let decoy = root.subordinate("CA", |params| {
        params.key_identifier_method = KeyIdMethod::PreSpecified(key_id);
    });
    let leaf = expired.leaf(NODE);
    assert_eq!(verdict(&leaf, &[&decoy], &root), Err(SignatureInvalid));
    for order in [[&decoy, &expired], [&expired, &decoy]] {
        assert_eq!(verdict(&leaf, &order, &root), Err(IssuerExpired));
    }
    // Of two that say as much, the first.
    let mut params = expired.params.clone();
    params.not_before = NOW + Duration::DAY;
    params.not_after = NOW + Duration::DAY * 2;
    let early = params.signed_by(&expired.key, &root.issuer()).unwrap().der().to_vec();
    for (order, told) in
        [([&expired.der[..], &early], IssuerExpired), ([&early, &expired.der], IssuerNotYetValid)]
    {
        assert_eq!(bent(&leaf, &order, &root, |_| {}), Err(told));
    }
}

#[test]
fn a_root_of_the_same_name_vouches_for_nobody() {
    let (pki, other) = (Pki::new(), Pki::new());
    let leaf = pki.services.leaf(NODE);
    assert_eq!(verdict(&leaf, &[&pki.services], &other.root), Err(UntrustedIssuer));
    let refused = policy(&pki.services).pinned_root_der(&other.root.der).build().unwrap_err();
    assert_eq!(refused.code(), AnchorRejected);
    assert!(refused.to_string().contains("no pinned root has signed it"), "{refused}");
    // Not even one that claims the key identifier.
    let key_id = pki.root.params.key_identifier(&pki.root.key);
    let forger = Ca::root_with("Root CA", &PKCS_ECDSA_P384_SHA384, |params| {
        params.key_identifier_method = KeyIdMethod::PreSpecified(key_id);
    });
    assert_eq!(verdict(&leaf, &[&pki.services], &forger), Err(SignatureInvalid));
    let refused = policy(&pki.services).pinned_root_der(&forger.der).build().unwrap_err();
    assert!(matches!(refused, Error::AnchorRejected(_)), "{refused}");
}

#[test]
fn an_anchor_of_another_name_vouches_for_nobody_though_it_has_the_key() {
    let root = root();
    let mut params = root.params.clone();
    params.distinguished_name.push(DnType::CommonName, "Another name");
    let der = params.self_signed(&root.key).unwrap().der().to_vec();
    let renamed = Anchor::from_der(&der).unwrap();
    let (leaf, ca) = (root.leaf(NODE), root.subordinate("CA", |_| {}));
    let below = ca.leaf(NODE);
    for (leaf, intermediates) in [(&leaf, &[][..]), (&below, &[&ca.der[..]][..])] {
        let anchors = [renamed.clone()];
        let mut request = PathRequest::new(leaf, &anchors, timestamp(NOW));
        request.intermediates = intermediates;
        assert_eq!(verify_path(&request).unwrap_err().code(), UntrustedIssuer);
    }
}
