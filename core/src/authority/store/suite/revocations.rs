//! What every store must do with revocations.

use super::{HOUR, MILLISECOND, NOW, Store, denial, leaf, now_with, stored};
use crate::{
    Timestamp,
    authority::store::{
        DeniedSerial, NewLeaf, Revocation, RevocationReason::CertificateHold,
        RevocationReason::KeyCompromise, StoredCrl,
    },
};

pub(super) fn run(make: &dyn Fn() -> Box<dyn Store>) {
    a_denial_holds_what_is_out_until_it_is_lifted(&*make());
    a_denied_serial_stays_so(&*make());
    a_list_follows_the_last_one(&*make());
    one_of_many_makes_the_list(&*make());
    revocations_end_with_their_certificates(&*make());
}

/// A leaf of `issuer` with the identity of `leaf(1)`.
fn issued(store: &dyn Store, number: usize, issuer: &str, not_after: Timestamp) -> String {
    let mut new: NewLeaf = now_with(store, leaf(number));
    new.record.issuer_serial = Some(issuer.into());
    new.record.spiffe_id = leaf(1).record.spiffe_id;
    new.record.not_after = not_after;
    new.exclusive_names.clear();
    stored(store, &new);
    new.record.serial
}

fn listed(store: &dyn Store, issuer: &str) -> Vec<Revocation> {
    store.revocations(issuer, NOW).unwrap().1
}

fn state(store: &dyn Store, issuer: &str) -> u64 {
    let state = store.crl(issuer).unwrap().state;
    assert_eq!(store.revocations(issuer, NOW).unwrap().0, state);
    state
}

fn a_denial_holds_what_is_out_until_it_is_lifted(store: &dyn Store) {
    let id = leaf(1).record.spiffe_id.unwrap();
    let mut serials = [1, 2].map(|number| issued(store, number, "aa", NOW.plus(HOUR)));
    serials.sort();
    let other = issued(store, 3, "bb", NOW.plus(HOUR));
    issued(store, 4, "bb", NOW);
    assert!(store.supersede(&other).unwrap());
    assert_eq!((state(store, "aa"), listed(store, "aa")), (0, vec![]));

    store.deny(&denial(&id, NOW)).unwrap();
    let hold = |serial: &String| Revocation::new(serial, CertificateHold, NOW);
    assert_eq!(listed(store, "aa"), serials.each_ref().map(hold));
    assert_eq!(listed(store, "bb"), [hold(&other)], "superseded, and one that has ended");
    assert_eq!(store.revocations("aa", NOW.plus(HOUR)).unwrap().1, [], "they have ended by then");
    let [aa, bb] = ["aa", "bb"].map(|issuer| state(store, issuer));
    assert!(aa > 0 && bb > 0);

    // Denied again it is since the first time.
    store.deny(&denial(&id, NOW.plus(MILLISECOND))).unwrap();
    assert_eq!(listed(store, "bb"), [hold(&other)]);
    assert_eq!([state(store, "aa"), state(store, "bb")], [aa, bb], "nothing has changed");

    assert!(store.allow(&id).unwrap());
    assert_eq!((listed(store, "aa"), listed(store, "bb")), (vec![], vec![]));
    assert!(state(store, "aa") > aa && state(store, "bb") > bb);
    let [aa, bb] = ["aa", "bb"].map(|issuer| state(store, issuer));
    assert!(!store.allow(&id).unwrap());
    assert_eq!([state(store, "aa"), state(store, "bb")], [aa, bb]);
}

