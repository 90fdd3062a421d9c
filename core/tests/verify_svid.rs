//! `verify_svid`: every refusal with its code, and what must be taken.
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "tests")]

use std::{sync::Arc, time::Duration as StdDuration};

use catalyst_pki::{
    Algorithm, Anchor, Denied, Error, ErrorCode, ManualClock, NameConstraintMode, PathRequest,
    PeerRole, Segment, ServiceType, Svid, SvidPolicy, SvidPolicyBuilder, certificate_to_pem,
    verify_path, verify_svid,
};
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DistinguishedName,
    ExtendedKeyUsagePurpose, IsCa, KeyIdMethod, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256,
    PKCS_ED25519, PKCS_ML_DSA_65, SerialNumber,
};
use testkit::hierarchy::{
    Ca, ENVOY, NODE, NOW, Pki, SERIAL, TRUST_DOMAIN, dns, empty_policy, hex, permitted_uris,
    policy, san, service_types, timestamp, trust_domain, uri,
};
use time::Duration;

fn verify(chain: &[&[u8]], policy: SvidPolicyBuilder) -> Result<Svid, ErrorCode> {
    verify_svid(chain, &policy.build().expect("policy")).map_err(|error| error.code())
}

fn refusal(policy: SvidPolicyBuilder) -> ErrorCode {
    policy.build().expect_err("a policy that can't be meant").code()
}

#[track_caller]
fn assert_refused(chain: &[&[u8]], policy: SvidPolicyBuilder, code: ErrorCode) {
    assert_eq!(verify(chain, policy).expect_err("refused"), code);
}

/// A leaf that differs from a good one in one thing.
#[track_caller]
fn assert_leaf_refused(bend: impl FnOnce(&mut CertificateParams), code: ErrorCode) {
    let pki = Pki::new();
    assert_refused(&[&pki.services.leaf_with(NODE, bend)], pki.policy(), code);
}

mod taken {
    use super::*;

    #[test]
    fn all_that_is_to_be_known_of_a_peer() {
        let pki = Pki::new();
        let leaf = pki.services.leaf(NODE);
        let svid = verify(&[&leaf, &pki.services.der], pki.policy()).unwrap();
        assert_eq!(svid.spiffe_id.as_str(), NODE);
        assert_eq!(svid.trust_domain.as_str(), TRUST_DOMAIN);
        assert_eq!(svid.service_type, Some(ServiceType::Node));
        assert_eq!(svid.instance_id.as_deref(), Some("node-a.mesh.example.com"));
        assert_eq!(svid.fingerprint, catalyst_pki::fingerprint(&leaf));
        assert_eq!(svid.serial, "5e121a01");
        assert_eq!(svid.not_before, timestamp(NOW - Duration::seconds(30)));
        assert_eq!(svid.not_after, timestamp(NOW - Duration::seconds(30) + Duration::HOUR));
        assert_eq!(svid.issuer, "CN=services CA");
        assert_eq!(svid.issuer_key_id, pki.services.key_id_hex());

        let json = serde_json::to_value(&svid).unwrap();
        assert_eq!(json["spiffeId"], NODE);
        assert_eq!(json["serviceType"], "node");
        assert_eq!(json["notAfter"], "2026-06-01T12:59:30Z");
        assert_eq!(json["issuerKeyId"], pki.services.key_id_hex().as_str());
    }

    #[test]
    fn what_a_peer_sends_along_changes_nothing() {
        let pki = Pki::new();
        let leaf = pki.services.leaf(NODE);
        for along in [
            vec![],
            vec![&pki.services.der],
            vec![&pki.services.der, &pki.root.der],
            vec![&pki.root.der],
            vec![&pki.transport.der, &leaf],
        ] {
            let chain: Vec<&[u8]> = [&leaf].into_iter().chain(along).map(Vec::as_slice).collect();
            assert!(verify(&chain, pki.policy()).is_ok());
        }
        assert!(verify(&[&leaf, b"no certificate"], pki.policy()).is_ok());
        // As long as the whole chain is no longer than ten.
        let mut longest = vec![&pki.services.der[..]; 10];
        longest[0] = &leaf;
        assert!(verify(&longest, pki.policy()).is_ok());
    }

    #[test]
    fn our_own_chains_in_every_mode_of_name_constraints() {
        for mode in ["trust-domain", "none", "dns:mesh.example.com,local.example"] {
            let pki = Pki::with(&mode.parse().unwrap());
            let leaf = pki.services.leaf_with(NODE, |params| {
                params.subject_alt_names.push(dns("node-a.mesh.example.com"));
            });
            assert!(verify(&[&leaf], pki.policy()).is_ok(), "{mode}");
            // Without pinned root, and as PEM.
            let unpinned = empty_policy().anchors_pem(&pki.services.pem());
            assert!(verify(&[&leaf], unpinned).is_ok(), "{mode}");
        }
    }

    #[test]
    fn every_service_type_in_its_segment_alone() {
        let pki = Pki::new();
        for service_type in ServiceType::ALL {
            for segment in Segment::ALL {
                let ca = match service_type.segment() {
                    Segment::Services => &pki.services,
                    Segment::Transport => &pki.transport,
                };
                let anchor = match segment {
                    Segment::Services => &pki.services,
                    Segment::Transport => &pki.transport,
                };
                let leaf = ca.leaf(&format!("spiffe://{TRUST_DOMAIN}/{service_type}/region/a"));
                let policy =
                    SvidPolicy::builder(segment, PeerRole::Server, trust_domain(TRUST_DOMAIN))
                        .anchor_der(&anchor.der)
                        .pinned_root_der(&pki.root.der)
                        .at(timestamp(NOW));
                let verdict = verify(&[&leaf, &ca.der, &pki.root.der], policy);
                if service_type.segment() == segment {
                    assert_eq!(verdict.unwrap().service_type, Some(service_type));
                } else {
                    assert_eq!(verdict, Err(ErrorCode::UntrustedIssuer), "{service_type}");
                }
            }
        }
    }

    #[test]
    fn an_empty_subject_with_a_critical_san() {
        let pki = Pki::new();
        let leaf = pki.services.leaf_with(NODE, |params| {
            params.distinguished_name = DistinguishedName::new();
            // rcgen makes the SAN critical by itself where the subject is empty.
        });
        assert!(verify(&[&leaf], pki.policy()).is_ok());
    }

    #[test]
    fn two_anchors_while_a_ca_is_rotated() {
        let pki = Pki::new();
        let second = pki.root.subordinate("services CA G2", |params| {
            params.custom_extensions.push(service_types(&[ServiceType::Node]));
        });
        let both = pki.services.pem() + &second.pem();
        let policy = empty_policy().anchors_pem(&both).build().unwrap();
        for ca in [&pki.services, &second] {
            assert!(verify_svid(&[ca.leaf(NODE)], &policy).is_ok());
        }
    }

