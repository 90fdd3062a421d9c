//! Whole handshakes: who is let in, what the other side is told, what changes while it runs.
#![cfg(feature = "tls")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::{
    io::{ErrorKind, Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::Arc,
    thread,
};

use catalyst_pki::{
    Algorithm, Denied, Error, ErrorCode, ManualClock, PeerRole, Result, Segment, ServiceType,
    SvidPolicy, SvidPolicyBuilder, Timestamp, fingerprint,
    tls::{
        Current, TlsClient, TlsConnection, TlsGroup, TlsIdentity, TlsServer, TlsSettings,
        TlsStream, TlsVersion,
    },
    verify_svid,
};
use rcgen::{
    CertificateParams, ExtendedKeyUsagePurpose, KeyPair, PKCS_ECDSA_P256_SHA256,
    PKCS_ECDSA_P384_SHA384, PKCS_ED25519, PKCS_RSA_SHA256, SignatureAlgorithm,
};
use rustls::{
    ClientConfig, ClientConnection, HandshakeKind, ServerConfig, ServerConnection,
    client::{
        ClientSessionMemoryCache, Resumption,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::aws_lc_rs,
    sign::{CertifiedKey, SingleCertAndKey},
};
use rustls_pki_types::{PrivateKeyDer, pem::PemObject};
use testkit::{
    events::Events,
    hierarchy::{
        Ca, ENVOY, NODE, NOW, Pki, SERIAL, TRUST_DOMAIN, dns, timestamp, trust_domain, uri,
    },
};
use time::Duration;

const ORCHESTRATOR: &str = "spiffe://mesh.example.com/orchestrator/node-a";

fn tls13() -> TlsSettings {
    TlsSettings::default()
}

fn key(algorithm: &'static SignatureAlgorithm) -> KeyPair {
    KeyPair::generate_for(algorithm).unwrap()
}

/// Certificates and key in PEM.
fn pems(ca: &Ca, id: &str, bend: impl FnOnce(&mut CertificateParams)) -> (String, String) {
    let key = key(&PKCS_ECDSA_P384_SHA384);
    let leaf = catalyst_pki::certificate_to_pem(&ca.leaf_for(id, &key, bend));
    (leaf + &ca.pem(), key.serialize_pem())
}

fn identity_with(ca: &Ca, id: &str, bend: impl FnOnce(&mut CertificateParams)) -> TlsIdentity {
    let (chain, key) = pems(ca, id, bend);
    TlsIdentity::from_pem(&chain, &key).unwrap()
}

fn identity(ca: &Ca, id: &str) -> TlsIdentity {
    identity_with(ca, id, |_| {})
}

/// For clients of a segment.
fn clients(pki: &Pki, segment: Segment) -> SvidPolicyBuilder {
    policy(pki, segment, PeerRole::Client)
}

/// For the servers that these IDs match.
fn servers(pki: &Pki, segment: Segment, expected: &str) -> SvidPolicyBuilder {
    policy(pki, segment, PeerRole::Server).expect_id(expected)
}

fn policy(pki: &Pki, segment: Segment, role: PeerRole) -> SvidPolicyBuilder {
    SvidPolicy::builder(segment, role, trust_domain(TRUST_DOMAIN))
        .at(timestamp(NOW))
        .anchor_der(&ca(pki, segment).der)
        .pinned_root_der(&pki.root.der)
}

fn ca(pki: &Pki, segment: Segment) -> &Ca {
    match segment {
        Segment::Services => &pki.services,
        Segment::Transport => &pki.transport,
    }
}

/// A server and a client of the control plane that take each other.
fn server(pki: &Pki) -> TlsServer {
    let policy = clients(pki, Segment::Services).build().unwrap();
    TlsServer::new(identity(&pki.services, ORCHESTRATOR), policy, &tls13()).unwrap()
}

fn client_as(pki: &Pki, identity: TlsIdentity) -> TlsClient {
    let policy = servers(pki, Segment::Services, ORCHESTRATOR).build().unwrap();
    TlsClient::new(identity, policy, &tls13()).unwrap()
}

fn client(pki: &Pki) -> TlsClient {
    client_as(pki, identity(&pki.services, NODE))
}

/// Carries bytes between both ends until neither has more to say. What each found.
fn shake(client: &mut TlsConnection, server: &mut TlsConnection) -> (Result<()>, Result<()>) {
    let (mut at_client, mut at_server) = (Ok(()), Ok(()));
    while carry(client, server, &mut at_server) | carry(server, client, &mut at_client) {}
    (at_client, at_server)
}

fn carry(from: &mut TlsConnection, to: &mut TlsConnection, found: &mut Result<()>) -> bool {
    let mut wire = Vec::new();
    while from.wants_write() {
        from.write_tls(&mut wire).unwrap();
    }
    let mut rest = wire.as_slice();
    while !rest.is_empty() && found.is_ok() {
        to.read_tls(&mut rest).unwrap();
        *found = to.process().map(drop);
    }
    !wire.is_empty()
}

/// A handshake that must succeed.
fn connected(client: &TlsClient, server: &TlsServer) -> (TlsConnection, TlsConnection) {
    let (mut client, mut server) = (client.connection().unwrap(), server.connection().unwrap());
    assert_eq!(shake(&mut client, &mut server), (Ok(()), Ok(())));
    say(&mut client, &mut server, b"hello");
    say(&mut server, &mut client, b"welcome");
    (client, server)
}

fn say(from: &mut TlsConnection, to: &mut TlsConnection, words: &[u8]) {
    assert_eq!(from.write(words).unwrap(), words.len());
    let mut found = Ok(());
    carry(from, to, &mut found);
    assert_eq!(found, Ok(()));
    let mut heard = vec![0; words.len() + 1];
    let count = to.read(&mut heard).unwrap();
    assert_eq!(&heard[..count], words);
}

/// What each side finds when one refuses the other: its error, and the alert that the other got.
fn refused(client: &TlsClient, server: &TlsServer) -> (Error, Error) {
    let (mut client, mut server) = (client.connection().unwrap(), server.connection().unwrap());
    let (at_client, at_server) = shake(&mut client, &mut server);
    assert!(client.peer().is_none() || server.peer().is_none());
    (at_client.unwrap_err(), at_server.unwrap_err())
}

fn alert(name: &str) -> Error {
    Error::TlsRefusedByPeer(name.into())
}

fn server_refuses(client: &TlsClient, server: &TlsServer, code: ErrorCode, name: &str) {
    let (at_client, at_server) = refused(client, server);
    assert_eq!((at_server.code(), at_client), (code, alert(name)), "{at_server}");
}

fn client_refuses(client: &TlsClient, server: &TlsServer, code: ErrorCode, name: &str) {
    let (at_client, at_server) = refused(client, server);
    assert_eq!((at_client.code(), at_server), (code, alert(name)), "{at_client}");
}

fn id_of(connection: &TlsConnection) -> &str {
    connection.peer().unwrap().svid().spiffe_id.as_str()
}

fn code(result: Result<impl std::fmt::Debug>) -> ErrorCode {
    result.unwrap_err().code()
}

fn node_denied() -> Denied {
    let mut denied = Denied::default();
    denied.deny_identity(NODE).unwrap();
    denied
}

fn no_client(params: &mut CertificateParams) {
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
}

#[test]
fn every_service_is_taken_by_every_one_of_its_segment_as_whom_it_is() {
    let pki = Pki::new();
    let named = |service: &ServiceType| format!("spiffe://{TRUST_DOMAIN}/{service}/one");
    for segment in Segment::ALL {
        let ca = ca(&pki, segment);
        for serving in segment.service_types() {
            let policy = clients(&pki, segment).build().unwrap();
            let server = TlsServer::new(identity(ca, &named(serving)), policy, &tls13()).unwrap();
            for calling in segment.service_types() {
                let policy = servers(&pki, segment, &named(serving)).build().unwrap();
                // A gateway is nobody's client.
                let is_client = *calling != ServiceType::Gateway;
                let bend = if is_client { |_: &mut _| {} } else { no_client };
                let identity = identity_with(ca, &named(calling), bend);
                let fingerprint = identity.fingerprint();
                let client = TlsClient::new(identity, policy, &tls13()).unwrap();
                if !is_client {
                    let code = ErrorCode::UsageNotAllowed;
                    server_refuses(&client, &server, code, "unsupported_certificate");
                    continue;
                }
                let (at_client, at_server) = connected(&client, &server);
                assert_eq!(id_of(&at_client), named(serving));
                assert_eq!(id_of(&at_server), named(calling));
                let svid = at_server.peer().unwrap().svid();
                assert_eq!(svid.service_type, Some(*calling));
                assert_eq!(svid.fingerprint, fingerprint);
                assert_eq!(at_server.shown_chain(), at_server.peer().unwrap().chain());
                for side in [&at_client, &at_server] {
                    assert_eq!(side.version(), Some(TlsVersion::Tls13));
                    assert_eq!(side.group(), Some(TlsGroup::X25519MlKem768));
                }
            }
        }
    }
}

#[test]
fn a_client_is_refused_by_its_error_here_and_its_alert_there() {
    let (pki, other) = (Pki::new(), Pki::new());
    let good = || clients(&pki, Segment::Services);
    let own = |id: &str| identity(&pki.services, id);
    let during = |begin: i64, end: i64| {
        identity_with(&pki.services, NODE, |params| {
            params.not_before = NOW + Duration::seconds(begin);
            params.not_after = NOW + Duration::seconds(end);
        })
    };
    let foreign = "spiffe://rogue.example.org/node/node-a";
    let denied_id = node_denied();
    let mut denied_serial = Denied::default();
    denied_serial.deny_serial(&pki.services.key_id_hex(), "5e121a01").unwrap();
    let old = pki.services.crl_with(|list, _| list.next_update = NOW - Duration::MINUTE);
    let revoked = pki.services.crl(1, &[&SERIAL]);
    let no_issuer = pki.root.crl(1, &[&pki.services.serial()]);

    type Case = (&'static str, TlsIdentity, SvidPolicyBuilder, ErrorCode, &'static str);
    let cases: Vec<Case> = vec![
        (
            "other segment",
            identity(&pki.transport, ENVOY),
            good(),
            ErrorCode::UntrustedIssuer,
            "unknown_ca",
        ),
        (
            "other hierarchy of the same names",
            identity(&other.services, NODE),
            good(),
            ErrorCode::UntrustedIssuer,
            "unknown_ca",
        ),
        ("other trust domain", own(foreign), good(), ErrorCode::ForeignTrustDomain, "unknown_ca"),
        (
            "a type of the other segment",
            own(ENVOY),
            good(),
            ErrorCode::ServiceTypeNotAllowed,
            "unknown_ca",
        ),
        ("ended", during(-3600, -1), good(), ErrorCode::CertificateExpired, "certificate_expired"),
        (
            "to begin",
            during(1, 3600),
            good(),
            ErrorCode::CertificateNotYetValid,
            "certificate_expired",
        ),
        (
            "denied",
            own(NODE),
            good().denied(denied_id),
            ErrorCode::IdentityDenied,
            "certificate_revoked",
        ),
        (
            "serial denied",
            own(NODE),
            good().denied(denied_serial),
            ErrorCode::SerialDenied,
            "certificate_revoked",
        ),
        (
            "revoked",
            own(NODE),
            good().crl_der(&revoked),
            ErrorCode::CertificateRevoked,
            "certificate_revoked",
        ),
        (
            "issuer revoked",
            own(NODE),
            good().crl_der(&no_issuer),
            ErrorCode::IssuerRevoked,
            "certificate_revoked",
        ),
        (
            "list out of date",
            own(NODE),
            good().crl_der(&old),
            ErrorCode::CrlInvalid,
            "certificate_unknown",
        ),
        (
            "no list where one is due",
            own(NODE),
            good().require_crl(),
            ErrorCode::RevocationUnknown,
            "certificate_unknown",
        ),
        (
            "unexpected",
            own(NODE),
            good().expect_id(ORCHESTRATOR),
            ErrorCode::UnexpectedPeer,
            "access_denied",
        ),
    ];
    for (what, identity, policy, code, name) in cases {
        println!("{what}");
        let server = TlsServer::new(own(ORCHESTRATOR), policy.build().unwrap(), &tls13()).unwrap();
        server_refuses(&client_as(&pki, identity), &server, code, name);
    }
}

#[test]
fn a_server_is_refused_by_its_error_here_and_its_alert_there() {
    let pki = Pki::new();
    let serve = |identity| {
        let policy = clients(&pki, Segment::Services).build().unwrap();
        TlsServer::new(identity, policy, &tls13()).unwrap()
    };
    let client = client(&pki);
    let ended = identity_with(&pki.services, ORCHESTRATOR, |params| {
        params.not_after = NOW - Duration::SECOND;
    });
    for (identity, code, name) in [
        (identity(&pki.services, NODE), ErrorCode::UnexpectedPeer, "access_denied"),
        (identity(&pki.transport, ENVOY), ErrorCode::UntrustedIssuer, "unknown_ca"),
        (ended, ErrorCode::CertificateExpired, "certificate_expired"),
    ] {
        client_refuses(&client, &serve(identity), code, name);
    }
    // Who it is stands in no DNS name, and no DNS name makes it another.
    let named = identity_with(&pki.services, ORCHESTRATOR, |params| {
        params.subject_alt_names.push(dns("elsewhere.example.net"));
    });
    let client = client.sni("orchestrator.example.net").unwrap();
    connected(&client, &serve(named));
    assert_eq!(code(client.sni("no name!")), ErrorCode::InvalidArgument);
}

#[test]
fn what_a_peer_sends_along_is_no_anchor() {
    let pki = Pki::new();
    let key = key(&PKCS_ECDSA_P384_SHA384);
    let leaf = pki.transport.leaf_for(ENVOY, &key, |_| {});
    let chain = [leaf, pki.transport.der.clone(), pki.root.der.clone()];
    let envoy = TlsIdentity::from_der(&chain, &key.serialize_der()).unwrap();
    let client = client_as(&pki, envoy);
    server_refuses(&client, &server(&pki), ErrorCode::UntrustedIssuer, "unknown_ca");
}

/// A client that shows what no [`TlsIdentity`] would.
fn hostile(pki: &Pki, leaf: Vec<u8>, key: &KeyPair) -> ClientConnection {
    let policy = servers(pki, Segment::Services, ORCHESTRATOR).build().unwrap();
    let client = TlsClient::without_identity(policy, &tls13()).unwrap();
    let mut config = ClientConfig::clone(&client.rustls().unwrap().config());
    let key = PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes()).unwrap();
    let key = aws_lc_rs::sign::any_supported_type(&key).unwrap();
    let shown = CertifiedKey::new(vec![leaf.into()], key);
    config.client_auth_cert_resolver = Arc::new(SingleCertAndKey::from(shown));
    ClientConnection::new(Arc::new(config), "localhost".try_into().unwrap()).unwrap()
}

