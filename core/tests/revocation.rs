//! Revocation lists: whose they are, which count, and that none is passed over in silence.
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "tests")]

use catalyst_pki::{
    Anchor, Crl, Denied, Error, ErrorCode, PathRequest, Segment, SvidPolicy, SvidPolicyBuilder,
    Timestamp, verify_path, verify_svid,
};
use der::{
    Decode, Encode,
    asn1::{ObjectIdentifier, OctetString},
};
use rcgen::{
    BasicConstraints, CrlDistributionPoint, CrlIssuingDistributionPoint, CrlScope, IsCa,
    KeyIdMethod, KeyUsagePurpose, SerialNumber,
};
use testkit::hierarchy::{
    Ca, NODE, NOW, Pki, SERIAL, empty_policy, hex, policy, revoked, service_types, timestamp,
};
use time::Duration;
use x509_cert::{certificate::Rfc5280, crl::CertificateList, ext::Extension};

use ErrorCode::{
    CertificateRevoked, CrlInvalid, IdentityDenied, InvalidPolicy, IssuerRevoked, RevocationUnknown,
};

/// What becomes of a leaf under a policy with these lists.
fn verdict(leaf: &[u8], policy: SvidPolicyBuilder, crls: &[&[u8]]) -> Result<(), ErrorCode> {
    let policy = crls.iter().fold(policy, |policy, crl| policy.crl_der(crl));
    let verdict = policy.build().and_then(|policy| verify_svid(&[leaf], &policy));
    verdict.map(|_| ()).map_err(|error| error.code())
}

/// The same of `verify_path`, with the root as anchor.
fn path_verdict(
    pki: &Pki,
    leaf: &[u8],
    crls: &[&[u8]],
    at: Timestamp,
    require_crl: bool,
) -> Result<(), ErrorCode> {
    let anchors = [Anchor::from_der(&pki.root.der).unwrap()];
    let crls = crls.iter().map(|der| Crl::from_der(der)).collect::<Result<Vec<_>, _>>();
    let crls = crls.map_err(|error| error.code())?;
    let intermediates: [&[u8]; 2] = [&pki.services.der, &pki.transport.der];
    let mut request = PathRequest::new(leaf, &anchors, at);
    request.intermediates = &intermediates;
    request.crls = &crls;
    request.require_crl = require_crl;
    verify_path(&request).map(|_| ()).map_err(|error| error.code())
}

#[test]
fn a_list_is_its_cas_in_every_spelling_of_the_name_and_with_any_key_identifier() {
    let pki = Pki::new();
    let leaf = pki.services.leaf(NODE);
    let now = timestamp(NOW);
    let other_key_id = KeyIdMethod::PreSpecified(vec![1; 20]);
    for ca in [&pki.services, &pki.services.spelt_otherwise()] {
        for method in [KeyIdMethod::Sha256, KeyIdMethod::Sha384, other_key_id.clone()] {
            let crl = ca.crl_with(|list, _| {
                list.key_identifier_method = method;
                list.revoked_certs = revoked(&[&SERIAL]);
            });
            for policy in [pki.policy(), policy(&pki.services)] {
                assert_eq!(verdict(&leaf, policy, &[&crl]), Err(CertificateRevoked));
            }
            let verdict = path_verdict(&pki, &leaf, &[&crl], now, false);
            assert_eq!(verdict, Err(CertificateRevoked));
        }
    }
    // The root's list of the anchor likewise.
    let crl = pki.root.spelt_otherwise().crl(1, &[&pki.services.serial()]);
    assert_eq!(verdict(&leaf, pki.policy(), &[&crl]), Err(IssuerRevoked));
    assert_eq!(path_verdict(&pki, &leaf, &[&crl], now, false), Err(IssuerRevoked));
}

#[test]
fn no_flipped_bit_turns_revocation_off() {
    let pki = Pki::new();
    let leaf = pki.services.leaf(NODE);
    let crl = pki.services.crl(7, &[&SERIAL]);
    let root_crl = pki.root.crl(1, &[]);
    for at in 0..crl.len() {
        let mut flipped = crl.clone();
        flipped[at] ^= 1 << (at % 8);
        assert!(verdict(&leaf, pki.policy(), &[&flipped]).is_err(), "byte {at}");
        // A pool may hold the lists of many CAs; who requires one notices that it is gone.
        let crls: [&[u8]; 2] = [&flipped, &root_crl];
        assert!(path_verdict(&pki, &leaf, &crls, timestamp(NOW), true).is_err(), "byte {at}");
    }
}