    #[test]
    fn several_roots_each_pinned_by_itself() {
        let (one, other) = (Pki::new(), Pki::new());
        let policy = || {
            empty_policy()
                .anchors_pem(&(one.services.pem() + &other.services.pem()))
                .pinned_roots_pem(&one.root.pem())
        };
        assert_eq!(refusal(policy()), ErrorCode::AnchorRejected);
        let policy = policy().pinned_roots_pem(&other.root.pem()).build().unwrap();
        for pki in [&one, &other] {
            assert!(verify_svid(&[pki.services.leaf(NODE)], &policy).is_ok());
        }
    }

    #[test]
    fn other_algorithms_that_the_policy_allows() {
        let pki = Pki::new();
        for (key, algorithm) in [
            (&PKCS_ECDSA_P256_SHA256, Algorithm::P256),
            (&PKCS_ED25519, Algorithm::Ed25519),
            (&PKCS_ML_DSA_65, Algorithm::MlDsa65),
        ] {
            let leaf = pki.services.leaf_on(NODE, key, |_| {});
            assert_refused(&[&leaf], pki.policy(), ErrorCode::AlgorithmNotAllowed);
            assert!(verify(&[&leaf], pki.policy().allow_algorithm(algorithm)).is_ok());

            let root = Ca::root_with("Root", key, |_| {});
            let ca = root.subordinate_on("CA", key, |params| {
                params.custom_extensions.push(service_types(&[ServiceType::Node]));
            });
            let leaf = ca.leaf_on(NODE, key, |_| {});
            assert_eq!(refusal(policy(&ca)), ErrorCode::AlgorithmNotAllowed);
            let policy = policy(&ca).pinned_root_der(&root.der).allow_algorithm(algorithm);
            assert!(verify(&[&leaf], policy).is_ok(), "{algorithm}");
        }
    }

    #[test]
    fn a_legacy_intermediate_whose_service_types_are_configured() {
        let pki = Pki::new();
        let legacy = pki.root.subordinate("Legacy CA", |params| {
            params.custom_extensions.push(permitted_uris(&[
                "spiffe://mesh.example.com/node/",
                "spiffe://mesh.example.com/auth/",
            ]));
        });
        let types = [ServiceType::Node, ServiceType::Gateway];
        let policy =
            || empty_policy().anchor_der_for(&legacy.der, &types).pinned_roots_pem(&pki.root.pem());
        assert!(verify(&[&legacy.leaf(NODE)], policy()).is_ok());
        let auth = legacy.leaf("spiffe://mesh.example.com/auth/auth-a");
        assert_refused(&[&auth], policy(), ErrorCode::ServiceTypeNotAllowed);
        let gateway = legacy.leaf("spiffe://mesh.example.com/gateway/a");
        assert_refused(&[&gateway], policy(), ErrorCode::NameConstraintViolated);
        assert_eq!(refusal(empty_policy().anchor_der(&legacy.der)), ErrorCode::AnchorRejected);
    }

    #[test]
    fn a_legacy_intermediate_known_by_its_subject_key_identifier() {
        let pki = Pki::new();
        let (one, other) =
            (pki.root.subordinate("Legacy 1", |_| {}), pki.root.subordinate("Legacy 2", |_| {}));
        let policy = |key_id: &str| {
            let policy = empty_policy().anchor_der(&one.der).anchor_der(&other.der);
            policy
                .anchor_service_types(key_id, &[ServiceType::Node])
                .anchor_service_types(&other.key_id_hex(), &[ServiceType::Auth])
        };
        let ours = || policy(&one.key_id_hex().to_uppercase());
        assert!(verify(&[&one.leaf(NODE)], ours()).is_ok());
        assert_refused(&[&other.leaf(NODE)], ours(), ErrorCode::ServiceTypeNotAllowed);
        // What is granted to nobody is a mistake.
        assert_eq!(refusal(policy(&pki.root.key_id_hex())), ErrorCode::InvalidPolicy);
        // Whom nothing is granted signs for nobody.
        assert_eq!(refusal(policy(&other.key_id_hex())), ErrorCode::AnchorRejected);
    }

    #[test]
    fn a_ca_below_an_anchor_whose_path_length_allows_it() {
        let root = Ca::root_with("Root CA", &rcgen::PKCS_ECDSA_P384_SHA384, |params| {
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        });
        let anchor = root.subordinate("Services CA", |params| {
            params.is_ca = IsCa::Ca(BasicConstraints::Constrained(1));
            let types = [ServiceType::Node, ServiceType::Auth];
            params.custom_extensions.push(service_types(&types));
        });
        let sub = anchor.subordinate("Sub CA", |params| {
            params.custom_extensions.push(service_types(&[ServiceType::Node]));
        });
        let policy = || policy(&anchor).pinned_root_der(&root.der);
        let leaf = sub.leaf(NODE);
        let svid = verify(&[&leaf, &sub.der], policy()).unwrap();
        assert_eq!(svid.issuer_key_id, sub.key_id_hex());
        assert_refused(&[&leaf], policy(), ErrorCode::UntrustedIssuer);
        let auth = sub.leaf("spiffe://mesh.example.com/auth/auth-a");
        assert_refused(&[&auth, &sub.der], policy(), ErrorCode::ServiceTypeNotAllowed);
        let mut denied = Denied::default();
        denied.revoke_issuer(&hex(&anchor.serial())).unwrap();
        assert_refused(&[&leaf, &sub.der], policy().denied(denied), ErrorCode::IssuerRevoked);
        let crl = anchor.crl(1, &[&sub.serial()]);
        assert_refused(&[&leaf, &sub.der], policy().crl_der(&crl), ErrorCode::IssuerRevoked);
    }

    #[test]
    fn the_clock_of_the_policy_counts() {
        let pki = Pki::new();
        let leaf = [pki.services.leaf(NODE)];
        let clock = Arc::new(ManualClock::new(timestamp(NOW)));
        let policy = pki.policy().clock(clock.clone()).build().unwrap();
        assert!(verify_svid(&leaf, &policy).is_ok());
        clock.advance(StdDuration::from_secs(3600));
        let code = |policy: &SvidPolicy| verify_svid(&leaf, policy).unwrap_err().code();
        assert_eq!(code(&policy), ErrorCode::CertificateExpired);
        assert!(verify_svid(&leaf, &policy.with_at(timestamp(NOW))).is_ok());
    }

    #[test]
    fn a_policy_is_shared_between_threads() {
        fn shared<T: Send + Sync + Clone + 'static>(_: &T) {}
        shared(&Pki::new().policy().build().unwrap());
    }
}

mod issuer {
    use super::*;