#[test]
fn certificates_that_are_no_svid_or_another_s_are_refused() {
    let pki = Pki::new();
    let own = key(&PKCS_ECDSA_P384_SHA384);
    let two = pki.services.leaf_for(NODE, &own, |params| {
        params.subject_alt_names.push(uri(ORCHESTRATOR));
    });
    let none = pki.services.leaf_for(NODE, &own, |params| {
        params.subject_alt_names = vec![dns("node-a.example.net")];
    });
    let stolen = pki.services.leaf(NODE);
    for (leaf, code, name) in [
        (two, ErrorCode::SpiffeIdNotUnique, "BadCertificate"),
        (none, ErrorCode::SpiffeIdMissing, "BadCertificate"),
        (pki.services.der.clone(), ErrorCode::CaUsedAsLeaf, "BadCertificate"),
        (b"no certificate".to_vec(), ErrorCode::MalformedCertificate, "BadCertificate"),
        (stolen, ErrorCode::TlsHandshakeFailed, "DecryptError"),
    ] {
        let mut client = hostile(&pki, leaf, &own);
        let mut server = server(&pki).connection().unwrap();
        let (at_client, at_server) = shake_stock(&mut client, &mut server);
        assert_eq!(at_server.unwrap_err().code(), code);
        assert!(at_client.unwrap_err().to_string().contains(name), "{code}");
        assert!(server.peer().is_none());
    }
}