#[test]
fn other_lists_take_the_place_of_those_of_a_policy() {
    let pki = Pki::new();
    let leaf = pki.services.leaf(NODE);
    let verdict =
        |policy: &SvidPolicy| verify_svid(&[&leaf], policy).map(drop).map_err(|e| e.code());
    let revoking = pki.services.crl(1, &[&SERIAL]);
    let (empty, above) = (pki.services.crl(2, &[]), pki.root.crl(1, &[]));
    let above_revoking = pki.root.crl(2, &[&pki.services.serial()]);
    let policy = pki.policy().require_crl().build().unwrap();
    assert_eq!(verdict(&policy), Err(RevocationUnknown));
    let good = policy.with_crls([&empty, &above]).unwrap();
    assert_eq!(verdict(&good), Ok(()));
    assert_eq!(verdict(&policy), Err(RevocationUnknown), "the first is as it was");
    let revoked = good.with_crls([&revoking, &above]).unwrap();
    assert_eq!(verdict(&revoked), Err(CertificateRevoked));
    let revoked = good.with_crls([&empty, &above_revoking]).unwrap();
    assert_eq!(verdict(&revoked), Err(IssuerRevoked));
    assert_eq!(verdict(&revoked.with_crls([&empty, &above]).unwrap()), Ok(()));
    assert_eq!(verdict(&good.with_crls([&[0_u8; 0]; 0]).unwrap()), Err(RevocationUnknown));

    // What isn't about lists stays.
    let mut denied = Denied::default();
    denied.deny_identity(NODE).unwrap();
    let denying = revoked.with_denied(denied).with_crls([&empty, &above]).unwrap();
    assert_eq!(verdict(&denying), Err(IdentityDenied));

    let refused = |crl: &[u8]| good.with_crls([crl]).unwrap_err().code();
    assert_eq!(refused(&pki.transport.crl(1, &[])), InvalidPolicy);
    assert_eq!(refused(&Ca::root("services CA").crl(2, &[])), CrlInvalid);
    assert_eq!(refused(b"no list"), CrlInvalid);
}

#[test]
fn a_list_of_nobody_is_refused_by_its_name() {
    let pki = Pki::new();
    let stranger = Ca::root("Stranger");
    for list in [stranger.crl(0xab, &[]), pki.transport.crl(0xab, &[])] {
        let error = pki.policy().crl_der(&list).build().unwrap_err();
        assert_eq!(error.code(), InvalidPolicy);
        assert!(error.to_string().contains("list number ab of CN="), "{error}");
    }
    // One that bears the anchor's name and is another's.
    let namesake = Ca::root("services CA").crl(2, &[]);
    let error = pki.policy().crl_der(&namesake).build().unwrap_err();
    assert_eq!(error.code(), CrlInvalid);
    assert!(error.to_string().contains("number 02 of CN=services CA"), "{error}");
    let leaf = pki.services.leaf(NODE);
    let verdict = path_verdict(&pki, &leaf, &[&namesake], timestamp(NOW), false);
    assert_eq!(verdict, Err(CrlInvalid));
    // A pool may hold the lists of others.
    let lists = [&stranger.crl(1, &[])[..], &pki.transport.crl(1, &[&SERIAL])];
    assert_eq!(path_verdict(&pki, &leaf, &lists, timestamp(NOW), false), Ok(()));
}

#[test]
fn the_order_and_the_numbers_of_lists_are_no_matter() {
    let pki = Pki::new();
    let leaf = pki.services.leaf(NODE);
    let list = |number: u64, hours: i64, serials: &[&[u8]]| {
        pki.services.crl_with(|list, _| {
            list.crl_number = SerialNumber::from(number);
            list.this_update = NOW - Duration::hours(hours);
            list.revoked_certs = revoked(serials);
        })
    };
    let revoking = list(7, 1, &[&SERIAL]);
    for other in [list(7, 5, &[]), list(7, 1, &[]), list(6, 5, &[]), list(8, 5, &[])] {
        for lists in [[&revoking[..], &other], [&other, &revoking]] {
            assert_eq!(verdict(&leaf, pki.policy(), &lists), Err(CertificateRevoked));
            let verdict = path_verdict(&pki, &leaf, &lists, timestamp(NOW), false);
            assert_eq!(verdict, Err(CertificateRevoked));
        }
    }
}