    #[test]
    fn of_the_other_segment_though_it_comes_along() {
        let pki = Pki::new();
        let chain: [&[u8]; 3] = [&pki.transport.leaf(ENVOY), &pki.transport.der, &pki.root.der];
        assert_refused(&chain, pki.policy(), ErrorCode::UntrustedIssuer);
        // Not even if the Transport CA names a node.
        let chain: [&[u8]; 3] = [&pki.transport.leaf(NODE), &pki.transport.der, &pki.root.der];
        assert_refused(&chain, pki.policy(), ErrorCode::UntrustedIssuer);
    }

    #[test]
    fn a_root_is_none() {
        let pki = Pki::new();
        let chain: [&[u8]; 2] = [&pki.root.leaf(NODE), &pki.root.der];
        assert_refused(&chain, pki.policy(), ErrorCode::UntrustedIssuer);
    }

    #[test]
    fn of_another_hierarchy_with_the_same_names() {
        let (ours, theirs) = (Pki::new(), Pki::new());
        let chain: [&[u8]; 3] =
            [&theirs.services.leaf(NODE), &theirs.services.der, &theirs.root.der];
        assert_refused(&chain, ours.policy(), ErrorCode::UntrustedIssuer);
    }

    #[test]
    fn whose_signature_is_not_its_own() {
        let pki = Pki::new();
        let mut leaf = pki.services.leaf(NODE);
        *leaf.last_mut().unwrap() ^= 1;
        assert_refused(&[&leaf], pki.policy(), ErrorCode::SignatureInvalid);
        // A CA of the same name that claims the same key identifier.
        let forger = Ca::root_with("services CA", &rcgen::PKCS_ECDSA_P384_SHA384, |params| {
            let id = pki.services.params.key_identifier(&pki.services.key);
            params.key_identifier_method = rcgen::KeyIdMethod::PreSpecified(id);
        });
        assert_refused(&[&forger.leaf(NODE)], pki.policy(), ErrorCode::SignatureInvalid);
    }

    #[test]
    fn that_is_a_leaf() {
        let pki = Pki::new();
        let node = pki.root.subordinate("A node", |params| {
            params.is_ca = IsCa::ExplicitNoCa;
            params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        });
        let chain: [&[u8]; 2] = [&node.leaf(NODE), &node.der];
        assert_refused(&chain, pki.policy(), ErrorCode::UntrustedIssuer);
    }

    #[test]
    fn below_an_anchor_of_path_length_zero() {
        let pki = Pki::new();
        let sub = pki.services.subordinate("Sub CA", |_| {});
        let chain: [&[u8]; 3] = [&sub.leaf(NODE), &sub.der, &pki.services.der];
        assert_refused(&chain, pki.policy(), ErrorCode::PathLengthExceeded);
    }

    #[test]
    fn expired_or_not_yet_valid_though_the_leaf_is() {
        let pki = Pki::new();
        let long = |params: &mut CertificateParams| {
            params.not_before = NOW - Duration::days(1000);
            params.not_after = NOW + Duration::days(1000);
        };
        let leaf = pki.services.leaf_with(NODE, long);
        let at = |days| pki.policy().at(timestamp(NOW + Duration::days(days)));
        assert_refused(&[&leaf], at(900), ErrorCode::IssuerExpired);
        assert_refused(&[&leaf], at(-900), ErrorCode::IssuerNotYetValid);
        // The root's validity counts too, where it is pinned.
        let root = Ca::root_with("Root", &rcgen::PKCS_ECDSA_P384_SHA384, |params| {
            params.not_after = NOW - Duration::DAY;
        });
        let ca = root.intermediate(Segment::Services, &NameConstraintMode::None);
        let leaf = ca.leaf(NODE);
        assert!(verify(&[&leaf], policy(&ca)).is_ok());
        let pinned = policy(&ca).pinned_root_der(&root.der);
        assert_refused(&[&leaf], pinned, ErrorCode::IssuerExpired);
    }

    #[test]
    fn revoked_by_serial() {
        let pki = Pki::new();
        let mut denied = Denied::default();
        denied.revoke_issuer(&hex(&pki.services.serial())).unwrap();
        let policy = pki.policy().denied(denied);
        assert_refused(&[&pki.services.leaf(NODE)], policy, ErrorCode::IssuerRevoked);
    }

    #[test]
    fn revoked_by_the_roots_list() {
        let pki = Pki::new();
        let leaf = pki.services.leaf(NODE);
        let revoked = pki.root.crl(2, &[&pki.services.serial()]);
        let earlier = pki.root.crl(1, &[]);
        // All that are current count, whatever their order and their numbers.
        let policy = pki.policy().crl_der(&revoked).crl_der(&earlier);
        assert_refused(&[&leaf], policy, ErrorCode::IssuerRevoked);
        assert!(verify(&[&leaf], pki.policy().crl_der(&earlier)).is_ok());
        // A list that can't be verified is not passed over.
        let unpinned = super::policy(&pki.services).crl_der(&revoked);
        assert_eq!(refusal(unpinned), ErrorCode::InvalidPolicy);
    }

    #[test]
    fn that_may_not_sign_for_the_service_type() {
        let pki = Pki::new();
        let envoy = pki.services.leaf(ENVOY);
        assert_refused(&[&envoy], pki.policy(), ErrorCode::ServiceTypeNotAllowed);
        let narrow = pki.root.subordinate("Narrow CA", |params| {
            params
                .custom_extensions
                .push(service_types(&[ServiceType::Auth, ServiceType::EnvoyApp]));
        });
        let policy = || super::policy(&narrow);
        assert_refused(&[&narrow.leaf(NODE)], policy(), ErrorCode::ServiceTypeNotAllowed);
        // Nor for one of the other segment, though its extension says so.
        assert_refused(&[&narrow.leaf(ENVOY)], policy(), ErrorCode::ServiceTypeNotAllowed);
        // Where there is an extension, a configuration widens nothing.
        let wide = empty_policy().anchor_der_for(&narrow.der, &[ServiceType::Node]);
        assert_refused(&[&narrow.leaf(NODE)], wide, ErrorCode::ServiceTypeNotAllowed);
    }

    #[test]
    fn whose_name_constraints_are_broken() {
        let other: NameConstraintMode = "dns:other.example".parse().unwrap();
        let pki = Pki::with(&other);
        let leaf = pki.services.leaf_with(NODE, |params| {
            params.subject_alt_names.push(dns("node-a.mesh.example.com"));
        });
        assert_refused(&[&leaf], pki.policy(), ErrorCode::NameConstraintViolated);

        let elsewhere = Pki::new().root.subordinate("CA", |params| {
            params.custom_extensions.push(service_types(&[ServiceType::Node]));
            params.custom_extensions.push(permitted_uris(&["other.example.com"]));
        });
        let leaf = elsewhere.leaf(NODE);
        assert_refused(&[&leaf], policy(&elsewhere), ErrorCode::NameConstraintViolated);

        let pki = Pki::new();
        let leaf = pki.services.leaf_with(NODE, |params| {
            params.subject_alt_names.push(rcgen::SanType::IpAddress([192, 0, 2, 1].into()));
        });
        assert_refused(&[&leaf], pki.policy(), ErrorCode::NameConstraintViolated);
    }