/// As [`shake`], with a client of rustls alone.
fn shake_stock(
    client: &mut ClientConnection,
    server: &mut TlsConnection,
) -> (Result<(), rustls::Error>, Result<()>) {
    let (mut at_client, mut at_server) = (Ok(()), Ok(()));
    loop {
        let (mut wire, mut back) = (Vec::new(), Vec::new());
        while client.wants_write() {
            client.write_tls(&mut wire).unwrap();
        }
        let mut rest = wire.as_slice();
        while !rest.is_empty() && at_server.is_ok() {
            server.read_tls(&mut rest).unwrap();
            at_server = server.process().map(drop);
        }
        while server.wants_write() {
            server.write_tls(&mut back).unwrap();
        }
        let mut rest = back.as_slice();
        while !rest.is_empty() && at_client.is_ok() {
            client.read_tls(&mut rest).unwrap();
            at_client = client.process_new_packets().map(drop);
        }
        if wire.is_empty() && back.is_empty() {
            return (at_client, at_server);
        }
    }
}

#[test]
fn a_client_without_certificate_is_taken_where_that_was_said_and_nowhere_else() {
    let pki = Pki::new();
    let policy = servers(&pki, Segment::Services, ORCHESTRATOR).build().unwrap();
    let nobody = TlsClient::without_identity(policy, &tls13()).unwrap();
    let strict = server(&pki);
    let code = ErrorCode::ClientCertificateMissing;
    server_refuses(&nobody, &strict, code, "certificate_required");

    let open = strict.allow_clients_without_certificate();
    let (at_client, at_server) = connected(&nobody, &open);
    assert_eq!(id_of(&at_client), ORCHESTRATOR);
    assert!(at_server.peer().is_none() && at_server.shown_chain().is_empty());
    // Who shows one is verified all the same.
    assert_eq!(id_of(&connected(&client(&pki), &open).1), NODE);
    let envoy = client_as(&pki, identity(&pki.transport, ENVOY));
    server_refuses(&envoy, &open, ErrorCode::UntrustedIssuer, "unknown_ca");
}

