//! Our own verifier accepts our own chains in every mode, each in its segment and role, and none
//! of the forged ones that name somebody else.

use catalyst_pki::{ErrorCode, PeerRole, Segment, SvidPolicy, certificate_from_pem, verify_svid};
use testkit::mesh::{Identity, TRUST_DOMAIN};

use crate::world::{Mode, World, world};

fn policy(world: &World, segment: Segment, role: PeerRole) -> SvidPolicy {
    SvidPolicy::builder(segment, role, TRUST_DOMAIN.parse().unwrap())
        .anchors_pem(world.mesh.intermediate_pem(segment))
        .pinned_roots_pem(world.mesh.root_pem())
        .build()
        .unwrap()
}

/// What the identity's service sends: the leaf, and with it the intermediate, and all.
fn chains(world: &World, identity: &Identity) -> [Vec<Vec<u8>>; 3] {
    let intermediate = certificate_from_pem(world.mesh.intermediate_pem(identity.segment)).unwrap();
    let root = certificate_from_pem(world.mesh.root_pem()).unwrap();
    let all = [identity.der(), intermediate, root];
    [1, 2, 3].map(|count| all[..count].to_vec())
}

#[test]
fn our_verifier_accepts_our_chains_in_every_mode() {
    for mode in Mode::ALL {
        let world = world(mode);
        for leaf in &world.leaves {
            for segment in Segment::ALL {
                for (role, fits) in
                    [(PeerRole::Server, true), (PeerRole::Client, leaf.sample.is_client)]
                {
                    for chain in chains(world, &leaf.identity) {
                        let result = verify_svid(&chain, &policy(world, segment, role));
                        let what = format!(
                            "{mode:?} {} as {role:?} in {segment}, {} sent: {result:?}",
                            leaf.sample.service_type,
                            chain.len()
                        );
                        match result {
                            Ok(svid) => {
                                assert!(fits && segment == leaf.identity.segment, "{what}");
                                assert_eq!(svid.spiffe_id.as_str(), leaf.sample.spiffe_id());
                            }
                            Err(error) if segment == leaf.identity.segment => {
                                assert!(!fits, "{what}");
                                assert_eq!(error.code(), ErrorCode::UsageNotAllowed, "{what}");
                            }
                            Err(error) => {
                                let codes =
                                    [ErrorCode::UntrustedIssuer, ErrorCode::UsageNotAllowed];
                                assert!(codes.contains(&error.code()), "{what}");
                            }
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn our_verifier_refuses_what_a_stolen_key_has_signed_for_others() {
    for mode in Mode::ALL {
        let world = world(mode);
        let policy = policy(world, Segment::Services, PeerRole::Server);
        for forged in world.forged("ours") {
            let result = verify_svid(&[forged.identity.der()], &policy).map_err(|e| e.code());
            let expected = match forged.what {
                // The URI alone names a peer, so it is looked at in every mode.
                "foreign trust domain" => Some(ErrorCode::ForeignTrustDomain),
                _ if forged.has_allowed_names => None,
                _ => Some(ErrorCode::NameConstraintViolated),
            };
            assert_eq!(result.as_ref().err(), expected.as_ref(), "{mode:?} {}", forged.what);
        }
        // The path rule, which X.509 can't express: a Services CA vouches for no Envoy.
        let envoy = format!("spiffe://{TRUST_DOMAIN}/envoy/app/node-a.somebiz.local.io");
        let forged = world.mesh.forge(Segment::Services, &envoy, &["node-a.somebiz.local.io"]);
        let error = verify_svid(&[forged.der()], &policy).unwrap_err();
        assert_eq!(error.code(), ErrorCode::ServiceTypeNotAllowed, "{mode:?}");
    }
}