#[test]
fn of_the_versions_of_a_list_one_must_be_current() {
    let pki = Pki::new();
    let leaf = pki.services.leaf(NODE);
    let list = |from: i64, to: i64, serials: &[&[u8]]| {
        pki.services.crl_with(|list, _| {
            list.this_update = NOW + Duration::hours(from);
            list.next_update = NOW + Duration::hours(to);
            list.revoked_certs = revoked(serials);
        })
    };
    let current = list(-1, 1, &[]);
    let (ended, early) = (list(-9, -8, &[]), list(1, 2, &[]));
    let (ended_revoking, early_revoking) = (list(-9, -8, &[&SERIAL]), list(1, 2, &[&SERIAL]));
    for (lists, expected) in [
        (vec![&current], Ok(())),
        (vec![&ended], Err(CrlInvalid)),
        (vec![&early], Err(CrlInvalid)),
        (vec![&ended, &early], Err(CrlInvalid)),
        (vec![&current, &ended, &early], Ok(())),
        // Whom an ended list names is revoked, as long as no other has taken its place.
        (vec![&ended_revoking], Err(CertificateRevoked)),
        (vec![&ended, &ended_revoking], Err(CertificateRevoked)),
        (vec![&ended_revoking, &current], Ok(())),
        (vec![&early_revoking, &current], Ok(())),
        (vec![&early_revoking], Err(CrlInvalid)),
    ] {
        for turned in [false, true] {
            let mut lists: Vec<&[u8]> = lists.iter().map(|list| &list[..]).collect();
            if turned {
                lists.reverse();
            }
            assert_eq!(verdict(&leaf, pki.policy(), &lists), expected);
            assert_eq!(path_verdict(&pki, &leaf, &lists, timestamp(NOW), false), expected);
        }
    }
}

#[test]
fn peers_and_paths_know_one_time() {
    let pki = Pki::new();
    let leaf = pki.services.leaf_with(NODE, |leaf| leaf.not_after = NOW + Duration::DAY);
    let list = pki.services.crl_with(|list, _| {
        list.this_update = NOW;
        list.next_update = NOW + Duration::MINUTE;
    });
    for (millis, expected) in [
        (-1, Err(CrlInvalid)),
        (0, Ok(())),
        (60_000, Ok(())),
        // Times are whole seconds, their fraction is dropped.
        (60_999, Ok(())),
        (61_000, Err(CrlInvalid)),
    ] {
        let at = Timestamp::from_millis(timestamp(NOW).as_millis() + millis);
        assert_eq!(verdict(&leaf, pki.policy().at(at), &[&list]), expected, "{millis}");
        assert_eq!(path_verdict(&pki, &leaf, &[&list], at, false), expected, "{millis}");
    }
    // A skew widens both ends.
    for (seconds, skew, expected) in
        [(70, 10, Ok(())), (71, 10, Err(CrlInvalid)), (-10, 10, Ok(())), (-11, 10, Err(CrlInvalid))]
    {
        let at = timestamp(NOW + Duration::seconds(seconds));
        let policy = pki.policy().at(at).skew(std::time::Duration::from_secs(skew));
        assert_eq!(verdict(&leaf, policy, &[&list]), expected, "{seconds}");
    }
}