#[test]
fn a_server_that_is_not_verified_can_be_afterwards() {
    let pki = Pki::new();
    let open = server(&pki).allow_clients_without_certificate();
    let (at_client, _) = connected(&TlsClient::unverified(&tls13()).unwrap(), &open);
    assert!(at_client.peer().is_none());
    let policy = servers(&pki, Segment::Services, ORCHESTRATOR).build().unwrap();
    let svid = verify_svid(&at_client.shown_chain(), &policy).unwrap();
    assert_eq!(svid.spiffe_id.as_str(), ORCHESTRATOR);
}

#[test]
fn the_clients_of_two_segments_are_taken_and_a_denial_in_one_counts() {
    let pki = Pki::new();
    let transport = Current::new(clients(&pki, Segment::Transport).build().unwrap());
    let server = server(&pki).or_clients_of(transport.clone()).unwrap();
    let policy = || servers(&pki, Segment::Services, ORCHESTRATOR).build().unwrap();
    let envoy = identity(&pki.transport, ENVOY);
    let envoy = TlsClient::new(envoy, policy(), &tls13()).unwrap();
    assert_eq!(id_of(&connected(&envoy, &server).1), ENVOY);
    assert_eq!(id_of(&connected(&client(&pki), &server).1), NODE);
    // What the policy of its own segment says of it, not that the other doesn't know its CA.
    transport.set(clients(&pki, Segment::Transport).expect_id(NODE).build().unwrap());
    server_refuses(&envoy, &server, ErrorCode::UnexpectedPeer, "access_denied");

    let denied = node_denied();
    let denying = clients(&pki, Segment::Services).denied(denied).build().unwrap();
    let twice = crate::server(&pki).or_clients_of(denying).unwrap();
    let code = ErrorCode::IdentityDenied;
    server_refuses(&client(&pki), &twice, code, "certificate_revoked");
}

#[test]
fn policies_for_the_wrong_side_or_for_any_server_are_refused_even_later() {
    let pki = Pki::new();
    let own = || identity(&pki.services, NODE);
    let for_clients = || clients(&pki, Segment::Services).build().unwrap();
    let anybody = || policy(&pki, Segment::Services, PeerRole::Server).build().unwrap();
    assert_eq!(code(TlsServer::new(own(), anybody(), &tls13())), ErrorCode::InvalidPolicy);
    assert_eq!(code(TlsClient::new(own(), for_clients(), &tls13())), ErrorCode::InvalidPolicy);
    assert_eq!(code(TlsClient::new(own(), anybody(), &tls13())), ErrorCode::InvalidPolicy);

    let held = Current::new(servers(&pki, Segment::Services, ORCHESTRATOR).build().unwrap());
    let client = TlsClient::new(own(), held.clone(), &tls13()).unwrap();
    connected(&client, &server(&pki));
    for wrong in [anybody(), for_clients()] {
        held.set(wrong);
        client_refuses(&client, &server(&pki), ErrorCode::InvalidPolicy, "certificate_unknown");
    }
}

#[test]
fn a_new_certificate_is_shown_from_the_next_handshake_on() {
    let pki = Pki::new();
    let held = Current::new(identity(&pki.services, ORCHESTRATOR));
    let policy = clients(&pki, Segment::Services).build().unwrap();
    let server = TlsServer::new(held.clone(), policy, &tls13()).unwrap();
    let shown = |connection: &TlsConnection| fingerprint(&connection.shown_chain()[0]);

    let first = held.get().fingerprint();
    let (mut old_client, mut old_server) = connected(&client(&pki), &server);
    held.set(identity(&pki.services, ORCHESTRATOR));
    let (new_client, _) = connected(&client(&pki), &server);
    assert_eq!(shown(&old_client), first);
    assert_eq!(shown(&new_client), held.get().fingerprint());
    assert_ne!(held.get().fingerprint(), first);
    // Those that are open go on.
    say(&mut old_client, &mut old_server, b"still here");
    say(&mut old_server, &mut old_client, b"so am I");

    // The client's likewise.
    let held = Current::new(identity(&pki.services, NODE));
    let policy = servers(&pki, Segment::Services, ORCHESTRATOR).build().unwrap();
    let client = TlsClient::new(held.clone(), policy, &tls13()).unwrap();
    for _ in 0..2 {
        assert_eq!(shown(&connected(&client, &server).1), held.get().fingerprint());
        held.set(identity(&pki.services, NODE));
    }
}

#[test]
fn who_is_denied_is_refused_from_then_on_and_known_among_those_that_are_open() {
    let pki = Pki::new();
    let held = Current::new(clients(&pki, Segment::Services).build().unwrap());
    let own = identity(&pki.services, ORCHESTRATOR);
    let server = TlsServer::new(own, held.clone(), &tls13()).unwrap();
    let client = client(&pki);
    let (_, open) = connected(&client, &server);
    let peer = open.peer().unwrap().clone();
    assert_eq!(peer.still_good(), Ok(()));

    let denied = node_denied();
    held.update(|policy| Ok(policy.with_denied(denied.clone()))).unwrap();
    assert_eq!(code(peer.still_good()), ErrorCode::IdentityDenied);
    server_refuses(&client, &server, ErrorCode::IdentityDenied, "certificate_revoked");

    held.update(|policy| Ok(policy.with_denied(Denied::default()))).unwrap();
    assert_eq!(peer.still_good(), Ok(()));
    held.update(|policy| policy.with_crls([pki.services.crl(1, &[&SERIAL])])).unwrap();
    assert_eq!(code(peer.still_good()), ErrorCode::CertificateRevoked);
    server_refuses(&client, &server, ErrorCode::CertificateRevoked, "certificate_revoked");
}