    #[test]
    fn whose_pinned_root_constrains_names() {
        let root = Ca::root_with("Root", &rcgen::PKCS_ECDSA_P384_SHA384, |params| {
            params.custom_extensions.push(permitted_uris(&["other.example.com"]));
        });
        let ca = root.intermediate(Segment::Services, &NameConstraintMode::None);
        let policy = policy(&ca).pinned_root_der(&root.der);
        assert_refused(&[&ca.leaf(NODE)], policy, ErrorCode::NameConstraintViolated);
    }
}

mod leaf {
    use super::*;

    #[test]
    fn is_missing_or_no_certificate() {
        let pki = Pki::new();
        assert_refused(&[], pki.policy(), ErrorCode::MalformedCertificate);
        assert_refused(&[b""], pki.policy(), ErrorCode::MalformedCertificate);
        let mut leaf = pki.services.leaf(NODE);
        leaf.push(0);
        assert_refused(&[&leaf], pki.policy(), ErrorCode::MalformedCertificate);
        let leaf = pki.services.leaf(NODE);
        assert_refused(&[&leaf[..]; 11], pki.policy(), ErrorCode::PathLengthExceeded);
    }

    #[test]
    fn expired_or_not_yet_valid_but_for_the_skew() {
        let pki = Pki::new();
        let leaf = pki.services.leaf(NODE);
        let begin = NOW - Duration::seconds(30);
        let end = begin + Duration::HOUR;
        let policy = |at, skew| pki.policy().at(timestamp(at)).skew(StdDuration::from_secs(skew));
        let anchors = [Anchor::from_der(&pki.services.der).unwrap()];
        for (at, skew, code) in [
            (end, 0, None),
            (end + Duration::SECOND, 0, Some(ErrorCode::CertificateExpired)),
            (end + Duration::MINUTE, 60, None),
            (end + Duration::seconds(61), 60, Some(ErrorCode::CertificateExpired)),
            (begin, 0, None),
            (begin - Duration::SECOND, 0, Some(ErrorCode::CertificateNotYetValid)),
            (begin - Duration::MINUTE, 60, None),
            (begin - Duration::seconds(61), 60, Some(ErrorCode::CertificateNotYetValid)),
        ] {
            assert_eq!(verify(&[&leaf], policy(at, skew)).err(), code, "{at} {skew}");
            let mut request = PathRequest::new(&leaf, &anchors, timestamp(at));
            request.skew = StdDuration::from_secs(skew);
            assert_eq!(verify_path(&request).err().map(|error| error.code()), code, "{at} {skew}");
        }
    }

    #[test]
    fn is_a_ca() {
        let pki = Pki::new();
        assert_refused(&[&pki.services.der], pki.policy(), ErrorCode::CaUsedAsLeaf);
        let ca = |params: &mut CertificateParams| {
            params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        };
        assert_leaf_refused(ca, ErrorCode::CaUsedAsLeaf);
    }

