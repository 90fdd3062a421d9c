//! rustls with its own verifiers, nothing of ours: whole handshakes with mutual TLS, in memory.

use std::{
    io::{Read, Write},
    sync::Arc,
};

use catalyst_pki::Segment;
use rustls::{
    CertificateError, ClientConfig, ClientConnection, Error, RootCertStore, ServerConfig,
    ServerConnection,
    client::WebPkiServerVerifier,
    crypto::{CryptoProvider, aws_lc_rs},
    server::WebPkiClientVerifier,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use testkit::mesh::Identity;

use crate::world::{Mode, World, world};

/// What a peer trusts.
#[derive(Debug, Clone, Copy)]
enum Anchor {
    Root,
    Intermediate(Segment),
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

fn store(world: &World, anchor: Anchor) -> Arc<RootCertStore> {
    let pem = match anchor {
        Anchor::Root => world.mesh.root_pem(),
        Anchor::Intermediate(segment) => world.mesh.intermediate_pem(segment),
    };
    let mut store = RootCertStore::empty();
    store.add(CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()).unwrap();
    Arc::new(store)
}

/// The leaf with its intermediate, as a service sends it, and the key.
fn credentials(
    world: &World,
    identity: &Identity,
) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
    let pem = [&identity.certificate_pem, world.mesh.intermediate_pem(identity.segment)];
    let chain =
        pem.iter().map(|pem| CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()).collect();
    (chain, PrivateKeyDer::from_pem_slice(identity.key_pem.as_bytes()).unwrap())
}

fn server(world: &World, anchor: Anchor, identity: &Identity) -> ServerConnection {
    let verifier =
        WebPkiClientVerifier::builder_with_provider(store(world, anchor), provider()).build();
    let (chain, key) = credentials(world, identity);
    let config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier.unwrap())
        .with_single_cert(chain, key)
        .unwrap();
    ServerConnection::new(Arc::new(config)).unwrap()
}

fn client(world: &World, anchor: Anchor, identity: &Identity, host: &str) -> ClientConnection {
    let verifier =
        WebPkiServerVerifier::builder_with_provider(store(world, anchor), provider()).build();
    let (chain, key) = credentials(world, identity);
    let config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_webpki_verifier(verifier.unwrap())
        .with_client_auth_cert(chain, key)
        .unwrap();
    ClientConnection::new(Arc::new(config), host.to_owned().try_into().unwrap()).unwrap()
}

/// Who refused, and why.
#[derive(Debug, PartialEq)]
enum Refusal {
    Client(Error),
    Server(Error),
}

/// Speaks TLS between both until each has read what the other said.
fn talk(mut client: ClientConnection, mut server: ServerConnection) -> Result<(), Refusal> {
    client.writer().write_all(b"hello").unwrap();
    server.writer().write_all(b"welcome").unwrap();
    let (mut at_client, mut at_server) = (Vec::new(), Vec::new());
    for _ in 0..20 {
        let mut wire = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut wire).unwrap();
        }
        let mut wire = wire.as_slice();
        while !wire.is_empty() {
            server.read_tls(&mut wire).unwrap();
            server.process_new_packets().map_err(Refusal::Server)?;
        }
        let mut wire = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut wire).unwrap();
        }
        let mut wire = wire.as_slice();
        while !wire.is_empty() {
            client.read_tls(&mut wire).unwrap();
            client.process_new_packets().map_err(Refusal::Client)?;
        }
        let mut buffer = [0; 64];
        if let Ok(count) = client.reader().read(&mut buffer) {
            at_client.extend_from_slice(&buffer[..count]);
        }
        if let Ok(count) = server.reader().read(&mut buffer) {
            at_server.extend_from_slice(&buffer[..count]);
        }
        if at_client == b"welcome" && at_server == b"hello" {
            return Ok(());
        }
    }
    panic!("neither error nor data: {at_client:?} {at_server:?}");
}