#[test]
fn the_policy_s_clock_and_skew_count() {
    let pki = Pki::new();
    let clock = Arc::new(ManualClock::new(timestamp(NOW)));
    let build = |skew| {
        let policy =
            SvidPolicy::builder(Segment::Services, PeerRole::Client, trust_domain(TRUST_DOMAIN));
        policy.anchor_der(&pki.services.der).clock(clock.clone()).skew(skew).build().unwrap()
    };
    let own = || identity(&pki.services, ORCHESTRATOR);
    let strict = TlsServer::new(own(), build(Duration::ZERO.unsigned_abs()), &tls13()).unwrap();
    let lenient = TlsServer::new(own(), build(Duration::MINUTE.unsigned_abs()), &tls13()).unwrap();
    let client = client(&pki);
    let (_, open) = connected(&client, &strict);
    let peer = open.peer().unwrap();
    clock.set(peer.svid().not_after.plus(std::time::Duration::from_secs(30)));
    assert_eq!(code(peer.still_good()), ErrorCode::CertificateExpired);
    server_refuses(&client, &strict, ErrorCode::CertificateExpired, "certificate_expired");
    connected(&client, &lenient);
}

#[test]
fn no_change_of_a_current_value_is_lost() {
    let value = Current::new(0);
    thread::scope(|scope| {
        for _ in 0..4 {
            let value = value.clone();
            scope.spawn(move || {
                for _ in 0..1000 {
                    value.update(|n| Ok(n + 1)).unwrap();
                }
            });
        }
    });
    assert_eq!(*value.get(), 4000);
    assert_eq!(value.update(|_| Err(Error::NotInitialized)), Err(Error::NotInitialized));
    assert_eq!(*value.get(), 4000);
}

/// Takes every server, as a client does that wants to resume at any price.
#[derive(Debug)]
struct Anybody;

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &rustls_pki_types::CertificateDer<'_>,
        _: &[rustls_pki_types::CertificateDer<'_>],
        _: &rustls_pki_types::ServerName<'_>,
        _: &[u8],
        _: rustls_pki_types::UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &rustls_pki_types::CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &rustls_pki_types::CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        vec![rustls::SignatureScheme::ECDSA_NISTP384_SHA384]
    }
}

fn stock_key(
    ca: &Ca,
    id: &str,
) -> (Vec<rustls_pki_types::CertificateDer<'static>>, PrivateKeyDer<'static>) {
    let (chain, key) = pems(ca, id, |_| {});
    let chain = catalyst_pki::certificates_from_pem(&chain).unwrap();
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
    (chain.into_iter().map(Into::into).collect(), key)
}

fn stock_client(pki: &Pki, version: &'static rustls::SupportedProtocolVersion) -> ClientConfig {
    let (chain, key) = stock_key(&pki.services, NODE);
    let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[version])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anybody))
        .with_client_auth_cert(chain, key)
        .unwrap();
    config.resumption = Resumption::store(Arc::new(ClientSessionMemoryCache::new(32)));
    config
}

#[test]
fn no_session_is_resumed_by_our_server_however_a_client_tries() {
    let pki = Pki::new();
    let policy = clients(&pki, Segment::Services).build().unwrap();
    let own = identity(&pki.services, ORCHESTRATOR);
    let server = TlsServer::new(own, policy, &tls13().allow_tls12()).unwrap();
    for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
        let config = Arc::new(stock_client(&pki, version));
        for _ in 0..3 {
            let name = "localhost".try_into().unwrap();
            let mut client = ClientConnection::new(Arc::clone(&config), name).unwrap();
            let mut server = server.connection().unwrap();
            assert_eq!(shake_stock(&mut client, &mut server), (Ok(()), Ok(())));
            assert_eq!(client.tls13_tickets_received(), 0);
            assert_ne!(client.handshake_kind(), Some(HandshakeKind::Resumed), "{version:?}");
            assert_eq!(id_of(&server), NODE);
        }
    }
}

#[test]
fn no_session_is_resumed_by_our_client_however_a_server_offers() {
    let pki = Pki::new();
    let (chain, key) = stock_key(&pki.services, ORCHESTRATOR);
    for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[version])
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain.clone(), key.clone_key())
            .unwrap();
        config.ticketer = aws_lc_rs::Ticketer::new().unwrap();
        let config = Arc::new(config);
        let policy = servers(&pki, Segment::Services, ORCHESTRATOR).build().unwrap();
        let own = identity(&pki.services, NODE);
        let client = TlsClient::new(own, policy, &tls13().allow_tls12()).unwrap();
        for _ in 0..3 {
            let mut server = ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut client = client.connection().unwrap();
            while client.wants_write() || server.wants_write() {
                let (mut there, mut back) = (Vec::new(), Vec::new());
                while client.wants_write() {
                    client.write_tls(&mut there).unwrap();
                }
                let mut rest = there.as_slice();
                while !rest.is_empty() {
                    server.read_tls(&mut rest).unwrap();
                    server.process_new_packets().unwrap();
                }
                while server.wants_write() {
                    server.write_tls(&mut back).unwrap();
                }
                let mut rest = back.as_slice();
                while !rest.is_empty() {
                    client.read_tls(&mut rest).unwrap();
                    client.process().unwrap();
                }
            }
            assert_ne!(server.handshake_kind(), Some(HandshakeKind::Resumed), "{version:?}");
            assert_eq!(id_of(&client), ORCHESTRATOR);
        }
    }
}