    #[test]
    fn is_not_for_the_role() {
        let server_only = |params: &mut CertificateParams| {
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        };
        assert_leaf_refused(server_only, ErrorCode::UsageNotAllowed);
        let pki = Pki::new();
        let gateway = "spiffe://mesh.example.com/gateway/gateway-a";
        let leaf = pki.services.leaf_with(gateway, server_only);
        let as_server =
            SvidPolicy::builder(Segment::Services, PeerRole::Server, trust_domain(TRUST_DOMAIN))
                .anchor_der(&pki.services.der)
                .at(timestamp(NOW));
        assert!(verify(&[&leaf], as_server).is_ok());
        let any = |params: &mut CertificateParams| {
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::Any];
        };
        assert_leaf_refused(any, ErrorCode::UsageNotAllowed);
        assert_leaf_refused(
            |params| params.extended_key_usages.clear(),
            ErrorCode::UsageNotAllowed,
        );
    }

    #[test]
    fn has_a_key_usage_that_is_no_leafs() {
        for (usages, code) in [
            (vec![], ErrorCode::PathRuleViolated),
            (vec![KeyUsagePurpose::KeyAgreement], ErrorCode::KeyUsageNotAllowed),
            (
                vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyCertSign],
                ErrorCode::PathRuleViolated,
            ),
            (
                vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::CrlSign],
                ErrorCode::PathRuleViolated,
            ),
        ] {
            assert_leaf_refused(|params| params.key_usages = usages, code);
        }
    }

    #[test]
    fn has_an_unknown_critical_extension() {
        let unknown = |critical| {
            move |params: &mut CertificateParams| {
                let mut extension = CustomExtension::from_oid_content(&[1, 2, 3, 4], vec![5, 0]);
                extension.set_criticality(critical);
                params.custom_extensions.push(extension);
            }
        };
        assert_leaf_refused(unknown(true), ErrorCode::UnknownCriticalExtension);
        let pki = Pki::new();
        let leaf = pki.services.leaf_with(NODE, unknown(false));
        assert!(verify(&[&leaf], pki.policy()).is_ok());
    }

    #[test]
    fn has_no_spiffe_id_or_several() {
        let names = |names: &[(u8, &[u8])]| {
            let extension = san(names);
            move |params: &mut CertificateParams| {
                params.subject_alt_names.clear();
                params.custom_extensions.push(extension);
            }
        };
        assert_leaf_refused(|params| params.subject_alt_names.clear(), ErrorCode::SpiffeIdMissing);
        assert_leaf_refused(names(&[(2, b"a.example")]), ErrorCode::SpiffeIdMissing);
        let node = NODE.as_bytes();
        for second in [&b"spiffe://mesh.example.com/node/b"[..], node, b"\xff\xfe", b"", b"no uri"]
        {
            assert_leaf_refused(names(&[(6, node), (6, second)]), ErrorCode::SpiffeIdNotUnique);
            assert_leaf_refused(names(&[(6, second), (6, node)]), ErrorCode::SpiffeIdNotUnique);
        }
        let pki = Pki::new();
        let leaf = pki.services.leaf_with(NODE, names(&[(6, node), (6, node), (6, node)]));
        let refused = verify_svid(&[leaf], &pki.policy().build().unwrap());
        assert!(matches!(refused, Err(Error::SpiffeIdNotUnique(3))), "{refused:?}");
        assert_leaf_refused(names(&[(6, b"\xff\xfe")]), ErrorCode::PeerIdInvalid);
        assert_leaf_refused(names(&[]), ErrorCode::SpiffeIdMissing);
    }

    #[test]
    fn has_an_id_that_is_none() {
        for id in [
            "https://mesh.example.com/node/a",
            "spiffe://mesh.example.com",
            "spiffe://mesh.example.com/node",
            "spiffe://mesh.example.com/node/a/",
            "spiffe://mesh.example.com/node/../auth/a",
            "spiffe://mesh.example.com/node/a%2fb",
            "spiffe://mesh.example.com:8443/node/a",
            "spiffe://mesh.example.com/database/a",
            "spiffe://Mesh.example.com/node/a",
            "SPIFFE://mesh.example.com/node/a",
        ] {
            assert_leaf_refused(
                |params| params.subject_alt_names = vec![uri(id)],
                ErrorCode::PeerIdInvalid,
            );
        }
    }

    #[test]
    fn is_of_another_trust_domain() {
        for id in ["spiffe://other.example.com/node/a", "spiffe://mesh.example.com.evil.io/node/a"]
        {
            assert_leaf_refused(
                |params| params.subject_alt_names = vec![uri(id)],
                ErrorCode::ForeignTrustDomain,
            );
        }
    }

    #[test]
    fn breaks_a_rule_of_rfc_5280() {
        let no_issuer_key =
            |params: &mut CertificateParams| params.use_authority_key_identifier_extension = false;
        assert_leaf_refused(no_issuer_key, ErrorCode::PathRuleViolated);
        let zero = |params: &mut CertificateParams| {
            params.serial_number = Some(SerialNumber::from_slice(&[0]));
        };
        assert_leaf_refused(zero, ErrorCode::PathRuleViolated);
        let long = |params: &mut CertificateParams| {
            params.serial_number = Some(SerialNumber::from_slice(&[1; 21]));
        };
        assert_leaf_refused(long, ErrorCode::PathRuleViolated);
        let ends_before_it_begins = |params: &mut CertificateParams| {
            params.not_before = NOW;
            params.not_after = NOW - Duration::SECOND;
        };
        assert_leaf_refused(ends_before_it_begins, ErrorCode::PathRuleViolated);
        let pki = Pki::new();
        let of_a_second = pki.services.leaf_with(NODE, |params| {
            params.not_before = NOW;
            params.not_after = NOW;
        });
        assert!(verify(&[&of_a_second], pki.policy()).is_ok());
    }

    /// What no tool writes, put into a good certificate: before its signature fails, it breaks a rule.
    #[test]
    fn breaks_a_rule_about_encodings() {
        let pki = Pki::new();
        let replaced = |leaf: &[u8], from: &[u8], to: &[u8]| {
            let at = leaf.windows(from.len()).position(|bytes| bytes == from).unwrap();
            [&leaf[..at], to, &leaf[at + from.len()..]].concat()
        };
        let refused = |leaf: Vec<u8>| verify(&[&leaf], pki.policy()).unwrap_err();
        let leaf = pki.services.leaf(NODE);
        let (mut positive, mut negative) = (vec![2, 4], vec![2, 4]);
        positive.extend(SERIAL);
        negative.extend(SERIAL);
        negative[2] |= 0x80;
        let negative = replaced(&leaf, &positive, &negative);
        assert_eq!(refused(negative), ErrorCode::PathRuleViolated);
        let end = |year: i32| {
            let end = NOW.replace_year(year).unwrap();
            pki.services.leaf_with(NODE, |params| params.not_after = end)
        };
        let leaf = end(2050);
        assert!(verify(&[&leaf], pki.policy()).is_ok());
        let generalized = replaced(&leaf, b"20500601", b"20490601");
        assert_eq!(refused(generalized), ErrorCode::PathRuleViolated);
        assert!(verify(&[&end(2049)], pki.policy()).is_ok());
    }

    #[test]
    fn is_somebody_else_than_expected() {
        let pki = Pki::new();
        let leaf = pki.services.leaf(NODE);
        for (patterns, expected) in [
            (&[NODE][..], true),
            (&["spiffe://mesh.example.com/node/*"], true),
            (&["spiffe://mesh.example.com/**"], true),
            (&["spiffe://mesh.example.com/auth/*", "spiffe://mesh.example.com/node/**"], true),
            (&["spiffe://mesh.example.com/*"], false),
            (&["spiffe://mesh.example.com/node/node-b"], false),
            (&["spiffe://mesh.example.com/auth/*"], false),
            (&["spiffe://other.example/**"], false),
        ] {
            let verdict = verify(&[&leaf], pki.policy().expect_ids(patterns));
            assert_eq!(verdict.err(), (!expected).then_some(ErrorCode::UnexpectedPeer));
        }
        let policy = pki.policy().build().unwrap();
        let other =
            policy.with_expected(["spiffe://mesh.example.com/auth/*".parse().unwrap()]).unwrap();
        assert!(verify_svid(&[&leaf], &policy).is_ok());
        assert_eq!(verify_svid(&[&leaf], &other).unwrap_err().code(), ErrorCode::UnexpectedPeer);
    }

    #[test]
    fn is_denied() {
        let pki = Pki::new();
        let leaf = pki.services.leaf(NODE);
        let mut denied = Denied::default();
        denied.deny_identity(NODE).unwrap();
        let open = verify(&[&leaf], pki.policy()).unwrap();
        assert_eq!(denied.check(&open).unwrap_err().code(), ErrorCode::IdentityDenied);
        assert_refused(&[&leaf], pki.policy().denied(denied), ErrorCode::IdentityDenied);

        let mut denied = Denied::default();
        denied.deny_serial(&pki.services.key_id_hex().to_uppercase(), &hex(&SERIAL)).unwrap();
        let policy = pki.policy().build().unwrap();
        assert!(verify_svid(&[&leaf], &policy).is_ok());
        assert_eq!(denied.check(&open).unwrap_err().code(), ErrorCode::SerialDenied);
        assert!(Denied::default().check(&open).is_ok());
        let code = verify_svid(&[&leaf], &policy.with_denied(denied)).unwrap_err().code();
        assert_eq!(code, ErrorCode::SerialDenied);

        // The same number from another CA is another certificate.
        let mut denied = Denied::default();
        denied.deny_serial(&pki.transport.key_id_hex(), &hex(&SERIAL)).unwrap();
        denied.deny_identity("spiffe://mesh.example.com/node/node-b").unwrap();
        assert!(verify(&[&leaf], pki.policy().denied(denied)).is_ok());
    }

    #[test]
    fn is_revoked_by_its_cas_list() {
        let pki = Pki::new();
        let leaf = pki.services.leaf(NODE);
        let policy = |crl: &[u8]| pki.policy().crl_der(crl);
        let crl = pki.services.crl(1, &[&SERIAL]);
        assert_refused(&[&leaf], policy(&crl), ErrorCode::CertificateRevoked);
        assert!(verify(&[&leaf], policy(&pki.services.crl(1, &[&[1, 2, 3]]))).is_ok());
        // A list of nobody whom the policy trusts is not passed over.
        let transport = policy(&pki.transport.crl(0x1a, &[&SERIAL])).build().unwrap_err();
        assert_eq!(transport.code(), ErrorCode::InvalidPolicy);
        assert!(transport.to_string().contains("list number 1a of CN=transport CA"), "{transport}");

        let late = pki.services.crl(1, &[]);
        let tomorrow = timestamp(NOW + Duration::days(2));
        let leaf = pki.services.leaf_with(NODE, |p| p.not_after = NOW + Duration::days(3));
        assert_refused(&[&leaf], policy(&late).at(tomorrow), ErrorCode::CrlInvalid);

        let mut forged = crl;
        *forged.last_mut().unwrap() ^= 1;
        assert_eq!(refusal(policy(&forged)), ErrorCode::CrlInvalid);
        assert_eq!(refusal(policy(b"no list")), ErrorCode::CrlInvalid);
    }
}

