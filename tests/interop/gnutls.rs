//! GnuTLS accepts every chain. It doesn't enforce constraints on URIs, those on DNS names it does.

use std::path::Path;

use catalyst_pki::Segment;
use testkit::tools::{Ended, program, run};

use crate::world::{Mode, world};

const SERVER_AUTH: &str = "1.3.6.1.5.5.7.3.1";
const CLIENT_AUTH: &str = "1.3.6.1.5.5.7.3.2";

fn certtool(anchor: &Path, purpose: &str, chain: &Path) -> Ended {
    let (anchor, chain) = (anchor.to_str().unwrap(), chain.to_str().unwrap());
    run(
        &program("certtool"),
        [
            "--verify",
            "--load-ca-certificate",
            anchor,
            "--verify-purpose",
            purpose,
            "--infile",
            chain,
        ],
    )
}

fn accepts(ended: &Ended) -> bool {
    ended.success && ended.stdout.contains("Verified. The certificate is trusted.")
}

#[test]
fn gnutls_accepts_every_chain() {
    for mode in Mode::ALL {
        let world = world(mode);
        for leaf in &world.leaves {
            let segment = leaf.identity.segment;
            let name = leaf.sample.service_type.as_str().replace('/', "-");
            let chain = world.write(
                &format!("{name}-chain.pem"),
                &[&leaf.identity.certificate_pem, world.mesh.intermediate_pem(segment)]
                    .map(String::from)
                    .concat(),
            );
            for (anchor, chain) in
                [(world.root(), &chain), (world.intermediate(segment), &leaf.file)]
            {
                let what = format!("{mode:?} {name} to {}", anchor.display());
                let server = certtool(&anchor, SERVER_AUTH, chain);
                assert!(accepts(&server), "{what}: {server:?}");
                let client = certtool(&anchor, CLIENT_AUTH, chain);
                assert_eq!(accepts(&client), leaf.sample.is_client, "{what}: {client:?}");
            }
        }
    }
}

#[test]
fn gnutls_accepts_leaves_whose_names_the_constraints_do_not_permit() {
    let world = world(Mode::Dns);
    for (identity, file) in world.named_elsewhere("gnutls") {
        let name = file.file_stem().unwrap().to_str().unwrap();
        let issuer = world.mesh.intermediate_pem(identity.segment);
        let chain = format!("{}{issuer}", identity.certificate_pem);
        let chain = world.write(&format!("{name}-chain.pem"), &chain);
        let ended = certtool(&world.root(), SERVER_AUTH, &chain);
        assert!(accepts(&ended), "{name}: {ended:?}");
    }
}

#[test]
fn gnutls_enforces_constraints_on_dns_names_and_overlooks_those_on_uris() {
    for mode in Mode::ALL {
        let world = world(mode);
        for forged in world.forged("gnutls") {
            let chain = world.write(
                &format!("forged-for-gnutls-{}-chain.pem", forged.what.replace(' ', "-")),
                &format!(
                    "{}{}",
                    forged.identity.certificate_pem,
                    world.mesh.intermediate_pem(Segment::Services)
                ),
            );
            let ended = certtool(&world.root(), SERVER_AUTH, &chain);
            let expected = forged.has_allowed_names || mode == Mode::TrustDomain;
            assert_eq!(accepts(&ended), expected, "{mode:?} {}: {ended:?}", forged.what);
        }
    }
}