#[test]
fn tls_1_2_is_taken_where_that_was_said_and_nowhere_else() {
    let pki = Pki::new();
    let old = Arc::new(stock_client(&pki, &rustls::version::TLS12));
    let connect = |server: &TlsServer| {
        let mut client =
            ClientConnection::new(Arc::clone(&old), "localhost".try_into().unwrap()).unwrap();
        let mut server = server.connection().unwrap();
        let found = shake_stock(&mut client, &mut server);
        (client, server, found)
    };
    let (_, _, (at_client, at_server)) = connect(&server(&pki));
    assert_eq!(at_server.unwrap_err().code(), ErrorCode::TlsHandshakeFailed);
    let version = rustls::AlertDescription::ProtocolVersion;
    assert_eq!(at_client, Err(rustls::Error::AlertReceived(version)));

    let policy = clients(&pki, Segment::Services).build().unwrap();
    let own = identity(&pki.services, ORCHESTRATOR);
    let lenient = TlsServer::new(own, policy, &tls13().allow_tls12()).unwrap();
    let (client, server, found) = connect(&lenient);
    assert_eq!(found, (Ok(()), Ok(())));
    assert_eq!(server.version(), Some(TlsVersion::Tls12));
    let suite = format!("{:?}", client.negotiated_cipher_suite().unwrap().suite());
    assert!(suite.starts_with("TLS_ECDHE_ECDSA_"), "{suite}");
    let at_server = server.export_keying_material::<32>("EXPERIMENTAL-test", None).unwrap();
    let at_client = client.export_keying_material([0; 32], b"EXPERIMENTAL-test", None).unwrap();
    assert_eq!(*at_server, at_client);
    // Two that know better don't fall back to it.
    let policy = servers(&pki, Segment::Services, ORCHESTRATOR).build().unwrap();
    let own = identity(&pki.services, NODE);
    let client = TlsClient::new(own, policy, &tls13().allow_tls12()).unwrap();
    assert_eq!(connected(&client, &lenient).0.version(), Some(TlsVersion::Tls13));
}

fn pair(pki: &Pki, client: &TlsSettings, server: &TlsSettings) -> (TlsClient, TlsServer) {
    let policy = servers(pki, Segment::Services, ORCHESTRATOR).build().unwrap();
    let client = TlsClient::new(identity(&pki.services, NODE), policy, client).unwrap();
    let policy = clients(pki, Segment::Services).build().unwrap();
    (client, TlsServer::new(identity(&pki.services, ORCHESTRATOR), policy, server).unwrap())
}

#[test]
fn who_requires_post_quantum_groups_takes_no_others() {
    let pki = Pki::new();
    let classic = tls13().groups([TlsGroup::X25519, TlsGroup::Secp384r1]);
    let pq = tls13().require_pq();
    let (client, server) = pair(&pki, &pq, &tls13());
    assert_eq!(connected(&client, &server).1.group(), Some(TlsGroup::X25519MlKem768));
    for (client, server) in [pair(&pki, &classic, &pq), pair(&pki, &pq, &classic)] {
        server_refuses(&client, &server, ErrorCode::TlsHandshakeFailed, "handshake_failure");
    }
    let (client, server) = pair(&pki, &classic, &tls13());
    assert_eq!(connected(&client, &server).1.group(), Some(TlsGroup::X25519));
    let curve = tls13().groups([TlsGroup::Secp384r1]);
    let (client, server) = pair(&pki, &tls13(), &curve);
    assert_eq!(connected(&client, &server).0.group(), Some(TlsGroup::Secp384r1));
}

#[test]
fn settings_that_contradict_themselves_are_refused() {
    let unverified = |settings: TlsSettings| code(TlsClient::unverified(&settings));
    for settings in [
        tls13().groups([]),
        tls13().require_pq().allow_tls12(),
        tls13().require_pq().groups([TlsGroup::X25519]),
        tls13().alpn([""]),
        tls13().alpn(["a".repeat(256)]),
    ] {
        assert_eq!(unverified(settings), ErrorCode::InvalidArgument);
    }
    for group in TlsGroup::ALL {
        assert_eq!(group.to_string().to_uppercase().parse(), Ok(group));
    }
    assert_eq!(code("secp224r1".parse::<TlsGroup>()), ErrorCode::InvalidArgument);
}

#[test]
fn both_sides_speak_a_protocol_that_both_know() {
    let pki = Pki::new();
    let (h2, http) = (tls13().alpn(["h2", "http/1.1"]), tls13().alpn(["http/1.1"]));
    let (client, server) = pair(&pki, &http, &h2);
    let (at_client, at_server) = connected(&client, &server);
    assert_eq!(
        (at_client.alpn(), at_server.alpn()),
        (Some(&b"http/1.1"[..]), Some(&b"http/1.1"[..]))
    );
    let (client, server) = pair(&pki, &tls13(), &h2);
    assert_eq!(connected(&client, &server).1.alpn(), None);
    let (client, server) = pair(&pki, &tls13().alpn(["smtp"]), &h2);
    server_refuses(&client, &server, ErrorCode::TlsHandshakeFailed, "no_application_protocol");
}

#[test]
fn keying_material_is_the_connection_s_own() {
    let pki = Pki::new();
    let (client, server) = (client(&pki), server(&pki));
    let label = "EXPERIMENTAL-catalyst-connection";
    let of = |connection: &TlsConnection, label, context| {
        *connection.export_keying_material::<32>(label, context).unwrap()
    };
    let (at_client, at_server) = connected(&client, &server);
    let (other, _) = connected(&client, &server);
    assert_eq!(of(&at_client, label, None), of(&at_server, label, None));
    assert_ne!(of(&at_client, label, None), of(&other, label, None));
    assert_ne!(of(&at_client, label, None), of(&at_client, label, Some(b"context")));
    assert_ne!(of(&at_client, label, None), of(&at_client, "EXPERIMENTAL-other", None));
    let early = client.connection().unwrap();
    let early = early.export_keying_material::<32>(label, None);
    assert_eq!(code(early), ErrorCode::TlsHandshakeFailed);
}