mod federation {
    use super::*;

    const PARTNER: &str = "partner.example";
    const API: &str = "spiffe://partner.example/ns/prod/api";

    /// A PKI of another kind: no extension of ours.
    fn partner() -> (Ca, Ca) {
        let root = Ca::root("Partner Root");
        let ca = root.subordinate("Partner CA", |params| {
            params.custom_extensions.push(permitted_uris(&[PARTNER]));
        });
        (root, ca)
    }

    fn federated(pki: &Pki, root: &Ca, allow: &[&str]) -> SvidPolicyBuilder {
        pki.policy().federate(trust_domain(PARTNER), &root.pem(), allow)
    }

    #[test]
    fn takes_a_peer_under_its_own_root() {
        let (pki, (root, ca)) = (Pki::new(), partner());
        let policy = || federated(&pki, &root, &["spiffe://partner.example/ns/**"]);
        let chain: [&[u8]; 2] = [&ca.leaf(API), &ca.der];
        let svid = verify(&chain, policy()).unwrap();
        assert_eq!(svid.trust_domain.as_str(), PARTNER);
        assert_eq!((svid.service_type, svid.instance_id), (None, None));
        assert_eq!(svid.issuer, "CN=Partner CA");
        // The intermediate must come along; the root may.
        assert_refused(&chain[..1], policy(), ErrorCode::UntrustedIssuer);
        assert!(verify(&[chain[0], &root.der, chain[1]], policy()).is_ok());
        // Our own peers are taken as before.
        assert!(verify(&[&pki.services.leaf(NODE)], policy()).is_ok());
        assert_refused(&chain, pki.policy(), ErrorCode::ForeignTrustDomain);

        let orchestrator = ca.leaf("spiffe://partner.example/ns/node/a");
        let svid = verify(&[&orchestrator, &ca.der], policy()).unwrap();
        assert_eq!(svid.service_type, None);
    }

    #[test]
    fn takes_ids_that_a_pattern_allows() {
        let (pki, (root, ca)) = (Pki::new(), partner());
        let leaf = ca.leaf("spiffe://partner.example/orchestrator/a");
        let chain: [&[u8]; 2] = [&leaf, &ca.der];
        let policy = || federated(&pki, &root, &["spiffe://partner.example/orchestrator/*"]);
        let svid = verify(&chain, policy()).unwrap();
        assert_eq!(svid.service_type, Some(ServiceType::Orchestrator));
        assert_refused(&[&ca.leaf(API), &ca.der], policy(), ErrorCode::UnexpectedPeer);
        // And what is expected counts as well.
        let expecting = policy().expect_id("spiffe://mesh.example.com/**");
        assert_refused(&chain, expecting, ErrorCode::UnexpectedPeer);
    }

    #[test]
    fn is_bound_to_each_domains_own_root() {
        let (pki, (root, ca)) = (Pki::new(), partner());
        let other = Ca::root("Other Root");
        let policy = || {
            federated(&pki, &root, &["spiffe://partner.example/**"]).federate(
                trust_domain("other.example"),
                &other.pem(),
                &["spiffe://other.example/**"],
            )
        };
        let other_ca = other.subordinate("Other CA", |_| {});
        let code = ErrorCode::UntrustedIssuer;
        // The partner's ID under another partner's root, and under ours; ours under theirs.
        assert_refused(&[&other_ca.leaf(API), &other_ca.der], policy(), code);
        assert_refused(&[&pki.services.leaf(API), &pki.services.der], policy(), code);
        assert_refused(&[&other_ca.leaf(NODE), &other_ca.der], policy(), code);
        assert_refused(&[&ca.leaf(NODE), &ca.der], policy(), code);
        // A pinned root may sign its own peers, as SPIRE's do, and nobody else's.
        assert!(verify(&[&root.leaf(API)], policy()).is_ok());
        assert_refused(&[&other.leaf(API), &other.der], policy(), code);
        let fine = other_ca.leaf("spiffe://other.example/a");
        assert!(verify(&[&fine, &other_ca.der], policy()).is_ok());
    }

    #[test]
    fn looks_at_the_presented_intermediate() {
        let (pki, (root, ca)) = (Pki::new(), partner());
        let policy = || federated(&pki, &root, &["spiffe://partner.example/**"]);
        let refuse = |ca: &Ca, code| assert_refused(&[&ca.leaf(API), &ca.der], policy(), code);

        let expired = root.subordinate("A", |params| params.not_after = NOW - Duration::DAY);
        refuse(&expired, ErrorCode::IssuerExpired);
        let early = root.subordinate("B", |params| params.not_before = NOW + Duration::DAY);
        refuse(&early, ErrorCode::IssuerNotYetValid);
        let no_ca = root.subordinate("C", |params| {
            params.is_ca = IsCa::ExplicitNoCa;
            params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        });
        refuse(&no_ca, ErrorCode::PathRuleViolated);
        let mut forged = root.subordinate("D", |_| {});
        *forged.der.last_mut().unwrap() ^= 1;
        refuse(&forged, ErrorCode::SignatureInvalid);
        let p256 = root.subordinate_on("E", &PKCS_ECDSA_P256_SHA256, |_| {});
        assert_refused(&[&p256.leaf(API), &p256.der], policy(), ErrorCode::AlgorithmNotAllowed);

        let below = ca.subordinate("F", |_| {});
        let chain: [&[u8]; 3] = [&below.leaf(API), &below.der, &ca.der];
        assert_refused(&chain, policy(), ErrorCode::PathLengthExceeded);

        let mut denied = Denied::default();
        denied.revoke_issuer(&hex(&ca.serial())).unwrap();
        let chain: [&[u8]; 2] = [&ca.leaf(API), &ca.der];
        assert_refused(&chain, policy().denied(denied), ErrorCode::IssuerRevoked);
        let crl = root.crl(1, &[&ca.serial()]);
        assert_refused(&chain, policy().crl_der(&crl), ErrorCode::IssuerRevoked);
        // An intermediate's list needs the intermediate: else nobody could tell whose it is.
        let crl = ca.crl(1, &[&SERIAL]);
        assert_eq!(refusal(policy().crl_der(&crl)), ErrorCode::InvalidPolicy);
        let known = root.pem() + &ca.pem();
        let policy = || {
            let allow = ["spiffe://partner.example/**"];
            pki.policy().federate(trust_domain(PARTNER), &known, &allow)
        };
        assert!(verify(&chain[..1], policy()).is_ok());
        assert_refused(&chain, policy().crl_der(&crl), ErrorCode::CertificateRevoked);
        // It is no anchor: the root's list counts.
        let crl = root.crl(1, &[&ca.serial()]);
        assert_refused(&chain, policy().crl_der(&crl), ErrorCode::IssuerRevoked);
    }

