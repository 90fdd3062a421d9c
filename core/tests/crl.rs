//! The revocation lists of a CA: what is in them, when they are made anew, and that peers are refused by
//! them.
#![cfg(feature = "authority")]
#![allow(clippy::unwrap_used, reason = "tests")]

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use catalyst_pki::{
    CaKind, Clock, Crl, Error, ErrorCode, ManualClock, PeerRole, Result, Segment, ServiceType,
    SvidPolicy, Timestamp, WorkloadId,
    authority::{
        CaName, CertificateManager, DenySerial, IssuedCrl, ManagerConfig, SignRequest,
        SignedCertificate,
        signer::{KeyBackend, KeyProtection, KeyPurpose, LocalKeys, NewKey, Passphrase, Signer},
        store::{CertificateType, DeniedSerial, SqliteStore},
    },
    certificate_from_pem, generate_key_and_csr, verify_svid,
};
use x509_parser::{prelude::FromDer, revocation_list::CertificateRevocationList, x509::ReasonCode};

const HOUR: Duration = Duration::from_secs(3600);
const SECOND: Duration = Duration::from_secs(1);
const ID: &str = "spiffe://mesh.example.com/node/node-a";

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::new(Timestamp::from_secs(1_800_000_000)))
}

fn config(clock: &Arc<ManualClock>) -> ManagerConfig {
    let mut config = ManagerConfig::new("mesh.example.com".parse().unwrap());
    config.clock = clock.clone();
    config
}

fn manager(clock: &Arc<ManualClock>) -> CertificateManager {
    let manager = CertificateManager::ephemeral(config(clock)).unwrap();
    manager.initialize().unwrap();
    manager
}

fn open(path: &Path, clock: &Arc<ManualClock>) -> CertificateManager {
    let protection = KeyProtection::Passphrase(Passphrase::new("correct horse").unwrap());
    let store = SqliteStore::open(path, &protection).unwrap();
    let keys = Arc::new(store.local_keys());
    CertificateManager::new(Arc::new(store), keys, config(clock)).unwrap()
}

fn sign(manager: &CertificateManager) -> SignedCertificate {
    let id: WorkloadId = ID.parse().unwrap();
    let csr = generate_key_and_csr(&id, &[]).unwrap().csr_pem;
    manager.sign_csr(&SignRequest::new(&csr, ServiceType::Node, "node-a")).unwrap()
}

fn services() -> CaName {
    "services".parse().unwrap()
}

fn list(manager: &CertificateManager) -> IssuedCrl {
    manager.crl(&services()).unwrap()
}

/// Serial numbers and reasons.
fn entries(list: &IssuedCrl) -> Vec<(String, u8)> {
    let (rest, crl) = CertificateRevocationList::from_der(&list.der).unwrap();
    assert!(rest.is_empty());
    crl.iter_revoked_certificates()
        .map(|entry| {
            let serial = entry.user_certificate.to_bytes_be();
            let serial =
                serial.iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
            (serial, entry.reason_code().unwrap().1.0)
        })
        .collect()
}

/// Whether a peer with this certificate is taken by whoever has the list.
fn verdict(
    manager: &CertificateManager,
    peer: &SignedCertificate,
    list: &IssuedCrl,
    at: Timestamp,
) -> Option<ErrorCode> {
    let bundle = manager.ca_bundle().unwrap();
    let policy =
        SvidPolicy::builder(Segment::Services, PeerRole::Client, manager.trust_domain().clone())
            .anchors_pem(&bundle.anchors(Segment::Services).concat())
            .crl_der(&list.der)
            .require_crl()
            .at(at)
            .build()
            .unwrap();
    let chain = [certificate_from_pem(&peer.certificate_pem).unwrap()];
    verify_svid(&chain, &policy).err().map(|error| error.code())
}