#[test]
fn other_algorithms_are_taken_where_the_policy_allows_them() {
    let pki = Pki::new();
    for (algorithm, kind) in
        [(Algorithm::P256, &PKCS_ECDSA_P256_SHA256), (Algorithm::Ed25519, &PKCS_ED25519)]
    {
        let key = key(kind);
        let leaf = pki.services.leaf_for(NODE, &key, |_| {});
        let own = || TlsIdentity::from_der(&[&leaf], &key.serialize_der()).unwrap();
        let (_, at_server) = refused(&client_as(&pki, own()), &server(&pki));
        // A client that signs otherwise than it is asked shows nothing.
        assert_eq!(at_server, Error::ClientCertificateMissing);
        let policy = clients(&pki, Segment::Services).allow_algorithm(algorithm).build().unwrap();
        let serving = identity(&pki.services, ORCHESTRATOR);
        let server = TlsServer::new(serving, policy, &tls13()).unwrap();
        assert_eq!(id_of(&connected(&client_as(&pki, own()), &server).1), NODE);
        connected(&client(&pki), &server);
    }
}

#[test]
fn an_identity_is_an_svid_with_its_own_key() {
    let pki = Pki::new();
    let (chain, key_pem) = pems(&pki.services, NODE, |_| {});
    let own = TlsIdentity::from_pem(&chain, &(chain.clone() + &key_pem)).unwrap();
    assert_eq!(own.spiffe_id().as_str(), NODE);
    assert_eq!(
        own.not_after(),
        Timestamp::from_secs((NOW + Duration::seconds(3570)).unix_timestamp())
    );
    let shown = format!("{own:?} {:?}", Current::new(TlsIdentity::from_pem(&chain, &key_pem)));
    let secret = key_pem.lines().nth(2).unwrap();
    assert!(shown.contains(NODE) && !shown.contains(secret) && !shown.contains("PRIVATE"));

    let of = |chain: &str, key: &str| code(TlsIdentity::from_pem(chain, key));
    let invalid = ErrorCode::InvalidKey;
    assert_eq!(of(&chain, &pems(&pki.services, NODE, |_| {}).1), invalid);
    assert_eq!(of(&chain, &chain), invalid);
    assert_eq!(of(&chain, &format!("{key_pem}{key_pem}")), invalid);
    assert_eq!(of(&chain, &key_pem.replace("PRIVATE", "ENCRYPTED PRIVATE")), invalid);
    assert_eq!(of(&chain, key_pem.trim_end().trim_end_matches('-')), invalid);
    assert_eq!(of(&chain, &key_pem.replace(secret, "")), invalid);
    assert_eq!(of("", &key_pem), ErrorCode::MalformedCertificate);
    let bend = |params: &mut CertificateParams| params.subject_alt_names.clear();
    let (nameless, its_key) = pems(&pki.services, NODE, bend);
    assert_eq!(of(&nameless, &its_key), ErrorCode::SpiffeIdMissing);
    let ca_key = pki.services.key.serialize_pem();
    assert_eq!(of(&pki.services.pem(), &ca_key), ErrorCode::CaUsedAsLeaf);

    let no_chain: [&[u8]; 0] = [];
    assert_eq!(code(TlsIdentity::from_der(&no_chain, &[])), ErrorCode::MalformedCertificate);
    if let Ok(rsa) = KeyPair::generate_for(&PKCS_RSA_SHA256) {
        let leaf = pki.services.leaf_for(NODE, &rsa, |_| {});
        let refused = TlsIdentity::from_der(&[leaf], &rsa.serialize_der());
        assert_eq!(code(refused), ErrorCode::AlgorithmNotAllowed);
    }
}

#[test]
fn a_configuration_for_rustls_is_good_for_one_connection() {
    let pki = Pki::new();
    let (server, client) = (server(&pki), client(&pki));
    let handshake = server.rustls().unwrap();
    let connect = |handshake: &catalyst_pki::tls::RustlsHandshake<ServerConfig>| {
        let mut server = ServerConnection::new(handshake.config()).unwrap();
        assert_eq!(code(handshake.peer(&server)), ErrorCode::TlsHandshakeFailed);
        let mut client = client.connection().unwrap();
        let mut found = Ok(());
        for _ in 0..4 {
            let (mut there, mut back) = (Vec::new(), Vec::new());
            while client.wants_write() {
                client.write_tls(&mut there).unwrap();
            }
            let mut rest = there.as_slice();
            while !rest.is_empty() && found.is_ok() {
                server.read_tls(&mut rest).unwrap();
                found = server.process_new_packets().map(drop);
            }
            while server.wants_write() {
                server.write_tls(&mut back).unwrap();
            }
            let mut rest = back.as_slice();
            while !rest.is_empty() {
                client.read_tls(&mut rest).unwrap();
                let _ = client.process();
            }
        }
        (server, found)
    };
    let (first, found) = connect(&handshake);
    assert_eq!(found, Ok(()));
    let peer = handshake.peer(&first).unwrap().unwrap();
    assert_eq!(peer.svid().spiffe_id.as_str(), NODE);
    let (_, found) = connect(&handshake);
    assert!(matches!(found, Err(rustls::Error::General(_))), "{found:?}");
    // The verdict on one connection is none on another.
    let other = server.rustls().unwrap();
    assert_eq!(code(other.peer(&first)), ErrorCode::Internal);
    assert_eq!(connect(&other).1, Ok(()));
    assert_eq!(handshake.peer(&first).unwrap().unwrap().svid(), peer.svid());

    let refusal = std::io::Error::other(rustls::Error::NoCertificatesPresented);
    assert_eq!(other.error(&refusal), Error::ClientCertificateMissing);
    let lost = std::io::Error::from(ErrorKind::TimedOut);
    assert_eq!(other.error(&lost).code(), ErrorCode::TlsConnectionLost);
    assert!(other.error(&lost).is_retryable());
}

/// What a client does at a server over loopback, which does `serve` with the socket.
fn over_loopback<T: Send>(
    serve: impl FnOnce(TcpStream) -> T + Send,
    connect: impl FnOnce(TcpStream),
) -> T {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::scope(|scope| {
        // Who waits in vain fails.
        let patient = |socket: TcpStream| {
            socket.set_read_timeout(Some(std::time::Duration::from_secs(30))).unwrap();
            socket
        };
        let server = scope.spawn(move || serve(patient(listener.accept().unwrap().0)));
        connect(patient(TcpStream::connect(address).unwrap()));
        server.join().unwrap()
    })
}

