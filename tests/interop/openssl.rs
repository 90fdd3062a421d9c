//! OpenSSL: prints every certificate without complaint, verifies every chain with its strict
//! checks, and enforces the name constraints.

use std::path::Path;

use catalyst_pki::Segment;
use testkit::tools::{Ended, program, run};

use crate::world::{Mode, World, world};

fn openssl(arguments: &[&str]) -> Ended {
    run(&program("openssl"), arguments)
}

#[test]
fn openssl_prints_every_certificate_without_complaint() {
    for mode in Mode::ALL {
        let world = world(mode);
        let cas = [
            world.root(),
            world.intermediate(Segment::Services),
            world.intermediate(Segment::Transport),
        ];
        for file in cas.iter().chain(world.leaves.iter().map(|leaf| &leaf.file)) {
            let ended = openssl(&["x509", "-text", "-noout", "-in", file.to_str().unwrap()]);
            assert!(ended.success && ended.stderr.is_empty(), "{}: {ended:?}", file.display());
            for complaint in ["Unable", "unable", "INVALID", "<unsupported>", "Error", "error"] {
                assert!(!ended.stdout.contains(complaint), "{}: {}", file.display(), ended.stdout);
            }
        }
    }
}

/// How a chain is anchored.
#[derive(Debug, Clone, Copy)]
enum Anchor {
    Root,
    /// As peers do it.
    Intermediate,
}

fn verify(world: &World, anchor: Anchor, segment: Segment, purpose: &str, leaf: &Path) -> Ended {
    let (root, intermediate) = (world.root(), world.intermediate(segment));
    let (root, intermediate) = (root.to_str().unwrap(), intermediate.to_str().unwrap());
    let mut arguments = vec!["verify", "-x509_strict", "-no-CApath", "-no-CAstore"];
    match anchor {
        Anchor::Root => arguments.extend(["-CAfile", root, "-untrusted", intermediate]),
        Anchor::Intermediate => arguments.extend(["-partial_chain", "-trusted", intermediate]),
    }
    arguments.extend(["-purpose", purpose, leaf.to_str().unwrap()]);
    openssl(&arguments)
}

const ANCHORS: [Anchor; 2] = [Anchor::Root, Anchor::Intermediate];

#[test]
fn openssl_verifies_leaves_whose_names_the_constraints_do_not_permit() {
    let world = world(Mode::Dns);
    for (identity, file) in world.named_elsewhere("openssl") {
        for anchor in ANCHORS {
            let ended = verify(world, anchor, identity.segment, "sslserver", &file);
            assert!(ended.success && ended.stderr.is_empty(), "{anchor:?} {file:?}: {ended:?}");
        }
    }
}

#[test]
fn openssl_verifies_every_chain_for_the_purposes_of_its_profile() {
    for mode in Mode::ALL {
        let world = world(mode);
        for leaf in &world.leaves {
            for anchor in ANCHORS {
                let segment = leaf.identity.segment;
                let server = verify(world, anchor, segment, "sslserver", &leaf.file);
                let what = format!("{mode:?} {anchor:?} {}", leaf.sample.service_type);
                assert!(server.success && server.stderr.is_empty(), "{what}: {server:?}");
                let client = verify(world, anchor, segment, "sslclient", &leaf.file);
                assert_eq!(client.success, leaf.sample.is_client, "{what}: {client:?}");
                if !leaf.sample.is_client {
                    assert!(client.stderr.contains("unsuitable certificate purpose"), "{client:?}");
                }
            }
        }
        for segment in Segment::ALL {
            let (root, intermediate) = (world.root(), world.intermediate(segment));
            let ended = openssl(&[
                "verify",
                "-x509_strict",
                "-no-CApath",
                "-CAfile",
                root.to_str().unwrap(),
                intermediate.to_str().unwrap(),
            ]);
            assert!(ended.success && ended.stderr.is_empty(), "{segment}: {ended:?}");
        }
    }
}

#[test]
fn openssl_refuses_the_other_segment() {
    let world = world(Mode::TrustDomain);
    for leaf in &world.leaves {
        let other = match leaf.identity.segment {
            Segment::Services => Segment::Transport,
            Segment::Transport => Segment::Services,
        };
        let ended = verify(world, Anchor::Intermediate, other, "sslserver", &leaf.file);
        assert!(!ended.success, "{}: {ended:?}", leaf.sample.service_type);
    }
}

#[test]
fn openssl_enforces_the_name_constraints() {
    for mode in Mode::ALL {
        let world = world(mode);
        for forged in world.forged("openssl") {
            for anchor in ANCHORS {
                let ended = verify(world, anchor, Segment::Services, "sslserver", &forged.file);
                let what = format!("{mode:?} {anchor:?} {}: {ended:?}", forged.what);
                assert_eq!(ended.success, forged.has_allowed_names, "{what}");
                if !forged.has_allowed_names {
                    assert!(ended.stderr.contains("permitted subtree violation"), "{what}");
                }
            }
        }
    }
}