#[test]
fn each_key_of_a_name_counts_for_all_that_the_name_has_issued() {
    let pki = Pki::new();
    let types = |params: &mut rcgen::CertificateParams| {
        params.custom_extensions.push(service_types(Segment::Services.service_types()));
    };
    let (old, new) =
        (pki.root.subordinate("Services", types), pki.root.subordinate("Services", types));
    let leaf = old.leaf(NODE);
    let crl = new.crl(1, &[&SERIAL]);
    let both = || empty_policy().anchor_der(&old.der).anchor_der(&new.der);
    for policy in [both(), both().pinned_root_der(&pki.root.der)] {
        assert_eq!(verdict(&leaf, policy, &[&crl]), Err(CertificateRevoked));
    }
    let anchors = [Anchor::from_der(&pki.root.der).unwrap()];
    let crls = [Crl::from_der(&crl).unwrap()];
    let verify = |intermediates: &[&[u8]]| {
        let mut request = PathRequest::new(&leaf, &anchors, timestamp(NOW));
        request.intermediates = intermediates;
        request.crls = &crls;
        verify_path(&request).map(|_| ()).map_err(|error| error.code())
    };
    assert_eq!(verify(&[&old.der, &new.der]), Err(CertificateRevoked));
    // Without the new certificate nobody knows whose the list is.
    assert_eq!(verify(&[&old.der]), Err(CrlInvalid));
    // A namesake under no anchor vouches for nothing.
    let stranger = Ca::root("Stranger").subordinate("Services", |_| {});
    let crls = [Crl::from_der(&stranger.crl(1, &[])).unwrap()];
    let intermediates: [&[u8]; 2] = [&old.der, &stranger.der];
    let mut request = PathRequest::new(&leaf, &anchors, timestamp(NOW));
    request.intermediates = &intermediates;
    request.crls = &crls;
    assert_eq!(verify_path(&request).unwrap_err().code(), CrlInvalid);
}

/// A list that has ended.
fn ended(ca: &Ca, serials: &[&[u8]]) -> Vec<u8> {
    ca.crl_with(|list, _| {
        list.next_update = NOW - Duration::MINUTE;
        list.revoked_certs = revoked(serials);
    })
}

#[test]
fn a_namesake_lifts_no_revocation_and_answers_for_nobody() {
    let (one, other) = (Pki::new().services, Pki::new().services);
    let both = || policy(&one).anchor_der(&other.der);
    let leaf = one.leaf(NODE);
    let (own, others) = (one.crl(1, &[]), other.crl(2, &[]));
    let (own_ended, others_ended) = (ended(&one, &[]), ended(&other, &[]));
    let (own_revoking, others_revoking) = (ended(&one, &[&SERIAL]), ended(&other, &[&SERIAL]));
    for (lists, expected, if_required) in [
        (vec![&own_revoking, &others], Err(CertificateRevoked), Err(CertificateRevoked)),
        (vec![&own_ended, &others], Err(CrlInvalid), Err(CrlInvalid)),
        (vec![&others], Ok(()), Err(RevocationUnknown)),
        (vec![&own, &others], Ok(()), Ok(())),
        // It adds to what the CA itself says.
        (vec![&own, &others_revoking], Err(CertificateRevoked), Err(CertificateRevoked)),
        (vec![&own, &others_ended], Ok(()), Ok(())),
        (vec![&others_ended], Err(CrlInvalid), Err(CrlInvalid)),
        // Of its own versions of a list the current one counts.
        (vec![&own, &others_revoking, &others], Ok(()), Ok(())),
        (vec![&others_revoking, &others], Ok(()), Err(RevocationUnknown)),
    ] {
        let lists: Vec<&[u8]> = lists.iter().map(|list| &list[..]).collect();
        assert_eq!(verdict(&leaf, both(), &lists), expected);
        assert_eq!(verdict(&leaf, both().require_crl(), &lists), if_required);
    }
}