/// Every server with every client of its segment.
fn pairs(world: &World) -> impl Iterator<Item = (usize, usize)> {
    let segments: Vec<_> = world.leaves.iter().map(|leaf| leaf.identity.segment).collect();
    let count = segments.len();
    (0..count * count)
        .map(move |at| (at / count, at % count))
        .filter(move |(server, client)| segments[*server] == segments[*client])
}

#[test]
fn stock_rustls_accepts_every_chain_without_uri_constraints() {
    for mode in [Mode::None, Mode::Dns] {
        let world = world(mode);
        for (server_at, client_at) in pairs(world) {
            let (s, c) = (&world.leaves[server_at], &world.leaves[client_at]);
            for anchor in [Anchor::Root, Anchor::Intermediate(s.identity.segment)] {
                let result = talk(
                    client(world, anchor, &c.identity, s.sample.dns_names[0]),
                    server(world, anchor, &s.identity),
                );
                let what = format!(
                    "{mode:?} {anchor:?}: {} to {}",
                    c.sample.service_type, s.sample.service_type
                );
                match (c.sample.is_client, result) {
                    (true, result) => assert_eq!(result, Ok(()), "{what}"),
                    (false, Err(Refusal::Server(Error::InvalidCertificate(_)))) => {}
                    (false, other) => panic!("{what}: {other:?}"),
                }
            }
        }
    }
}

#[test]
fn stock_rustls_refuses_the_other_segment_and_names_that_are_not_the_leafs() {
    let world = world(Mode::None);
    let [node, envoy] = [&world.leaves[2], &world.leaves[4]];
    let anchor = Anchor::Intermediate(Segment::Services);
    let host = node.sample.dns_names[0];

    let result =
        talk(client(world, anchor, &envoy.identity, host), server(world, anchor, &node.identity));
    let unknown = Error::InvalidCertificate(CertificateError::UnknownIssuer);
    assert_eq!(result, Err(Refusal::Server(unknown.clone())));

    let result = talk(
        client(world, anchor, &node.identity, envoy.sample.dns_names[0]),
        server(world, anchor, &envoy.identity),
    );
    assert_eq!(result, Err(Refusal::Client(unknown)));

    let result = talk(
        client(world, anchor, &node.identity, "shop.example.net"),
        server(world, anchor, &node.identity),
    );
    assert!(matches!(result, Err(Refusal::Client(Error::InvalidCertificate(_)))), "{result:?}");
}

/// Why mode `none` exists. When this fails, stock rustls has learnt URI constraints: then say so in
/// the documentation.
#[test]
fn stock_rustls_refuses_every_chain_with_uri_constraints() {
    let world = world(Mode::TrustDomain);
    for (server_at, client_at) in pairs(world) {
        let (s, c) = (&world.leaves[server_at], &world.leaves[client_at]);
        for anchor in [Anchor::Root, Anchor::Intermediate(s.identity.segment)] {
            let result = talk(
                client(world, anchor, &c.identity, s.sample.dns_names[0]),
                server(world, anchor, &s.identity),
            );
            assert!(
                matches!(result, Err(Refusal::Client(Error::InvalidCertificate(_)))),
                "{anchor:?} {}: {result:?}",
                s.sample.service_type
            );
        }
    }
}

#[test]
fn stock_rustls_enforces_constraints_on_dns_names() {
    for mode in [Mode::None, Mode::Dns] {
        let world = world(mode);
        let node = &world.leaves[2];
        for forged in world.forged("rustls") {
            for anchor in [Anchor::Root, Anchor::Intermediate(Segment::Services)] {
                let result = talk(
                    client(world, anchor, &forged.identity, node.sample.dns_names[0]),
                    server(world, anchor, &node.identity),
                );
                let what = format!("{mode:?} {anchor:?} {}: {result:?}", forged.what);
                assert_eq!(result.is_ok(), forged.has_allowed_names, "{what}");
                assert!(matches!(result, Ok(()) | Err(Refusal::Server(_))), "{what}");
            }
        }
    }
}