#[test]
fn each_ca_has_a_list_of_its_own_from_the_beginning() {
    let clock = clock();
    let manager = manager(&clock);
    let peer = sign(&manager);
    let cas = manager.store().hierarchy().unwrap().cas;
    for (name, kind, lifetime) in [
        ("root", CertificateType::RootCa, 365 * 24 * HOUR),
        ("services", CertificateType::ServicesCa, 48 * HOUR),
        ("transport", CertificateType::TransportCa, 48 * HOUR),
    ] {
        let made = manager.crl(&name.parse().unwrap()).unwrap();
        assert_eq!(made.this_update, clock.now().minus(30 * SECOND));
        assert_eq!(made.next_update, made.this_update.plus(lifetime));
        assert_eq!(made.number, u64::try_from(clock.now().as_millis()).unwrap());
        let read = Crl::from_der(&made.der).unwrap();
        assert!(read.is_empty());
        assert_eq!(read.this_update(), made.this_update);
        // By its key it is the same, to the byte.
        assert_eq!(manager.crl(&made.issuer_key_id.parse().unwrap()).unwrap(), made);
        let ca = cas.iter().find(|ca| ca.certificate_type == kind).unwrap();
        let der = certificate_from_pem(&ca.certificate_pem).unwrap();
        let (_, ca) = x509_parser::parse_x509_certificate(&der).unwrap();
        let (_, crl) = CertificateRevocationList::from_der(&made.der).unwrap();
        assert_eq!(crl.issuer(), ca.subject());
    }
    assert_eq!(verdict(&manager, &peer, &list(&manager), clock.now()), None);
    for bad in ["", "envoy", "SERVICES", "0x00"] {
        assert_eq!(bad.parse::<CaName>().unwrap_err().code(), ErrorCode::InvalidArgument, "{bad}");
    }
    let error = manager.crl(&"00ff".parse().unwrap()).unwrap_err();
    assert!(error.to_string().contains("no CA here has the subject key identifier 00ff"));
    let uninitialized = CertificateManager::ephemeral(config(&clock)).unwrap();
    assert_eq!(uninitialized.crl(&CaName::Active(CaKind::Root)), Err(Error::NotInitialized));
}

#[test]
fn a_denied_identitys_certificates_are_on_hold_until_it_is_allowed() {
    let clock = clock();
    let manager = manager(&clock);
    let mut peers = [sign(&manager), sign(&manager)];
    peers.sort_by(|a, b| a.serial.cmp(&b.serial));
    let first = list(&manager);
    manager.deny_identity(ID, "stolen").unwrap();
    let second = list(&manager);
    assert_eq!(entries(&second), peers.each_ref().map(|peer| (peer.serial.clone(), 6)));
    assert!(second.number > first.number);
    assert_eq!(list(&manager), second, "as long as nothing changes");
    for peer in &peers {
        assert_eq!(
            verdict(&manager, peer, &second, clock.now()),
            Some(ErrorCode::CertificateRevoked)
        );
    }
    manager.allow_identity(ID).unwrap();
    let third = list(&manager);
    assert!(entries(&third).is_empty() && third.number > second.number);
    assert_eq!(verdict(&manager, &peers[0], &third, clock.now()), None);
    let other = manager.crl(&CaName::Active(CaKind::Intermediate(Segment::Transport))).unwrap();
    assert_eq!(other.number, u64::try_from(clock.now().as_millis()).unwrap(), "none of its own");
}