#[test]
fn another_key_of_a_name_answers_only_while_its_own_path_is_good() {
    let unlimited = |params: &mut rcgen::CertificateParams| {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    };
    let root = Ca::root_with("Root CA", &rcgen::PKCS_ECDSA_P384_SHA384, unlimited);
    let between = root.subordinate("Between", unlimited);
    let ca = |issuer: &Ca, serial: u8, until| {
        issuer.subordinate("CA", |params| {
            params.serial_number = Some(SerialNumber::from_slice(&[serial]));
            params.not_after = until;
        })
    };
    let later = NOW + Duration::DAY;
    let (old, new) = (ca(&root, 1, later), ca(&root, 2, later));
    let (expired, distant) = (ca(&root, 3, NOW - Duration::MINUTE), ca(&between, 4, later));
    let leaf = new.leaf(NODE);
    let anchors = [Anchor::from_der(&root.der).unwrap()];
    let sent = [&new, &old, &expired, &between, &distant];
    let intermediates: Vec<&[u8]> = sent.iter().map(|ca| &ca.der[..]).collect();
    let verify = |lists: &[&Vec<u8>], require_crl| {
        let crls: Vec<_> = lists.iter().map(|der| Crl::from_der(der).unwrap()).collect();
        let mut request = PathRequest::new(&leaf, &anchors, timestamp(NOW));
        request.intermediates = &intermediates;
        request.crls = &crls;
        request.require_crl = require_crl;
        verify_path(&request).map(|_| ()).map_err(|error| error.code())
    };
    let (roots, revoking_old) = (root.crl(1, &[]), root.crl(1, &[&[1]]));
    let current = old.crl(1, &[]);
    // One that has been revoked takes the place of nothing, and answers for nobody.
    for roots in [&roots, &revoking_old] {
        for require_crl in [false, true] {
            let verdict = |list: &Vec<u8>| verify(&[list, &current, roots], require_crl);
            assert_eq!(verdict(&ended(&new, &[&SERIAL])), Err(CertificateRevoked));
            assert_eq!(verdict(&ended(&new, &[])), Err(CrlInvalid));
        }
    }
    assert_eq!(verify(&[&current, &roots], true), Ok(()));
    assert_eq!(verify(&[&current, &revoking_old], true), Err(RevocationUnknown));
    // Nor does one of which it is not known.
    let distants = distant.crl(1, &[]);
    assert_eq!(verify(&[&distants, &roots], true), Err(RevocationUnknown));
    assert_eq!(verify(&[&distants, &roots, &between.crl(1, &[])], true), Ok(()));
    assert_eq!(verify(&[&distants, &roots, &ended(&between, &[])], true), Err(RevocationUnknown));
    // One that has expired has signed nothing that counts.
    assert_eq!(verify(&[&expired.crl(1, &[]), &roots], true), Err(CrlInvalid));
    // Whom it names is revoked all the same.
    let revoking = old.crl(1, &[&SERIAL]);
    for roots in [&roots, &revoking_old] {
        assert_eq!(verify(&[&new.crl(1, &[]), &revoking, roots], true), Err(CertificateRevoked));
    }
}

#[test]
fn anchors_of_one_name_each_have_their_list() {
    let (one, other) = (Pki::new(), Pki::new());
    let lists_none = Ca::root_with("Root CA", &rcgen::PKCS_ECDSA_P384_SHA384, |params| {
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    });
    let leaf = one.services.leaf(NODE);
    let verify = |anchors: &[&Ca], sent: &[&Ca], lists: &[&Vec<u8>]| {
        let anchors: Vec<_> = anchors.iter().map(|ca| Anchor::from_der(&ca.der).unwrap()).collect();
        let crls: Vec<_> = lists.iter().map(|der| Crl::from_der(der).unwrap()).collect();
        let sent: Vec<&[u8]> = sent.iter().map(|ca| &ca.der[..]).collect();
        let mut request = PathRequest::new(&leaf, &anchors, timestamp(NOW));
        request.intermediates = &sent;
        request.crls = &crls;
        verify_path(&request).map(|_| ()).map_err(|error| error.code())
    };
    let (own, others) = (one.root.crl(1, &[]), other.root.crl(1, &[&other.services.serial()]));
    let revoking = one.root.crl(1, &[&one.services.serial()]);
    for anchors in [[&one.root, &other.root], [&other.root, &one.root]] {
        assert_eq!(verify(&anchors, &[&one.services], &[&own, &others]), Ok(()));
        let verdict = verify(&anchors, &[&one.services], &[&revoking, &others]);
        assert_eq!(verdict, Err(IssuerRevoked));
    }
    // Nobody vouches for a namesake that a peer sends along, nor does an anchor that may not sign.
    let verdict = verify(&[&one.root], &[&one.services, &other.root], &[&own, &others]);
    assert_eq!(verdict, Err(CrlInvalid));
    let unlawful =
        lists_none.crl_with(|_, params| params.key_usages.push(KeyUsagePurpose::CrlSign));
    let verdict = verify(&[&one.root, &lists_none], &[&one.services], &[&own, &unlawful]);
    assert_eq!(verdict, Err(CrlInvalid));
}

