//! Thousands of inputs that are almost right: seeded, so that a failure comes again. The fuzz
//! targets go further; these run every time.

use std::panic::{AssertUnwindSafe, catch_unwind};

use catalyst_pki::{
    Anchor, Crl, ErrorCode, PathRequest, PeerRole, Segment, ServiceType, SpiffeId, SvidPolicy,
    Timestamp, Usage, WorkloadId, authority::SignRequest, certificate_from_pem,
    certificates_from_pem, generate_key_and_csr, verify_path, verify_svid,
};
use testkit::{
    mesh::{Mesh, TRUST_DOMAIN, config, stored_leaves},
    requests::{dns, extension, from_pem, oids, request, san, to_pem, uri},
    rng::Rng,
    soak,
};

const ID: &str = "spiffe://mesh.example.com/node/node-a";

/// How many mutated inputs; a million in `make soak`.
fn rounds() -> u64 {
    if soak().is_some() { 1_000_000 } else { 10_000 }
}

/// Runs one round; a panic names its seed.
fn round<T>(seed: u64, input: &[u8], call: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|_| {
        panic!("seed {seed} panicked, input: {}", String::from_utf8_lossy(input).escape_debug())
    })
}

#[test]
fn mutated_requests_are_refused_or_the_same_as_before() {
    let mesh = Mesh::new(config());
    let ours = generate_key_and_csr(&ID.parse().unwrap(), &["node-a"]).unwrap().csr_pem;
    let with_extensions = to_pem(&request(&[
        san(&[uri(ID), dns("node-a")]),
        extension(oids::BASIC_CONSTRAINTS, true, &[0x30, 0x00]),
        extension(oids::KEY_USAGE, true, &[0x03, 0x02, 0x07, 0x80]),
    ]));
    let seeds = [ours, with_extensions];
    let mut accepted = 0;
    for seed in 0..rounds() {
        let mut rng = Rng::new(seed);
        let original = &seeds[rng.below(seeds.len())];
        // Three times in four below the PEM, where the parser is.
        let text = if rng.below(4) == 0 {
            let mut text = original.clone().into_bytes();
            rng.mutate(&mut text);
            String::from_utf8_lossy(&text).into_owned()
        } else {
            let mut der = from_pem(original);
            rng.mutate(&mut der);
            to_pem(&der)
        };
        let result = round(seed, text.as_bytes(), || {
            mesh.manager.sign_csr(&SignRequest::new(&text, ServiceType::Node, "node-a"))
        });
        match result {
            // A change to the PEM that its reader overlooks.
            Ok(_) => {
                accepted += 1;
                assert_eq!(from_pem(&text), from_pem(original), "seed {seed}: another request");
            }
            Err(error) => {
                let code = error.code();
                assert!((300..400).contains(&code.number()), "seed {seed}: {code} {error}");
            }
        }
    }
    assert_eq!(stored_leaves(&mesh.manager), accepted);
    let rounds = rounds();
    assert!(accepted < rounds as usize / 50, "{accepted} accepted: what is being mutated?");
    println!("{rounds} mutated requests, {accepted} of them unchanged below the PEM");
}

#[test]
fn mutated_certificates_are_parsed_or_refused() {
    let mesh = Mesh::new(config());
    let pem = mesh.bundle.services_bundle.concat();
    for seed in 0..rounds() {
        let mut bytes = pem.clone().into_bytes();
        Rng::new(seed).mutate(&mut bytes);
        let text = String::from_utf8_lossy(&bytes);
        round(seed, &bytes, || {
            for error in [certificates_from_pem(&text).err(), certificate_from_pem(&text).err()] {
                let code = error.map(|error| error.code());
                assert!(matches!(code, None | Some(ErrorCode::MalformedCertificate)), "{code:?}");
            }
        });
    }
}

#[test]
fn mutated_spiffe_ids_are_valid_or_refused() {
    let ids = [
        ID,
        "spiffe://mesh.example.com/envoy/app/node-a.somebiz.local.io",
        "spiffe://td.example/region/az-1/inst",
        "spiffe://td.example",
    ];
    for seed in 0..10 * rounds() {
        let mut rng = Rng::new(seed);
        let mut bytes = ids[rng.below(ids.len())].as_bytes().to_vec();
        rng.mutate(&mut bytes);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        round(seed, &bytes, || {
            if let Ok(id) = text.parse::<SpiffeId>() {
                assert_eq!(id.to_string(), text);
                assert_eq!(format!("spiffe://{}{}", id.trust_domain(), id.path()), text);
                assert!(text.bytes().all(|b| b.is_ascii_alphanumeric() || b"/:._-".contains(&b)));
            }
            if let Ok(id) = text.parse::<WorkloadId>() {
                let again = WorkloadId::build(
                    id.trust_domain(),
                    id.service_type().as_str(),
                    id.instance_id(),
                );
                assert_eq!(again.as_ref(), Ok(&id));
                assert!(text.parse::<SpiffeId>().is_ok(), "ours, and not the standard's: {text}");
            }
        });
    }
}

#[test]
fn mutated_chains_are_refused_or_the_same_as_before() {
    let mesh = Mesh::new(config());
    let identity = mesh.issue(ServiceType::Node, "node-a");
    let [services, root] = [mesh.intermediate_pem(Segment::Services), mesh.root_pem()]
        .map(|pem| certificate_from_pem(pem).unwrap());
    let original = [identity.der(), services.clone(), root.clone()];
    let policy =
        SvidPolicy::builder(Segment::Services, PeerRole::Client, TRUST_DOMAIN.parse().unwrap())
            .anchor_der(&services)
            .pinned_root_der(&root)
            .build()
            .unwrap();
    let anchors = [Anchor::from_der(&root).unwrap()];
    let now = Timestamp::from_millis(
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis()
            as i64,
    );
    verify_svid(&original, &policy).unwrap();
    for seed in 0..rounds() {
        let mut rng = Rng::new(seed);
        let mut chain = original.clone();
        let at = rng.below(chain.len());
        rng.mutate(&mut chain[at]);
        round(seed, &chain[at].clone(), || {
            // What is sent along beside the leaf opens nothing and closes nothing.
            let untouched = chain[0] == original[0];
            assert_eq!(verify_svid(&chain, &policy).is_ok(), untouched, "seed {seed}");

            let intermediates = [chain[1].as_slice(), &chain[2]];
            let mut request = PathRequest::new(&chain[0], &anchors, now);
            request.intermediates = &intermediates;
            request.usage = Usage::Client;
            let path_untouched = untouched && chain[1] == original[1];
            assert_eq!(verify_path(&request).is_ok(), path_untouched, "seed {seed}");

            // As anchor and as revocation list it is read or refused.
            let _ = Anchor::from_der(&chain[at]);
            assert!(Crl::from_der(&chain[at]).is_err());
        });
    }
}