#[test]
fn a_serial_is_denied_for_good() {
    let clock = clock();
    let manager = manager(&clock);
    let [stolen, other] = [sign(&manager), sign(&manager)];
    let denied = manager.deny_serial(&DenySerial::new(&stolen.serial, "its key leaked")).unwrap();
    assert_eq!((&denied.serial, denied.expires_at), (&stolen.serial, Some(stolen.expires_at)));
    assert_eq!(denied.issuer_key_id, Some(list(&manager).issuer_key_id));
    // As people write it, for another reason.
    let upper = format!("00{}", stolen.serial.to_uppercase());
    let denied = manager.deny_serial(&DenySerial::new(&upper, "it was sold")).unwrap();
    assert_eq!(denied.serial, stolen.serial);
    assert_eq!(manager.denied_serials().unwrap().len(), 1);
    assert_eq!(manager.denied_serials().unwrap()[0].reason, "it was sold");
    assert_eq!(entries(&list(&manager)), [(stolen.serial.clone(), ReasonCode::KeyCompromise.0)]);
    manager.deny_identity(ID, "stolen").unwrap();
    manager.allow_identity(ID).unwrap();
    assert_eq!(entries(&list(&manager)), [(stolen.serial.clone(), ReasonCode::KeyCompromise.0)]);
    let made = list(&manager);
    assert_eq!(
        [&stolen, &other].map(|peer| verdict(&manager, peer, &made, clock.now())),
        [Some(ErrorCode::CertificateRevoked), None]
    );

    // One that is not known here needs its issuer.
    let unknown = DenySerial::new("0badcafe", "seen in the wild");
    let error = manager.deny_serial(&unknown).unwrap_err();
    assert!(error.to_string().contains("name the CA that has issued it too"), "{error}");
    let issuer = services();
    manager.deny_serial(&unknown.issued_by(&issuer)).unwrap();
    assert!(entries(&list(&manager)).contains(&("0badcafe".into(), 1)));
    // A record of another CA's is not meant.
    let transport = "transport".parse().unwrap();
    let elsewhere = DenySerial::new(&other.serial, "of another CA").issued_by(&transport);
    manager.deny_serial(&elsewhere).unwrap();
    assert_eq!(verdict(&manager, &other, &list(&manager), clock.now()), None);

    let ca = manager.store().hierarchy().unwrap().cas.pop().unwrap();
    for (serial, reason, told) in [
        (ca.serial.as_str(), "why", "it is a CA's"),
        ("0x12", "why", "no hex"),
        ("12:34", "why", "no hex"),
        ("", "why", "no hex"),
        (&"1".repeat(48), "why", "over 20 octets"),
        (&stolen.serial, " ", "1 to 1024 bytes"),
    ] {
        let error = manager.deny_serial(&DenySerial::new(serial, reason)).unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidArgument);
        assert!(error.to_string().contains(told), "{error}");
    }
}

#[test]
fn a_list_is_made_anew_twice_a_day_and_names_what_has_ended_once_more() {
    let clock = clock();
    let manager = manager(&clock);
    let peer = sign(&manager);
    manager.deny_identity(ID, "stolen").unwrap();
    let first = list(&manager);
    clock.set(first.this_update.plus(12 * HOUR).minus(Duration::from_millis(1)));
    assert_eq!(list(&manager), first);
    clock.advance(Duration::from_millis(1));
    let second = list(&manager);
    assert_eq!(second.this_update, clock.now().floor_to_second().minus(30 * SECOND));
    assert_eq!(second.number, u64::try_from(clock.now().as_millis()).unwrap());
    assert_eq!(entries(&second), [(peer.serial, 6)], "ended between the two");
    clock.advance(12 * HOUR);
    let third = list(&manager);
    assert!(entries(&third).is_empty());
    // A clock that goes back takes no number back.
    clock.set(first.this_update);
    manager.allow_identity(ID).unwrap();
    manager.deny_serial(&DenySerial::new("05", "x").issued_by(&services())).unwrap();
    assert_eq!(list(&manager).number, third.number + 1);
}