#[test]
fn a_namesake_under_another_root_revokes_nobody_here() {
    let (one, other) = (Pki::new(), Pki::new());
    let both = || {
        empty_policy()
            .anchor_der(&one.services.der)
            .anchor_der(&other.services.der)
            .pinned_root_der(&one.root.der)
            .pinned_root_der(&other.root.der)
    };
    let crl = other.services.crl(1, &[&SERIAL]);
    assert_eq!(verdict(&one.services.leaf(NODE), both(), &[&crl]), Ok(()));
    assert_eq!(verdict(&other.services.leaf(NODE), both(), &[&crl]), Err(CertificateRevoked));
    let crl = other.root.crl(1, &[&other.services.serial()]);
    assert_eq!(verdict(&one.services.leaf(NODE), both(), &[&crl]), Ok(()));
    assert_eq!(verdict(&other.services.leaf(NODE), both(), &[&crl]), Err(IssuerRevoked));
}

#[test]
fn a_ca_whose_key_usage_leaves_lists_out_signs_none() {
    let root = Ca::root("Root");
    let ca = root.subordinate("CA", |params| {
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        params.custom_extensions.push(service_types(Segment::Services.service_types()));
    });
    // rcgen asks the parameters, so they say otherwise than the certificate.
    let crl = ca.crl_with(|_, params| params.key_usages.push(KeyUsagePurpose::CrlSign));
    assert_eq!(verdict(&ca.leaf(NODE), policy(&ca), &[&crl]), Err(CrlInvalid));
}

#[test]
fn a_list_can_be_demanded() {
    let pki = Pki::new();
    let leaf = pki.services.leaf(NODE);
    let (own, roots) = (pki.services.crl(1, &[]), pki.root.crl(1, &[]));
    let ended = pki.services.crl_with(|list, _| list.next_update = NOW - Duration::MINUTE);
    for (lists, expected) in [
        (vec![], Err(RevocationUnknown)),
        (vec![&own], Err(RevocationUnknown)),
        (vec![&roots], Err(RevocationUnknown)),
        (vec![&own, &roots], Ok(())),
        (vec![&ended, &roots], Err(CrlInvalid)),
    ] {
        let lists: Vec<&[u8]> = lists.iter().map(|list| &list[..]).collect();
        assert_eq!(verdict(&leaf, pki.policy().require_crl(), &lists), expected);
        assert_eq!(path_verdict(&pki, &leaf, &lists, timestamp(NOW), true), expected);
    }
    // Without its root nobody has a list of the anchor to give.
    let unpinned = policy(&pki.services).require_crl();
    assert_eq!(verdict(&leaf, unpinned, &[&own]), Ok(()));
}

fn scoped(ca: &Ca, uri: &str, scope: Option<CrlScope>, serials: &[&[u8]]) -> Vec<u8> {
    ca.crl_with(|list, _| {
        list.issuing_distribution_point = Some(CrlIssuingDistributionPoint {
            distribution_point: CrlDistributionPoint { uris: vec![uri.into()] },
            scope,
        });
        list.revoked_certs = revoked(serials);
    })
}