    #[test]
    fn takes_for_a_root_what_no_other_of_its_certificates_has_signed() {
        let (pki, (root, ca)) = (Pki::new(), partner());
        let policy = |certificates: &str| {
            pki.policy().federate(
                trust_domain(PARTNER),
                certificates,
                &["spiffe://partner.example/**"],
            )
        };
        let leaf = ca.leaf(API);
        // An intermediate that its partner gives for an anchor.
        assert!(verify(&[&leaf], policy(&ca.pem())).is_ok());
        // Beside the root of somebody else, and beside one that only says that it has signed it.
        let stranger = Ca::root("Stranger");
        assert!(verify(&[&leaf], policy(&(stranger.pem() + &ca.pem()))).is_ok());
        let key_id = root.params.key_identifier(&root.key);
        let forger = Ca::root_with("Partner Root", &rcgen::PKCS_ECDSA_P384_SHA384, |params| {
            params.key_identifier_method = KeyIdMethod::PreSpecified(key_id);
        });
        assert!(verify(&[&leaf], policy(&(forger.pem() + &ca.pem()))).is_ok());
    }

    #[test]
    fn holds_a_foreign_ca_to_its_service_types() {
        let pki = Pki::new();
        let root = Ca::root("Partner Root");
        let transport = root.subordinate("Partner Transport", |params| {
            params.custom_extensions.push(service_types(Segment::Transport.service_types()));
        });
        let policy = || federated(&pki, &root, &["spiffe://partner.example/**"]);
        for id in ["spiffe://partner.example/envoy/app/a", "spiffe://partner.example/node/a", API] {
            let chain: [&[u8]; 2] = [&transport.leaf(id), &transport.der];
            assert_refused(&chain, policy(), ErrorCode::ServiceTypeNotAllowed);
        }
    }

    #[test]
    fn that_cant_be_meant_is_no_policy() {
        let (pki, (root, _)) = (Pki::new(), partner());
        let none: [&str; 0] = [];
        let federate = |name: &str, root: &Ca, allow: &[&str]| {
            refusal(pki.policy().federate(trust_domain(name), &root.pem(), allow))
        };
        let all = ["spiffe://partner.example/**"];
        assert_eq!(federate(PARTNER, &root, &none), ErrorCode::InvalidPolicy);
        assert_eq!(federate(TRUST_DOMAIN, &root, &all), ErrorCode::InvalidPolicy);
        assert_eq!(federate("other.example", &root, &all), ErrorCode::InvalidPolicy);
        assert_eq!(federate(PARTNER, &pki.root, &all), ErrorCode::InvalidPolicy);
        assert_eq!(federate(PARTNER, &root, &["*"]), ErrorCode::InvalidPolicy);
        let twice = federated(&pki, &root, &all).federate(trust_domain(PARTNER), &root.pem(), &all);
        assert_eq!(refusal(twice), ErrorCode::InvalidPolicy);
        let no_roots = pki.policy().federate(trust_domain(PARTNER), "", &all);
        assert_eq!(refusal(no_roots), ErrorCode::MalformedCertificate);
    }
}

mod anchors {
    use super::*;

    #[track_caller]
    fn assert_rejected(builder: SvidPolicyBuilder) {
        assert_eq!(refusal(builder), ErrorCode::AnchorRejected);
    }

    #[test]
    fn are_needed() {
        assert_eq!(refusal(empty_policy()), ErrorCode::InvalidPolicy);
        assert_eq!(refusal(empty_policy().anchors_pem("")), ErrorCode::MalformedCertificate);
        assert_eq!(refusal(empty_policy().anchor_der(b"x")), ErrorCode::MalformedCertificate);
    }

    #[test]
    fn are_no_roots_and_no_leaves() {
        let pki = Pki::new();
        assert_rejected(pki.policy().anchor_der(&pki.root.der));
        assert_rejected(empty_policy().anchor_der_for(&pki.root.der, &[ServiceType::Node]));
        assert_rejected(empty_policy().anchor_der(&pki.services.leaf(NODE)));
        let bundle = certificate_to_pem(&pki.services.der) + &pki.root.pem();
        assert_rejected(empty_policy().anchors_pem(&bundle));
    }

    #[test]
    fn are_not_pinned_themselves_and_name_another_as_their_issuer() {
        let pki = Pki::new();
        let pinned = policy(&pki.services).pinned_root_der(&pki.services.der);
        // Its own subject key identifier as its issuer's.
        let key_id = pki.root.params.key_identifier(&pki.root.key);
        let own_issuer = pki.root.subordinate("CA", |params| {
            params.key_identifier_method = KeyIdMethod::PreSpecified(key_id);
            params.custom_extensions.push(service_types(&[ServiceType::Node]));
        });
        for refused in [pinned, policy(&own_issuer)] {
            let refused = refused.build().unwrap_err();
            assert_eq!(refused.code(), ErrorCode::AnchorRejected);
            assert!(refused.to_string().contains("a root is never a peer's anchor"), "{refused}");
        }
    }

    #[test]
    fn are_of_the_segment() {
        let pki = Pki::new();
        assert_rejected(pki.policy().anchor_der(&pki.transport.der));
        let bare = pki.root.subordinate("Bare CA", |_| {});
        assert_rejected(empty_policy().anchor_der(&bare.der));
        let types = |types: &[ServiceType]| empty_policy().anchor_der_for(&bare.der, types);
        assert!(verify(&[&bare.leaf(NODE)], types(&[ServiceType::Node])).is_ok());
        assert_eq!(refusal(types(&[])), ErrorCode::InvalidPolicy);
        assert_eq!(refusal(types(&[ServiceType::EnvoyApp])), ErrorCode::InvalidPolicy);
    }