#[test]
fn whoever_asks_gets_the_same_list() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("certs.db");
    let clock = clock();
    let [one, other] = [open(&path, &clock), open(&path, &clock)];
    one.initialize().unwrap();
    other.initialize().unwrap();
    sign(&one);
    one.deny_identity(ID, "stolen").unwrap();
    let made: Vec<_> = thread::scope(|scope| {
        let threads: Vec<_> = [&one, &other, &one, &other, &one, &other]
            .map(|manager| scope.spawn(move || list(manager)))
            .into_iter()
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(entries(&made[0]).len(), 1);
    let last = list(&one);
    assert_eq!(list(&other), last);
    drop((one, other));
    let again = open(&path, &clock);
    again.initialize().unwrap();
    assert_eq!(list(&again), last);
}

#[test]
fn nothing_that_was_revoked_comes_back_with_a_backup() {
    let folder = tempfile::tempdir().unwrap();
    let backup = folder.path().join("backup.db");
    let clock = clock();
    let manager = open(&folder.path().join("certs.db"), &clock);
    manager.initialize().unwrap();
    let [held, stolen] = [sign(&manager), sign(&manager)];
    list(&manager);
    manager.store().backup(&backup).unwrap();
    manager.deny_serial(&DenySerial::new(&stolen.serial, "sold")).unwrap();
    manager.deny_identity(ID, "stolen").unwrap();
    let before = list(&manager);
    manager.store().restore(&backup).unwrap();
    let after = list(&manager);
    let mut expected = [(held.serial, 6), (stolen.serial, 1)];
    expected.sort();
    assert_eq!(entries(&after), expected);
    assert!(after.number > before.number);
}

#[test]
fn a_superseded_ca_still_signs_its_list_and_the_roots_names_a_revoked_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("certs.db");
    let clock = clock();
    let manager = open(&path, &clock);
    manager.initialize().unwrap();
    let peer = sign(&manager);
    let of_services: CaName = list(&manager).issuer_key_id.parse().unwrap();
    let cas = manager.store().hierarchy().unwrap().cas;
    let is_services = |kind| kind == CertificateType::ServicesCa;
    let ca = cas.iter().find(|ca| is_services(ca.certificate_type)).unwrap();
    let root = CaName::Active(CaKind::Root);
    let first = manager.crl(&root).unwrap();
    assert!(manager.store().supersede(&ca.serial).unwrap());
    // By whoever doesn't know that it is a CA's; the store takes what it is given.
    let root_serial =
        &cas.iter().find(|ca| ca.certificate_type == CertificateType::RootCa).unwrap().serial;
    let denied = DeniedSerial::new(root_serial, &ca.serial, "stolen", clock.now());
    manager.deny_identity(ID, "stolen").unwrap();
    assert_eq!(entries(&manager.crl(&of_services).unwrap()), [(peer.serial, 6)]);
    let error = manager.crl(&services()).unwrap_err();
    assert_eq!(error.code(), ErrorCode::SigningCaUnavailable, "there is no active one");
    assert_eq!(manager.crl(&root).unwrap(), first);
    drop(manager);

    let sql = rusqlite::Connection::open(&path).unwrap();
    let revoke = "UPDATE certificate SET status = 'revoked' WHERE serial = ?1";
    assert_eq!(sql.execute(revoke, [&ca.serial]).unwrap(), 1);
    let manager = open(&path, &clock);
    manager.initialize().unwrap();
    manager.store().deny_serial(&denied).unwrap();
    let second = manager.crl(&root).unwrap();
    assert_eq!(entries(&second), [(ca.serial.clone(), ReasonCode::CACompromise.0)]);
    assert!(second.number > first.number);
}

#[test]
fn a_list_whose_key_is_not_here_is_given_until_it_ends() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("certs.db");
    let clock = clock();
    let manager = open(&path, &clock);
    manager.initialize().unwrap();
    let root = CaName::Active(CaKind::Root);
    let made = manager.crl(&root).unwrap();
    drop(manager);
    let sql = rusqlite::Connection::open(&path).unwrap();
    sql.execute("UPDATE certificate SET private_key_pem = NULL WHERE type = 'root-ca'", [])
        .unwrap();
    let manager = open(&path, &clock);
    manager.initialize().unwrap();
    clock.set(made.next_update);
    assert_eq!(manager.crl(&root).unwrap(), made);
    clock.advance(Duration::from_millis(1));
    let error = manager.crl(&root).unwrap_err();
    assert_eq!(error.code(), ErrorCode::SigningCaUnavailable);
    assert_eq!(error.to_string(), "Signing CA not available: root-ca");
}

/// Keys that may be out of reach.
#[derive(Debug)]
struct Remote {
    keys: LocalKeys,
    is_away: Arc<AtomicBool>,
}

#[derive(Debug)]
struct RemoteKey {
    key: Arc<dyn Signer>,
    is_away: Arc<AtomicBool>,
}