#[test]
fn streams_carry_what_is_written_and_tell_an_end_from_a_cut() {
    let pki = Pki::new();
    let (server, client) = (server(&pki), client(&pki));
    let sent: Vec<u8> = (0..1_000_000_u32).map(|n| n.to_le_bytes()[1]).collect();
    let heard = over_loopback(
        |socket| {
            let mut stream = server.accept(socket).unwrap();
            assert_eq!(id_of(&stream), NODE);
            stream.write_all(&sent).unwrap();
            stream.close().unwrap();
            let mut heard = Vec::new();
            stream.read_to_end(&mut heard).unwrap();
            heard
        },
        |socket| {
            let mut stream = client.connect(socket).unwrap();
            assert_eq!(id_of(&stream), ORCHESTRATOR);
            let mut heard = Vec::new();
            stream.read_to_end(&mut heard).unwrap();
            assert!(heard == sent);
            // One side has ended, the other has not.
            stream.write_all(b"thanks").unwrap();
            stream.close().unwrap();
        },
    );
    assert_eq!(heard, b"thanks");

    let cut = over_loopback(
        |socket| {
            let mut stream = server.accept(socket).unwrap();
            stream.read_to_end(&mut Vec::new()).unwrap_err().kind()
        },
        |socket| {
            let mut stream = client.connect(socket).unwrap();
            stream.write_all(b"half a").unwrap();
            stream.socket().shutdown(Shutdown::Write).unwrap();
        },
    );
    assert_eq!(cut, ErrorKind::UnexpectedEof);
}

#[test]
fn who_is_refused_reads_why_over_a_socket_too() {
    let pki = Pki::new();
    let denied = node_denied();
    let policy = clients(&pki, Segment::Services).denied(denied).build().unwrap();
    let own = identity(&pki.services, ORCHESTRATOR);
    let server = TlsServer::new(own, policy, &tls13()).unwrap();
    let client = client(&pki);
    let found = over_loopback(
        |socket| {
            let found = server.accept(&socket).map(drop);
            socket.shutdown(Shutdown::Write).unwrap();
            // Until the client has read it.
            let _ = (&socket).read_to_end(&mut Vec::new());
            found
        },
        |socket| {
            let mut stream: TlsStream<_> = client.connect(socket).unwrap();
            let error = stream.read(&mut [0]).unwrap_err();
            let found = error.get_ref().unwrap().downcast_ref::<Error>();
            assert_eq!(found, Some(&alert("certificate_revoked")));
        },
    );
    assert_eq!(found.unwrap_err().code(), ErrorCode::IdentityDenied);
}

#[test]
fn what_is_no_tls_and_what_ends_early_is_an_error() {
    let pki = Pki::new();
    let server = server(&pki);
    let found = over_loopback(
        |socket| code(server.accept(socket)),
        |mut socket| {
            socket.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
            let _ = socket.read_to_end(&mut Vec::new());
        },
    );
    assert_eq!(found, ErrorCode::TlsHandshakeFailed);
    let found = over_loopback(|socket| code(server.accept(socket)), drop);
    assert_eq!(found, ErrorCode::TlsConnectionLost);
}

#[test]
fn events_say_who_has_come_and_who_was_refused_and_nothing_secret() {
    let pki = Pki::new();
    let (chain, key) = pems(&pki.services, NODE, |_| {});
    let own = TlsIdentity::from_pem(&chain, &key).unwrap();
    let fingerprint = own.fingerprint();
    let held = Current::new(clients(&pki, Segment::Services).build().unwrap());
    let server =
        TlsServer::new(identity(&pki.services, ORCHESTRATOR), held.clone(), &tls13()).unwrap();
    let client = client_as(&pki, own);
    let events = Events::default();
    events.listen(|| {
        let (_, at_server) = connected(&client, &server);
        // Asked again, it says so no more.
        at_server.peer().unwrap();
        held.set(clients(&pki, Segment::Services).denied(node_denied()).build().unwrap());
        refused(&client, &server);
        let foreign = identity(&pki.services, "spiffe://rogue.example.org/node/node-a");
        refused(&client_as(&pki, foreign), &server);
    });
    let said = events.whole();
    println!("{said:#?}");
    let of = |words: &str| said.iter().filter(|said| said.contains(words)).collect::<Vec<_>>();
    // Each side of the first; the client of the others, which is done before it is refused.
    assert_eq!(of(&format!("INFO message=mTLS peer connected spiffe_id=\"{NODE}\"")).len(), 1);
    assert_eq!(of("INFO message=mTLS peer connected").len(), 4);
    let [denied] = of("WARN message=TLS peer refused")[..] else { panic!() };
    let [foreign] = of("WARN message=Peer's trust domain mismatch")[..] else { panic!() };
    for words in [&fingerprint, "PKI_IDENTITY_DENIED", NODE] {
        assert!(denied.contains(words), "{denied}");
    }
    for words in [
        "PKI_FOREIGN_TRUST_DOMAIN",
        "expected_domain=\"mesh.example.com\"",
        "received_domain=\"rogue.example.org\"",
        "received_spiffe_id=\"spiffe://rogue.example.org/node/node-a\"",
        "peer=\"client\"",
    ] {
        assert!(foreign.contains(words), "{foreign}");
    }
    let secret: Vec<&str> = key.lines().filter(|line| !line.starts_with('-')).collect();
    assert!(said.iter().all(|said| secret.iter().all(|line| !said.contains(line))));
}

#[test]
fn a_name_is_sent_where_that_was_said_and_nowhere_else() {
    let pki = Pki::new();
    let hello = |client: &TlsClient| {
        let mut hello = Vec::new();
        client.connection().unwrap().write_tls(&mut hello).unwrap();
        hello
    };
    let sends_name = |hello: Vec<u8>| hello.windows(15).any(|part| part == b"\0\0\x0cnode.example");
    let client = client(&pki);
    assert!(!sends_name(hello(&client)));
    assert!(sends_name(hello(&client.sni("node.example").unwrap())));
}