    #[test]
    fn are_signed_by_a_pinned_root() {
        let (pki, other) = (Pki::new(), Pki::new());
        assert_rejected(policy(&pki.services).pinned_root_der(&other.root.der));
        assert_rejected(policy(&pki.services).pinned_root_der(&pki.transport.der));
        let mut forged = pki.services.der.clone();
        *forged.last_mut().unwrap() ^= 1;
        assert_rejected(empty_policy().anchor_der(&forged).pinned_root_der(&pki.root.der));

        let p384 = &rcgen::PKCS_ECDSA_P384_SHA384;
        let under = |bend: fn(&mut CertificateParams)| {
            let root = Ca::root_with("Root", p384, bend);
            let ca = root.intermediate(Segment::Services, &NameConstraintMode::None);
            policy(&ca).pinned_root_der(&root.der)
        };
        assert!(under(|_| {}).build().is_ok());
        assert_rejected(under(|p| p.is_ca = IsCa::Ca(BasicConstraints::Constrained(0))));
        assert_rejected(under(|p| p.is_ca = IsCa::ExplicitNoCa));
        assert_rejected(under(|p| p.key_usages = vec![KeyUsagePurpose::CrlSign]));
    }

    #[test]
    fn are_cas_for_the_role() {
        let root = Ca::root("Root");
        let rejected = |bend: fn(&mut CertificateParams)| {
            let ca = root.subordinate("CA", |params| {
                params.custom_extensions.push(service_types(&[ServiceType::Node]));
                bend(params);
            });
            assert_rejected(policy(&ca));
        };
        rejected(|p| p.key_usages = vec![KeyUsagePurpose::CrlSign]);
        rejected(|p| p.is_ca = IsCa::NoCa);
        rejected(|p| p.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth]);
        rejected(|p| {
            p.custom_extensions.push(permitted_uris(&["spiffe://mesh.example.com/node/"]))
        });
        rejected(|p| {
            let mut unknown = CustomExtension::from_oid_content(&[1, 2, 3], vec![5, 0]);
            unknown.set_criticality(true);
            p.custom_extensions.push(unknown);
        });
    }

    #[test]
    fn and_the_rest_of_a_policy_can_be_meant() {
        let pki = Pki::new();
        assert_eq!(refusal(pki.policy().expect_id("node/*")), ErrorCode::InvalidPolicy);
        // A list that is given and empty is nobody; none at all is everybody.
        assert_eq!(refusal(pki.policy().expect_ids([""; 0])), ErrorCode::InvalidPolicy);
        let policy = pki.policy().build().unwrap();
        assert_eq!(policy.with_expected([]).unwrap_err().code(), ErrorCode::InvalidPolicy);
        assert_eq!(
            refusal(pki.policy().expect_id("spiffe://mesh.example.com/*/a")),
            ErrorCode::InvalidPolicy
        );
        assert_eq!(refusal(pki.policy().allow_algorithm(Algorithm::Rsa)), ErrorCode::InvalidPolicy);
    }

    #[test]
    fn and_a_policy_says_for_whom_it_is() {
        let policy = Pki::new().policy().build().unwrap();
        assert_eq!(policy.trust_domain().as_str(), TRUST_DOMAIN);
        assert_eq!(policy.segment(), Segment::Services);
        for (role, word) in [(PeerRole::Client, "client"), (PeerRole::Server, "server")] {
            assert_eq!(role.to_string(), word);
            assert_eq!(word.parse::<PeerRole>().unwrap(), role);
        }
        let neither = "Client".parse::<PeerRole>().unwrap_err();
        assert_eq!(neither.code(), ErrorCode::InvalidArgument);
    }
}

mod mutations {
    use std::sync::LazyLock;

    use proptest::prelude::*;

    use super::*;

    struct Fixture {
        policy: SvidPolicy,
        own: Vec<Vec<u8>>,
        foreign: Vec<Vec<u8>>,
        crl: Vec<u8>,
    }

    static FIXTURE: LazyLock<Fixture> = LazyLock::new(|| {
        let pki = Pki::new();
        let root = Ca::root("Partner Root");
        let ca = root.subordinate("Partner CA", |_| {});
        let policy = pki
            .policy()
            .federate(
                trust_domain("partner.example"),
                &root.pem(),
                &["spiffe://partner.example/**"],
            )
            .build()
            .unwrap();
        let own = vec![pki.services.leaf(NODE), pki.services.der.clone(), pki.root.der.clone()];
        let foreign = vec![ca.leaf("spiffe://partner.example/a"), ca.der.clone()];
        assert!(verify_svid(&own, &policy).is_ok() && verify_svid(&foreign, &policy).is_ok());
        Fixture { policy, own, foreign, crl: pki.services.crl(1, &[&SERIAL]) }
    });

    #[derive(Debug, Clone)]
    enum Edit {
        Set(prop::sample::Index, u8),
        Insert(prop::sample::Index, u8),
        Remove(prop::sample::Index),
        Cut(prop::sample::Index),
    }

    fn edits() -> impl Strategy<Value = Vec<Edit>> {
        let at = || any::<prop::sample::Index>();
        let edit = prop_oneof![
            6 => (at(), any::<u8>()).prop_map(|(at, byte)| Edit::Set(at, byte)),
            1 => (at(), any::<u8>()).prop_map(|(at, byte)| Edit::Insert(at, byte)),
            1 => at().prop_map(Edit::Remove),
            1 => at().prop_map(Edit::Cut),
        ];
        prop::collection::vec(edit, 1..4)
    }

    fn apply(edits: &[Edit], der: &mut Vec<u8>) {
        for edit in edits {
            if der.is_empty() {
                return;
            }
            match edit {
                Edit::Set(at, byte) => *at.get_mut(der) = *byte,
                Edit::Insert(at, byte) => der.insert(at.index(der.len()), *byte),
                Edit::Remove(at) => drop(der.remove(at.index(der.len()))),
                Edit::Cut(at) => der.truncate(at.index(der.len())),
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 4000, ..ProptestConfig::default() })]

        #[test]
        fn of_a_chain_never_panic_and_never_make_another_peer(
            edits in edits(),
            foreign: bool,
            which: prop::sample::Index,
        ) {
            let good = if foreign { &FIXTURE.foreign } else { &FIXTURE.own };
            let mut chain = good.clone();
            apply(&edits, which.get_mut(&mut chain));
            if let Ok(svid) = verify_svid(&chain, &FIXTURE.policy) {
                prop_assert_eq!(&chain[0], &good[0]);
                prop_assert_eq!(svid, verify_svid(good, &FIXTURE.policy).unwrap());
            }
        }

        #[test]
        fn of_anchors_and_lists_never_panic(edits in edits()) {
            let mut anchor = FIXTURE.own[1].clone();
            apply(&edits, &mut anchor);
            let mut crl = FIXTURE.crl.clone();
            apply(&edits, &mut crl);
            let policy = || empty_policy().crl_der(&crl);
            if let Ok(policy) = policy().anchor_der(&anchor).build() {
                let _ = verify_svid(&FIXTURE.own, &policy);
            }
            if let Ok(policy) = policy().anchor_der(&FIXTURE.own[1]).build() {
                let _ = verify_svid(&FIXTURE.own, &policy);
            }
        }

        #[test]
        fn of_nothing_never_panic(chain in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..4)) {
            prop_assert!(verify_svid(&chain, &FIXTURE.policy).is_err());
        }
    }
}