impl KeyBackend for Remote {
    fn generate(&self, purpose: KeyPurpose) -> Result<NewKey> {
        let NewKey { signer, stored, .. } = self.keys.generate(purpose)?;
        let key = RemoteKey { key: signer, is_away: Arc::clone(&self.is_away) };
        Ok(NewKey::new(Arc::new(key), stored))
    }

    fn load(&self, stored: &str) -> Result<Arc<dyn Signer>> {
        let key = self.keys.load(stored)?;
        Ok(Arc::new(RemoteKey { key, is_away: Arc::clone(&self.is_away) }))
    }
}

impl Signer for RemoteKey {
    fn public_key(&self) -> &[u8] {
        self.key.public_key()
    }

    fn sign(&self, tbs: &[u8]) -> Result<Vec<u8>> {
        match self.is_away.load(Ordering::SeqCst) {
            true => Err(Error::KeyBackendFailed("timed out".into())),
            false => self.key.sign(tbs),
        }
    }

    fn is_remote(&self) -> bool {
        true
    }
}

#[test]
fn a_key_out_of_reach_leaves_a_list_that_is_complete_and_none_that_lacks_something() {
    let clock = clock();
    let store = Arc::new(SqliteStore::in_memory().unwrap());
    let is_away = Arc::new(AtomicBool::new(false));
    let keys = Remote { keys: store.local_keys(), is_away: Arc::clone(&is_away) };
    let manager = CertificateManager::new(store, Arc::new(keys), config(&clock)).unwrap();
    manager.initialize().unwrap();
    let peer = sign(&manager);
    let made = list(&manager);
    is_away.store(true, Ordering::SeqCst);
    clock.set(made.next_update);
    assert_eq!(list(&manager), made, "it is due, and good for a moment more");
    clock.advance(Duration::from_millis(1));
    let error = manager.crl(&services()).unwrap_err();
    assert_eq!(error.code(), ErrorCode::KeyBackendFailed, "it has ended");
    clock.set(made.this_update.plus(HOUR));
    assert_eq!(list(&manager), made);
    manager.deny_serial(&DenySerial::new(&peer.serial, "stolen")).unwrap();
    let error = manager.crl(&services()).unwrap_err();
    assert_eq!(error.code(), ErrorCode::KeyBackendFailed, "it lacks one");
    is_away.store(false, Ordering::SeqCst);
    assert_eq!(entries(&list(&manager)).len(), 1);
}

#[test]
fn a_list_of_a_clock_that_was_ahead_is_made_anew() {
    let clock = clock();
    let manager = manager(&clock);
    let now = clock.now();
    clock.advance(6 * HOUR);
    let early = list(&manager);
    clock.set(now);
    let made = list(&manager);
    assert_eq!(made.this_update, now.minus(30 * SECOND));
    assert_eq!(made.number, early.number + 1);
}

#[test]
fn a_storm_of_denials_keeps_nobody_from_a_list() {
    let clock = clock();
    let manager = manager(&clock);
    let services = services();
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            // Not for ever, so that a test that fails ends.
            for serial in (1..50_000).take_while(|_| !is_over.load(Ordering::SeqCst)) {
                let serial = format!("{serial:x}");
                let denied = DenySerial::new(&serial, "storm").issued_by(&services);
                manager.deny_serial(&denied).unwrap();
            }
        });
        for _ in 0..30 {
            let before = manager.denied_serials().unwrap().len();
            assert!(entries(&list(&manager)).len() >= before);
        }
        is_over.store(true, Ordering::SeqCst);
    });
}

#[test]
fn a_root_at_hand_makes_its_list_anew_sixty_days_before_its_end() {
    let clock = clock();
    let manager = manager(&clock);
    let root = CaName::Active(CaKind::Root);
    let first = manager.crl(&root).unwrap();
    clock.set(first.next_update.minus(60 * 24 * HOUR).minus(Duration::from_millis(1)));
    assert_eq!(manager.crl(&root).unwrap(), first);
    clock.advance(Duration::from_millis(1));
    assert!(manager.crl(&root).unwrap().number > first.number);
}