fn a_denied_serial_stays_so(store: &dyn Store) {
    let id = leaf(1).record.spiffe_id.unwrap();
    let serial = issued(store, 1, "aa", NOW.plus(HOUR));
    assert_eq!(store.denied_serials().unwrap(), []);
    store.deny(&denial(&id, NOW)).unwrap();
    let later = NOW.plus(MILLISECOND);
    let mut denied = DeniedSerial::new("aa", &serial, "stolen", later);
    denied.expires_at = Some(NOW.plus(HOUR));
    let before = state(store, "aa");
    store.deny_serial(&denied).unwrap();
    assert!(state(store, "aa") > before);
    assert_eq!(listed(store, "aa"), [Revocation::new(&serial, KeyCompromise, later)]);
    assert_eq!(store.denied_serials().unwrap(), [denied.clone()]);
    assert!(store.allow(&id).unwrap());
    assert_eq!(listed(store, "aa"), [Revocation::new(&serial, KeyCompromise, later)], "for good");

    // Again changes the reason alone.
    let before = state(store, "aa");
    let mut again = DeniedSerial::new("aa", &serial, "seen elsewhere", later.plus(HOUR));
    again.expires_at = denied.expires_at;
    store.deny_serial(&again).unwrap();
    let kept = DeniedSerial { reason: again.reason, ..denied };
    assert_eq!(store.denied_serials().unwrap(), std::slice::from_ref(&kept));
    assert_eq!(state(store, "aa"), before);

    // One that is not known here, of another issuer with the same number, and the newest first.
    let unknown = DeniedSerial::new("bb", &serial, "no record", later.plus(HOUR));
    store.deny_serial(&unknown).unwrap();
    assert_eq!(store.denied_serials().unwrap(), [unknown, kept]);
    let far = NOW.plus(1000 * HOUR);
    assert_eq!(store.revocations("bb", far).unwrap().1.len(), 1, "as long as nobody knows its end");
    store.deny(&denial(&id, later)).unwrap();
    assert_eq!(listed(store, "aa")[0].reason, KeyCompromise);
}

fn list(number: u64, state: u64) -> StoredCrl {
    let bytes = format!("list {number}").into_bytes();
    StoredCrl::new("aa", number, (NOW, NOW.plus(HOUR)), bytes, state)
}

fn a_list_follows_the_last_one(store: &dyn Store) {
    assert_eq!(store.crl("aa").unwrap().last, None);
    assert!(!store.save_crl(&list(7, 0), Some(6)).unwrap());
    assert!(store.save_crl(&list(7, 0), None).unwrap());
    assert_eq!(store.crl("aa").unwrap().last, Some(list(7, 0)));
    assert_eq!(store.crl("aa").unwrap().state, 0);
    assert!(!store.save_crl(&list(8, 0), None).unwrap(), "there is one by now");
    let denied = DeniedSerial::new("aa", "05", "stolen", NOW);
    store.deny_serial(&denied).unwrap();
    let changed = store.crl("aa").unwrap();
    assert_eq!(changed.last, Some(list(7, 0)));
    assert!(changed.state > 0);
    assert!(store.save_crl(&list(8, changed.state), Some(7)).unwrap());
    assert_eq!(store.crl("aa").unwrap().last, Some(list(8, changed.state)));
    assert_eq!(store.crl("bb").unwrap().last, None);
}

fn one_of_many_makes_the_list(store: &dyn Store) {
    assert!(store.save_crl(&list(1, 0), None).unwrap());
    let saved = std::thread::scope(|scope| {
        let save = |number| move || store.save_crl(&list(number, 0), Some(1)).unwrap();
        let threads: Vec<_> = (2..10).map(|number| scope.spawn(save(number))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).filter(|saved| *saved).count()
    });
    assert_eq!(saved, 1);
}

fn revocations_end_with_their_certificates(store: &dyn Store) {
    let id = leaf(1).record.spiffe_id.unwrap();
    issued(store, 1, "aa", NOW.plus(HOUR));
    store.deny(&denial(&id, NOW)).unwrap();
    let mut denied = DeniedSerial::new("aa", "05", "stolen", NOW);
    denied.expires_at = Some(NOW.plus(HOUR));
    store.deny_serial(&denied).unwrap();
    let unknown = DeniedSerial::new("aa", "06", "no record", NOW);
    store.deny_serial(&unknown).unwrap();
    assert_eq!(store.purge_expired(NOW.plus(HOUR)).unwrap(), 0);
    assert_eq!(listed(store, "aa").len(), 3);
    store.purge_expired(NOW.plus(HOUR).plus(MILLISECOND)).unwrap();
    assert_eq!(listed(store, "aa"), [Revocation::new("06", KeyCompromise, NOW)]);
    assert_eq!(store.denied_serials().unwrap(), [unknown]);
}