#[test]
fn a_list_speaks_of_its_distribution_point_and_of_its_kind_of_certificates() {
    let pki = Pki::new();
    let (here, there) = ("http://crl.example/here", "http://crl.example/there");
    let leaf = pki.services.leaf_with(NODE, |leaf| {
        leaf.crl_distribution_points = vec![CrlDistributionPoint { uris: vec![here.into()] }];
    });
    let bare = pki.services.leaf(NODE);
    let own = |uri, scope| scoped(&pki.services, uri, scope, &[]);
    let roots = pki.root.crl(1, &[]);
    let demanding = || pki.policy().require_crl();
    for (leaf, uri, scope, expected) in [
        (&leaf, here, None, Ok(())),
        (&leaf, here, Some(CrlScope::UserCertsOnly), Ok(())),
        (&leaf, here, Some(CrlScope::CaCertsOnly), Err(RevocationUnknown)),
        (&leaf, there, None, Err(RevocationUnknown)),
        (&bare, here, None, Err(RevocationUnknown)),
    ] {
        let list = own(uri, scope);
        assert_eq!(verdict(leaf, demanding(), &[&list, &roots]), expected, "{uri}");
    }
    // Whatever a list is about: whom it names is revoked.
    let elsewhere = scoped(&pki.services, there, None, &[&SERIAL]);
    assert_eq!(verdict(&leaf, pki.policy(), &[&elsewhere]), Err(CertificateRevoked));
    // Lists of two distribution points are no versions of each other: both must be current.
    let ended = |ca: &Ca, uri: &str, scope| {
        ca.crl_with(|list, _| {
            list.next_update = NOW - Duration::MINUTE;
            list.issuing_distribution_point = Some(CrlIssuingDistributionPoint {
                distribution_point: CrlDistributionPoint { uris: vec![uri.into()] },
                scope,
            });
        })
    };
    let lists = [&own(here, None)[..], &ended(&pki.services, there, None)];
    assert_eq!(verdict(&leaf, pki.policy(), &lists), Err(CrlInvalid));
    // An ended list about CAs alone is no matter for a leaf, nor one about users for a CA.
    let about_cas = ended(&pki.services, here, Some(CrlScope::CaCertsOnly));
    assert_eq!(verdict(&leaf, pki.policy(), &[&about_cas]), Ok(()));
    let ca = pki.root.subordinate("CA", |ca| {
        ca.crl_distribution_points = vec![CrlDistributionPoint { uris: vec![here.into()] }];
        ca.custom_extensions.push(service_types(Segment::Services.service_types()));
    });
    let (leaf, own) = (ca.leaf(NODE), ca.crl(1, &[]));
    let policy = || policy(&ca).pinned_root_der(&pki.root.der);
    for (scope, ended_is, current_is) in [
        (Some(CrlScope::UserCertsOnly), Ok(()), Err(RevocationUnknown)),
        (Some(CrlScope::CaCertsOnly), Err(CrlInvalid), Ok(())),
        (None, Err(CrlInvalid), Ok(())),
    ] {
        assert_eq!(verdict(&leaf, policy(), &[&ended(&pki.root, here, scope)]), ended_is);
        let lists = [&scoped(&pki.root, here, scope, &[])[..], &own];
        assert_eq!(verdict(&leaf, policy().require_crl(), &lists), current_is);
    }
}

#[test]
fn a_list_whose_distribution_point_has_no_full_name_is_refused() {
    let mut list = scoped(&Pki::new().services, "http://crl.example", None, &[]);
    assert!(Crl::from_der(&list).is_ok());
    // The distribution point's name, and in it the full name, which becomes one relative to the
    // issuer.
    let uri = list.windows(4).position(|window| window == b"http").unwrap();
    assert_eq!([list[uri - 6], list[uri - 4]], [0xa0, 0xa0]);
    list[uri - 4] = 0xa1;
    let error = Crl::from_der(&list).unwrap_err();
    assert!(matches!(error, Error::CrlInvalid(why) if why.contains("has no full name")));
}

#[test]
fn a_list_that_ends_before_it_begins_is_none() {
    let pki = Pki::new();
    let mut list = pki.services.crl(1, &[]);
    // UTCTime: what is 11:00 of the one day and 11:00 of the next.
    let replace = |list: &mut Vec<u8>, from: &[u8], to: &[u8]| {
        let at = list.windows(from.len()).position(|window| window == from).unwrap();
        list[at..at + to.len()].copy_from_slice(to);
    };
    replace(&mut list, b"260601110000Z", b"260602110000Z");
    assert!(Crl::from_der(&list).is_ok());
    replace(&mut list, b"260602110000Z", b"260602110001Z");
    assert!(matches!(Crl::from_der(&list), Err(Error::CrlInvalid(why)) if why.contains("ends")));
}

#[test]
fn a_list_says_what_it_is() {
    let ca = Ca::root("CA");
    let serials: [&[u8]; 2] = [&[1], &[2]];
    for (serials, count) in [(&serials[..0], 0), (&serials[..1], 1), (&serials, 2)] {
        let der = ca.crl(1, serials);
        let list = Crl::from_der(&der).unwrap();
        assert_eq!(list.der(), der);
        assert_eq!((list.len(), list.is_empty()), (count, count == 0));
        assert_eq!(list.this_update(), timestamp(NOW - Duration::HOUR));
        assert_eq!(list.next_update(), timestamp(NOW + 23 * Duration::HOUR));
    }
}

#[test]
fn the_extensions_of_a_list_keep_the_rules() {
    const NUMBER: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.20");
    const AUTHORITY_KEY_ID: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.35");
    let der = Ca::root("CA").crl(1, &[]);
    // Its signature is not looked at yet.
    let bent = |bend: &dyn Fn(&mut Vec<Extension>)| {
        let mut list = CertificateList::<Rfc5280>::from_der(&der).unwrap();
        bend(list.tbs_cert_list.crl_extensions.as_mut().unwrap());
        match Crl::from_der(&list.to_der().unwrap()) {
            Ok(_) => Ok(()),
            Err(Error::CrlInvalid(why)) => Err(why),
            Err(other) => panic!("{other}"),
        }
    };
    let critical = |id| {
        bent(&move |extensions| {
            extensions.iter_mut().find(|e| e.extn_id == id).unwrap().critical = true;
        })
    };
    let without = |id| bent(&move |extensions| extensions.retain(|e| e.extn_id != id));
    let with = |critical| {
        bent(&move |extensions| {
            let extn_id = ObjectIdentifier::new_unwrap("1.2.3.4");
            let extn_value = OctetString::new(*b"any").unwrap();
            extensions.push(Extension { extn_id, critical, extn_value });
        })
    };
    assert_eq!(bent(&|_| {}), Ok(()));
    assert_eq!(critical(NUMBER), Err("a critical CRL number".into()));
    assert_eq!(without(NUMBER), Err("no CRL number".into()));
    assert_eq!(critical(AUTHORITY_KEY_ID), Err("a critical authority key identifier".into()));
    assert_eq!(without(AUTHORITY_KEY_ID), Err("no authority key identifier".into()));
    assert_eq!(with(false), Ok(()));
    assert!(with(true).is_err());
}

#[test]
fn names_in_chains_are_equal_in_every_spelling() {
    let pki = Pki::new();
    let leaf = pki.services.spelt_otherwise().leaf(NODE);
    assert_eq!(verdict(&leaf, pki.policy(), &[]), Ok(()));
    assert_eq!(path_verdict(&pki, &leaf, &[], timestamp(NOW), false), Ok(()));
    let crl = pki.services.crl(1, &[&SERIAL]);
    assert_eq!(verdict(&leaf, pki.policy(), &[&crl]), Err(CertificateRevoked));
    // A CA that names its issuer otherwise.
    let root = pki.root.spelt_otherwise();
    let ca = root.subordinate("CA", |params| {
        params.custom_extensions.push(service_types(Segment::Services.service_types()));
    });
    let policy = || policy(&ca).pinned_root_der(&pki.root.der);
    assert_eq!(verdict(&ca.leaf(NODE), policy(), &[]), Ok(()));
    let crl = pki.root.crl(1, &[&ca.serial()]);
    assert_eq!(verdict(&ca.leaf(NODE), policy(), &[&crl]), Err(IssuerRevoked));
    // Another name stays another name.
    let mut stranger = pki.services.spelt_otherwise();
    stranger.params.distinguished_name = Ca::root("services C A").params.distinguished_name;
    let leaf = stranger.leaf(NODE);
    assert_eq!(verdict(&leaf, pki.policy(), &[]), Err(ErrorCode::UntrustedIssuer));
    let verdict = path_verdict(&pki, &leaf, &[], timestamp(NOW), false);
    assert_eq!(verdict, Err(ErrorCode::UntrustedIssuer));
}

#[test]
fn a_denied_serial_is_a_signed_number() {
    let pki = Pki::new();
    let leaf = pki.services.leaf_with(NODE, |leaf| {
        leaf.serial_number = Some(SerialNumber::from_slice(&[0xff]));
        leaf.is_ca = IsCa::ExplicitNoCa;
    });
    let key_id = hex(&pki.services.params.key_identifier(&pki.services.key));
    for (serial, expected) in [("ff", Err(ErrorCode::SerialDenied)), ("-01", Ok(()))] {
        let mut denied = catalyst_pki::Denied::default();
        denied.deny_serial(&key_id, serial).unwrap();
        assert_eq!(verdict(&leaf, pki.policy().denied(denied), &[]), expected, "{serial}");
    }
}
