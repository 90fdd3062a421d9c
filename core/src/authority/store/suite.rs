//! What every store must do: each one runs this.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc, reason = "a test says so by a panic")]

mod revocations;
mod tokens;

use std::{collections::HashSet, sync::Barrier, thread, time::Duration};

use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};

use super::*;
use crate::{Error, ErrorCode};

/// Runs all of it; `make` makes an empty store each time.
pub fn run(make: &dyn Fn() -> Box<dyn Store>) {
    an_empty_store_is_empty(&*make());
    a_hierarchy_is_created_once(&*make());
    a_hierarchy_is_created_whole_or_not_at_all(&*make());
    one_of_many_creates_the_hierarchy(&*make());
    plain_keys_are_refused(&*make());
    a_leaf_comes_back_as_it_was(&*make());
    serials_and_fingerprints_are_unique(&*make());
    a_leaf_of_another_hierarchy_is_refused(&*make());
    denying_stops_recording_and_names_what_is_out(&*make());
    the_deny_list_is_newest_first(&*make());
    a_name_belongs_to_one_owner(&*make());
    a_contested_name_goes_to_one_of_many(&*make());
    identities_have_their_active_unexpired_certificates(&*make());
    lists_are_paged(&*make());
    bad_cursors_are_refused(&*make());
    leaves_that_end_are_no_longer_counted(&*make());
    purging_takes_expired_leaves_alone(&*make());
    a_saved_ca_supersedes_the_one_of_its_type(&*make());
    a_ca_that_was_checked_against_another_state_is_not_saved(&*make());
    a_saved_ca_takes_the_place_of_its_like(&*make());
    a_saved_leaf_is_one_like_any_other(&*make());
    what_is_superseded_is_no_longer_active(&*make());
    the_census_counts_by_type_and_status(&*make());
    a_refused_leaf_takes_no_other_with_it(&*make());
    many_record_at_once(&*make(), 16, 25);
    counts_agree_with_a_model(make);
    no_two_hierarchies_have_one_number(make);
    tokens::run(make);
    revocations::run(make);
}

pub(crate) const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);
const HOUR: Duration = Duration::from_secs(3600);
const MILLISECOND: Duration = Duration::from_millis(1);

/// A leaf like those that are issued, told apart by `number`.
pub(crate) fn leaf(number: usize) -> NewLeaf {
    NewLeaf {
        record: CertificateRecord {
            serial: format!("{:032x}", number.wrapping_mul(0x9E37_79B9_7F4A_7C15)),
            fingerprint: format!("fingerprint-of-{number}"),
            certificate_type: CertificateType::EndEntity,
            common_name: format!("node-{number}"),
            spiffe_id: Some(format!("spiffe://catalyst.example.com/node/node-{number}")),
            certificate_pem: format!("certificate {number}"),
            private_key_pem: None,
            issuer_serial: Some("issuer".into()),
            not_before: NOW,
            not_after: NOW.plus(HOUR),
            status: CertificateStatus::Active,
            created_at: NOW,
        },
        exclusive_names: vec![format!("node-{number}")],
        owner: format!("node-{number}"),
        hierarchy_sequence: 0,
        token_use: None,
    }
}

pub(crate) fn hierarchy() -> NewHierarchy {
    let ca = |serial: &str, certificate_type, issuer: Option<&str>| CertificateRecord {
        serial: serial.into(),
        fingerprint: format!("fingerprint-of-{serial}"),
        certificate_type,
        common_name: format!("CA {serial}"),
        spiffe_id: None,
        certificate_pem: format!("certificate {serial}"),
        private_key_pem: Some("somewhere:key/1".into()),
        issuer_serial: issuer.map(str::to_owned),
        not_before: NOW,
        not_after: NOW.plus(1000 * HOUR),
        status: CertificateStatus::Active,
        created_at: NOW,
    };
    NewHierarchy {
        trust_domain: "catalyst.example.com".parse().unwrap(),
        cas: vec![
            ca("0c", CertificateType::RootCa, None),
            ca("0b", CertificateType::ServicesCa, Some("0c")),
            ca("0a", CertificateType::TransportCa, Some("0c")),
        ],
    }
}

fn stored(store: &dyn Store, leaf: &NewLeaf) {
    assert_eq!(store.record_leaf(leaf.clone()).unwrap(), Recorded::Stored);
}

/// The leaf, as signed with the hierarchy that the store has now.
pub(crate) fn now_with(store: &dyn Store, leaf: NewLeaf) -> NewLeaf {
    NewLeaf { hierarchy_sequence: store.hierarchy_sequence().unwrap(), ..leaf }
}

/// Those of `names` that others than `owner` hold.
pub(crate) fn held(
    store: &dyn Store,
    names: &[String],
    owner: &str,
    now: Timestamp,
) -> Vec<String> {
    let planned = PlannedLeaf::new("spiffe://nobody", owner, names, now);
    store.facts_before_signing(&planned).unwrap().taken_names
}

/// Saves a CA that was checked just now.
fn save_ca(store: &dyn Store, ca: &CertificateRecord) -> Result<()> {
    assert!(store.save_ca(ca, store.hierarchy_sequence()?)?, "nobody else has changed anything");
    Ok(())
}

fn denial(spiffe_id: &str, at: Timestamp) -> DenyListEntry {
    DenyListEntry { spiffe_id: spiffe_id.into(), reason: "stolen".into(), denied_at: at }
}

fn active(store: &dyn Store, now: Timestamp) -> Vec<(String, u64)> {
    let mut active = store.counts(now).unwrap().active_by_issuer;
    active.sort();
    active
}

fn an_empty_store_is_empty(store: &dyn Store) {
    let hierarchy = store.hierarchy().unwrap();
    assert_eq!(hierarchy.trust_domain, None);
    assert_eq!(hierarchy.sequence, 0);
    assert!(hierarchy.cas.is_empty());
    assert_eq!(store.hierarchy_sequence().unwrap(), 0);
    assert_eq!(store.counts(NOW).unwrap(), Counts::default());
    assert!(!store.is_denied("").unwrap());
    assert!(!store.allow("spiffe://a/b").unwrap());
    assert_eq!(store.denied_identities().unwrap(), []);
    assert_eq!(held(store, &["a".into()], "b", NOW), [""; 0]);
    assert_eq!(store.find_by_serial("00").unwrap(), None);
    assert_eq!(store.find_by_fingerprint("").unwrap(), None);
    assert_eq!(store.find_by_spiffe_id("spiffe://a/b", NOW).unwrap(), []);
    let page = store.list_certificates(&CertificateQuery::default()).unwrap();
    assert!(page.records.is_empty() && page.next.is_none());
    assert_eq!(store.purge_expired(Timestamp::MAX).unwrap(), 0);
}

fn a_hierarchy_is_created_once(store: &dyn Store) {
    let new = hierarchy();
    assert!(store.create_hierarchy(&new).unwrap());
    assert!(!store.create_hierarchy(&new).unwrap());
    let other = NewHierarchy { trust_domain: "other.example".parse().unwrap(), ..hierarchy() };
    assert!(!store.create_hierarchy(&other).unwrap());

    let loaded = store.hierarchy().unwrap();
    assert_eq!(loaded.trust_domain, Some(new.trust_domain));
    assert!(loaded.sequence > u64::try_from(NOW.as_millis()).unwrap(), "no earlier one has it");
    assert_eq!(loaded.cas, new.cas, "of equal age in the order in which they were given");
    assert_eq!(store.hierarchy_sequence().unwrap(), loaded.sequence);

    assert_eq!(store.find_by_serial("0c").unwrap().as_ref(), Some(&loaded.cas[0]));
    let page = store.list_certificates(&CertificateQuery::default()).unwrap();
    assert!(page.records.is_empty(), "CAs are not listed");
    assert_eq!(store.counts(NOW).unwrap(), Counts::default(), "CAs are not counted");
    assert_eq!(store.purge_expired(Timestamp::MAX).unwrap(), 0, "CAs are not purged");
    assert_eq!(store.hierarchy().unwrap().cas.len(), 3);
}

/// Alike from the first to the last as they are.
fn no_two_hierarchies_have_one_number(make: &dyn Fn() -> Box<dyn Store>) {
    let histories: HashSet<_> = (0..8)
        .map(|_| {
            let store = make();
            assert!(store.create_hierarchy(&hierarchy()).unwrap());
            let created = store.hierarchy_sequence().unwrap();
            assert!(store.supersede("0b").unwrap());
            (created, store.hierarchy_sequence().unwrap() - created)
        })
        .collect();
    assert!(histories.len() > 1, "{histories:?}");
}

fn a_hierarchy_is_created_whole_or_not_at_all(store: &dyn Store) {
    let mut broken = hierarchy();
    broken.cas[2].serial = broken.cas[0].serial.clone();
    assert_eq!(store.create_hierarchy(&broken).unwrap_err(), Error::DuplicateRecord("serial"));
    let loaded = store.hierarchy().unwrap();
    assert!(loaded.cas.is_empty());
    assert_eq!((loaded.trust_domain, loaded.sequence), (None, 0));
    assert!(store.create_hierarchy(&hierarchy()).unwrap());
}

fn one_of_many_creates_the_hierarchy(store: &dyn Store) {
    let start = Barrier::new(8);
    let created = thread::scope(|scope| {
        let attempts: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    start.wait();
                    store.create_hierarchy(&hierarchy()).unwrap()
                })
            })
            .collect();
        attempts.into_iter().map(|a| a.join().unwrap()).filter(|c| *c).count()
    });
    assert_eq!(created, 1);
    assert_eq!(store.hierarchy().unwrap().cas.len(), 3);
}

fn plain_keys_are_refused(store: &dyn Store) {
    for plain in ["-----BEGIN PRIVATE KEY-----\nAA==\n", "-----BEGIN EC PRIVATE KEY-----\nAA==\n"] {
        let mut new = hierarchy();
        new.cas[1].private_key_pem = Some(plain.into());
        let error = store.create_hierarchy(&new).unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidKey);
        let mut leaf = leaf(1);
        leaf.record.private_key_pem = Some(plain.into());
        assert_eq!(store.record_leaf(leaf).unwrap_err().code(), ErrorCode::InvalidKey);
    }
    assert!(store.hierarchy().unwrap().cas.is_empty());
}

fn a_leaf_comes_back_as_it_was(store: &dyn Store) {
    let mut odd = leaf(1);
    odd.record.spiffe_id = None;
    odd.record.issuer_serial = None;
    odd.record.private_key_pem = Some("-----BEGIN ENCRYPTED PRIVATE KEY-----\n".into());
    odd.record.not_before = Timestamp::MIN;
    odd.record.not_after = Timestamp::MAX;
    odd.record.created_at = Timestamp::from_millis(-1);
    let mut texts = leaf(2);
    texts.record.common_name = "a\0b\u{FEFF}\u{202E}'\";--\u{1F512}\u{301}\u{FFFD}".into();
    texts.record.spiffe_id = Some("spiffe://x/\0/ä".into());
    texts.record.certificate_pem = "\0".into();
    texts.owner = "\0".into();
    texts.exclusive_names = vec!["\0a".into(), String::new()];
    for new in [leaf(0), odd, texts.clone()] {
        stored(store, &new);
        let record = &new.record;
        assert_eq!(store.find_by_serial(&record.serial).unwrap().as_ref(), Some(record));
        assert_eq!(store.find_by_fingerprint(&record.fingerprint).unwrap().as_ref(), Some(record));
    }
    let found = store.find_by_spiffe_id("spiffe://x/\0/ä", NOW).unwrap();
    assert_eq!(found, [texts.record]);
    assert!(store.find_by_spiffe_id("spiffe://x/", NOW).unwrap().is_empty());
    let held = held(store, &["".into(), "\0".into(), "\0a".into()], "x", NOW);
    assert_eq!(held, ["", "\0a"]);
}

fn serials_and_fingerprints_are_unique(store: &dyn Store) {
    stored(store, &leaf(1));
    let mut same_serial = leaf(2);
    same_serial.record.serial = leaf(1).record.serial;
    let mut same_fingerprint = leaf(3);
    same_fingerprint.record.fingerprint = leaf(1).record.fingerprint;
    for (new, what) in [(same_serial, "serial"), (same_fingerprint, "fingerprint")] {
        let names = new.exclusive_names.clone();
        assert_eq!(store.record_leaf(new).unwrap_err(), Error::DuplicateRecord(what));
        assert!(held(store, &names, "other", NOW).is_empty());
    }
    assert_eq!(active(store, NOW), [("issuer".to_owned(), 1)]);
    assert_eq!(store.find_by_serial(&leaf(1).record.serial).unwrap(), Some(leaf(1).record));
}

fn a_leaf_of_another_hierarchy_is_refused(store: &dyn Store) {
    let early = leaf(1);
    assert!(store.create_hierarchy(&hierarchy()).unwrap());
    assert_eq!(store.record_leaf(early).unwrap(), Recorded::HierarchyChanged);
    stored(store, &now_with(store, leaf(1)));
    let mut ahead = now_with(store, leaf(2));
    ahead.hierarchy_sequence += 1;
    assert_eq!(store.record_leaf(ahead).unwrap(), Recorded::HierarchyChanged);
}

fn denying_stops_recording_and_names_what_is_out(store: &dyn Store) {
    let id = "spiffe://catalyst.example.com/node/stolen";
    let out = |number, not_after, status| {
        let mut new = leaf(number);
        new.record.spiffe_id = Some(id.into());
        new.record.not_after = not_after;
        new.record.status = status;
        stored(store, &new);
        ExpiringCertificate { serial: new.record.serial, expires_at: not_after }
    };
    let last = out(1, NOW.plus(2 * HOUR), CertificateStatus::Active);
    let first = out(2, NOW.plus(MILLISECOND), CertificateStatus::Superseded);
    out(3, NOW, CertificateStatus::Active);
    stored(store, &leaf(4));

    assert!(!store.is_denied(id).unwrap());
    let expiring = store.deny(&denial(id, NOW)).unwrap();
    assert_eq!(expiring, [first, last.clone()], "unexpired ones, the first to expire first");
    assert!(store.is_denied(id).unwrap());
    assert!(!store.is_denied(&id[..id.len() - 1]).unwrap());
    let facts = |id| store.facts_before_signing(&PlannedLeaf::new(id, "", &[], NOW)).unwrap();
    assert!(facts(id).is_denied);
    assert!(!facts(&id[..id.len() - 1]).is_denied);
    let mut another = leaf(5);
    another.record.spiffe_id = Some(id.into());
    assert_eq!(store.record_leaf(another.clone()).unwrap(), Recorded::Denied);
    assert_eq!(store.find_by_serial(&another.record.serial).unwrap(), None);

    let later = NOW.plus(HOUR);
    let again = DenyListEntry { reason: "sold".into(), ..denial(id, later) };
    assert_eq!(store.deny(&again).unwrap(), [last]);
    assert_eq!(store.denied_identities().unwrap(), [again]);
    assert_eq!(store.counts(NOW).unwrap().denied, 1);

    assert!(store.allow(id).unwrap());
    assert!(!store.allow(id).unwrap());
    assert_eq!(store.counts(NOW).unwrap().denied, 0);
    stored(store, &another);
}

fn the_deny_list_is_newest_first(store: &dyn Store) {
    for (id, seconds) in [("spiffe://a/b", 2), ("spiffe://a/d", 1), ("spiffe://a/c", 1)] {
        let at = NOW.plus(Duration::from_secs(seconds));
        assert_eq!(store.deny(&denial(id, at)).unwrap(), []);
    }
    let listed: Vec<_> =
        store.denied_identities().unwrap().into_iter().map(|entry| entry.spiffe_id).collect();
    assert_eq!(listed, ["spiffe://a/b", "spiffe://a/c", "spiffe://a/d"]);
    assert_eq!(store.counts(NOW).unwrap().denied, 3);
}

fn a_name_belongs_to_one_owner(store: &dyn Store) {
    let named = |number, owner: &str, names: &[&str], created_at: Timestamp| {
        let mut new = leaf(number);
        new.owner = owner.into();
        new.exclusive_names = names.iter().map(|name| (*name).to_owned()).collect();
        new.record.created_at = created_at;
        new.record.not_after = created_at.plus(HOUR);
        new
    };
    stored(store, &named(1, "node-a.x", &["node-a.x", "orch-a"], NOW));
    let names = ["orch-a".to_owned(), "orch-b".to_owned()];
    assert_eq!(held(store, &names, "node-a.y", NOW), ["orch-a"]);
    assert!(held(store, &names, "node-a.x", NOW).is_empty());

    let taken = named(2, "node-a.y", &["orch-a", "node-a.y"], NOW);
    assert_eq!(store.record_leaf(taken).unwrap(), Recorded::NamesTaken(vec!["orch-a".into()]));
    assert!(held(store, &["node-a.y".into()], "other", NOW).is_empty());

    // A renewal holds it longer; one that ends earlier doesn't shorten that.
    let renewed = NOW.plus(HOUR / 2);
    stored(store, &named(3, "node-a.x", &["orch-a"], renewed));
    stored(store, &named(4, "node-a.x", &["orch-a"], NOW));
    let end = renewed.plus(HOUR);
    let before = end.minus(MILLISECOND);
    assert_eq!(held(store, &names, "node-a.y", before), ["orch-a"]);
    assert!(held(store, &names, "node-a.y", end).is_empty());
    stored(store, &named(5, "node-a.y", &["orch-a"], end));
    // The first owner is now the other one.
    assert_eq!(held(store, &names, "node-a.x", end), ["orch-a"]);
}

fn a_contested_name_goes_to_one_of_many(store: &dyn Store) {
    let start = Barrier::new(8);
    let stored = thread::scope(|scope| {
        let attempts: Vec<_> = (0..8)
            .map(|number| {
                let start = &start;
                scope.spawn(move || {
                    let new = NewLeaf { exclusive_names: vec!["orch-a".into()], ..leaf(number) };
                    start.wait();
                    store.record_leaf(new).unwrap() == Recorded::Stored
                })
            })
            .collect();
        attempts.into_iter().map(|a| a.join().unwrap()).filter(|stored| *stored).count()
    });
    assert_eq!(stored, 1);
}

fn identities_have_their_active_unexpired_certificates(store: &dyn Store) {
    let id = "spiffe://catalyst.example.com/node/a";
    let mut expected = Vec::new();
    for number in 0..6 {
        let mut new = leaf(number);
        new.record.spiffe_id = Some(id.into());
        new.record.created_at = NOW.plus(Duration::from_secs([5, 1, 9, 1, 7, 8][number]));
        match number {
            4 => new.record.status = CertificateStatus::Superseded,
            5 => new.record.not_after = NOW,
            _ => expected.push(new.record.clone()),
        }
        stored(store, &new);
    }
    let expected = [2, 0, 3, 1].map(|index| expected[index].clone());
    assert_eq!(store.find_by_spiffe_id(id, NOW).unwrap(), expected);
    assert!(store.find_by_spiffe_id(id, NOW.plus(HOUR)).unwrap().is_empty());
}

fn lists_are_paged(store: &dyn Store) {
    assert!(store.create_hierarchy(&hierarchy()).unwrap());
    let mut all = Vec::new();
    for number in 0..60 {
        let mut new = now_with(store, leaf(number));
        // Several of one millisecond, and not in order.
        new.record.created_at = NOW.plus(Duration::from_millis((number * 7 % 20) as u64));
        new.record.spiffe_id = Some(format!("spiffe://a/{}", number % 3));
        if number % 4 == 0 {
            new.record.status = CertificateStatus::Superseded;
        }
        stored(store, &new);
        all.push(new.record);
    }
    // The later stored one first, where they are of one millisecond.
    all.reverse();
    all.sort_by_key(|record| std::cmp::Reverse(record.created_at));

    for spiffe_id in [None, Some("spiffe://a/1".to_owned()), Some("spiffe://none".to_owned())] {
        for status in [None, Some(CertificateStatus::Active), Some(CertificateStatus::Superseded)] {
            let expected: Vec<_> = all
                .iter()
                .filter(|record| spiffe_id.is_none() || record.spiffe_id == spiffe_id)
                .filter(|record| status.is_none_or(|status| record.status == status))
                .cloned()
                .collect();
            for limit in [1, 7, 20, 60, 0] {
                let mut query =
                    CertificateQuery { spiffe_id: spiffe_id.clone(), status, cursor: None, limit };
                let mut listed = Vec::new();
                loop {
                    let page = store.list_certificates(&query).unwrap();
                    assert!(limit == 0 || page.records.len() <= limit);
                    assert!(!page.records.is_empty() || page.next.is_none());
                    listed.extend(page.records);
                    query.cursor = page.next;
                    if query.cursor.is_none() {
                        break;
                    }
                }
                assert_eq!(listed, expected, "{spiffe_id:?} {status:?} {limit}");
            }
        }
    }

    // What comes in between pages shifts nothing.
    let query = CertificateQuery { limit: 30, ..Default::default() };
    let first = store.list_certificates(&query).unwrap();
    let mut newer = now_with(store, leaf(100));
    newer.record.created_at = NOW.plus(HOUR);
    stored(store, &newer);
    let query = CertificateQuery { cursor: first.next, ..query };
    let second = store.list_certificates(&query).unwrap();
    assert_eq!([first.records, second.records].concat(), all);
    assert_eq!(second.next, None);
}

fn bad_cursors_are_refused(store: &dyn Store) {
    stored(store, &leaf(1));
    for bad in ["", "0", "null", "💥", "AAAA", &"x".repeat(100_000)] {
        let query = CertificateQuery { cursor: Some(bad.into()), ..Default::default() };
        let error = store.list_certificates(&query).unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidArgument, "{bad:.20}");
    }
}

fn leaves_that_end_are_no_longer_counted(store: &dyn Store) {
    let ends = [
        NOW.plus(HOUR),
        NOW.plus(HOUR).plus(Duration::from_millis(1500)),
        NOW.plus(100 * HOUR),
        Timestamp::MAX,
    ];
    for (number, end) in ends.into_iter().enumerate() {
        let mut new = leaf(number);
        new.record.not_after = end;
        new.record.issuer_serial = (number != 3).then(|| "issuer".to_owned());
        stored(store, &new);
    }
    for (index, end) in ends.into_iter().enumerate() {
        let left = |more: usize| {
            let of_issuer = 3_usize.saturating_sub(index + more) as u64;
            let of_none = u64::from(index + more < 4);
            [(String::new(), of_none), ("issuer".to_owned(), of_issuer)]
                .into_iter()
                .filter(|(_, leaves)| *leaves > 0)
                .collect::<Vec<_>>()
        };
        assert_eq!(active(store, end.minus(MILLISECOND)), left(0), "before the end of {index}");
        assert_eq!(active(store, end), left(1), "at the end of {index}");
    }
}

fn ca(serial: &str, certificate_type: CertificateType) -> CertificateRecord {
    let [root, ..] = &hierarchy().cas[..] else { panic!("no root") };
    CertificateRecord {
        serial: serial.into(),
        fingerprint: format!("fingerprint-of-{serial}"),
        certificate_type,
        ..root.clone()
    }
}

fn statuses(store: &dyn Store) -> Vec<(String, CertificateStatus)> {
    let cas = store.hierarchy().unwrap().cas;
    cas.into_iter().map(|ca| (ca.serial, ca.status)).collect()
}

fn a_saved_ca_supersedes_the_one_of_its_type(store: &dyn Store) {
    assert!(store.create_hierarchy(&hierarchy()).unwrap());
    let next = ca("0d", CertificateType::ServicesCa);
    let before = store.hierarchy_sequence().unwrap();
    save_ca(store, &next).unwrap();
    assert!(store.hierarchy_sequence().unwrap() > before, "others must see it");
    assert_eq!(
        statuses(store),
        [
            ("0c".into(), CertificateStatus::Active),
            ("0b".into(), CertificateStatus::Superseded),
            ("0a".into(), CertificateStatus::Active),
            ("0d".into(), CertificateStatus::Active),
        ]
    );
    assert_eq!(store.find_by_serial("0d").unwrap().as_ref(), Some(&next));

    let pending = CertificateRecord {
        status: CertificateStatus::Pending,
        ..ca("0e", CertificateType::ServicesCa)
    };
    save_ca(store, &pending).unwrap();
    assert_eq!(statuses(store)[3], ("0d".into(), CertificateStatus::Active));
    assert_eq!(store.find_by_serial("0e").unwrap(), Some(pending), "its status is its own");
    assert_eq!(save_ca(store, &leaf(1).record).unwrap_err().code(), ErrorCode::InvalidArgument);
}

fn a_ca_that_was_checked_against_another_state_is_not_saved(store: &dyn Store) {
    assert!(store.create_hierarchy(&hierarchy()).unwrap());
    let StoredHierarchy { cas: before, sequence, .. } = store.hierarchy().unwrap();
    for other in [0, sequence - 1, sequence + 1] {
        assert_eq!(store.save_ca(&ca("0d", CertificateType::ServicesCa), other), Ok(false));
        assert_eq!(store.save_ca(&before[1], other), Ok(false));
    }
    assert_eq!(store.hierarchy().unwrap().cas, before);
    assert_eq!(store.hierarchy_sequence().unwrap(), sequence);
    assert_eq!(store.save_ca(&ca("0d", CertificateType::ServicesCa), sequence), Ok(true));
}

fn a_saved_ca_takes_the_place_of_its_like(store: &dyn Store) {
    assert!(store.create_hierarchy(&hierarchy()).unwrap());
    let renamed = CertificateRecord {
        common_name: "renamed".into(),
        ..ca("0b", CertificateType::ServicesCa)
    };
    save_ca(store, &renamed).unwrap();
    assert_eq!(store.hierarchy().unwrap().cas.len(), 3);
    assert_eq!(store.find_by_serial("0b").unwrap().as_ref(), Some(&renamed));
    assert_eq!(store.find_by_fingerprint("fingerprint-of-0b").unwrap(), Some(renamed));

    let StoredHierarchy { cas: before, sequence, .. } = store.hierarchy().unwrap();
    let taken = CertificateRecord {
        fingerprint: "fingerprint-of-0c".into(),
        ..ca("0b", CertificateType::ServicesCa)
    };
    assert_eq!(save_ca(store, &taken).unwrap_err(), Error::DuplicateRecord("fingerprint"));
    stored(store, &now_with(store, leaf(1)));
    let a_leafs = ca(&leaf(1).record.serial, CertificateType::ServicesCa);
    assert_eq!(save_ca(store, &a_leafs).unwrap_err(), Error::DuplicateRecord("serial"));
    let plain = CertificateRecord {
        private_key_pem: Some("-----BEGIN PRIVATE KEY-----\n".into()),
        ..ca("0b", CertificateType::ServicesCa)
    };
    assert_eq!(save_ca(store, &plain).unwrap_err().code(), ErrorCode::InvalidKey);
    assert_eq!(store.hierarchy().unwrap().cas, before, "what is refused changes nothing");
    assert_eq!(store.hierarchy_sequence().unwrap(), sequence);
}

fn a_saved_leaf_is_one_like_any_other(store: &dyn Store) {
    let new = leaf(1);
    let id = new.record.spiffe_id.clone().unwrap();
    store.deny(&denial(&id, NOW)).unwrap();
    store.save_leaf(&NewLeaf { hierarchy_sequence: 77, ..new.clone() }).unwrap();
    assert_eq!(store.find_by_serial(&new.record.serial).unwrap().as_ref(), Some(&new.record));
    assert_eq!(store.find_by_spiffe_id(&id, NOW).unwrap(), std::slice::from_ref(&new.record));
    assert_eq!(active(store, NOW), [("issuer".into(), 1)]);
    assert_eq!(held(store, &new.exclusive_names, "b", NOW).len(), 1);
    let mut same_serial = new.clone();
    same_serial.record.fingerprint = "another".into();
    assert_eq!(store.save_leaf(&same_serial).unwrap_err(), Error::DuplicateRecord("serial"));
    assert_eq!(active(store, NOW), [("issuer".into(), 1)]);
    let root = NewLeaf { record: ca("0c", CertificateType::RootCa), ..leaf(2) };
    assert_eq!(store.save_leaf(&root).unwrap_err().code(), ErrorCode::InvalidArgument);
    assert_eq!(store.purge_expired(new.record.not_after.plus(MILLISECOND)).unwrap(), 1);
}

fn what_is_superseded_is_no_longer_active(store: &dyn Store) {
    assert!(store.create_hierarchy(&hierarchy()).unwrap());
    let new = now_with(store, leaf(1));
    stored(store, &new);
    let serial = &new.record.serial;
    assert!(store.supersede(serial).unwrap());
    assert!(!store.supersede(serial).unwrap(), "once");
    assert!(!store.supersede("none").unwrap());
    assert_eq!(active(store, NOW), []);
    let found = store.find_by_serial(serial).unwrap().unwrap();
    let expected =
        CertificateRecord { status: CertificateStatus::Superseded, ..new.record.clone() };
    assert_eq!(found, expected);
    let id = expected.spiffe_id.as_deref().unwrap();
    assert_eq!(store.find_by_spiffe_id(id, NOW).unwrap(), []);
    let of_status = |status| {
        let query = CertificateQuery { status: Some(status), ..Default::default() };
        store.list_certificates(&query).unwrap().records.len()
    };
    assert_eq!(of_status(CertificateStatus::Active), 0);
    assert_eq!(of_status(CertificateStatus::Superseded), 1);
    assert_eq!(store.deny(&denial(id, NOW)).unwrap().len(), 1, "it is still valid");
    assert_eq!(store.hierarchy_sequence().unwrap(), new.hierarchy_sequence);

    let error = store.supersede("0c").unwrap_err();
    assert_eq!(error.code(), ErrorCode::InvalidArgument, "a root with intermediates");
    assert_eq!(store.hierarchy_sequence().unwrap(), new.hierarchy_sequence);
    assert_eq!(statuses(store)[0], ("0c".into(), CertificateStatus::Active));
    assert!(store.supersede("0b").unwrap());
    assert!(store.hierarchy_sequence().unwrap() > new.hierarchy_sequence);
    assert_eq!(statuses(store)[1], ("0b".into(), CertificateStatus::Superseded));
    assert_eq!(store.purge_expired(expected.not_after.plus(MILLISECOND)).unwrap(), 1);
    assert_eq!(active(store, NOW), []);
}

fn the_census_counts_by_type_and_status(store: &dyn Store) {
    use CertificateStatus::{Active, Superseded};
    assert_eq!(store.census().unwrap(), []);
    assert!(store.create_hierarchy(&hierarchy()).unwrap());
    save_ca(store, &ca("0d", CertificateType::ServicesCa)).unwrap();
    for number in 0..5 {
        stored(store, &now_with(store, leaf(number)));
    }
    assert!(store.supersede(&leaf(3).record.serial).unwrap());
    let mut census = store.census().unwrap();
    census.sort_by_key(|(kind, status, _)| (kind.as_str(), status.as_str()));
    assert_eq!(
        census,
        [
            (CertificateType::EndEntity, Active, 4),
            (CertificateType::EndEntity, Superseded, 1),
            (CertificateType::RootCa, Active, 1),
            (CertificateType::ServicesCa, Active, 1),
            (CertificateType::ServicesCa, Superseded, 1),
            (CertificateType::TransportCa, Active, 1),
        ]
    );
}

fn purging_takes_expired_leaves_alone(store: &dyn Store) {
    let mut expected = 0;
    for number in 0..700 {
        let mut new = leaf(number);
        new.record.not_after = NOW.plus(Duration::from_secs(number as u64));
        new.record.status = match number % 3 {
            0 => CertificateStatus::Superseded,
            _ => CertificateStatus::Active,
        };
        expected += u64::from(number >= 650 && number % 3 != 0);
        stored(store, &new);
    }
    let before = NOW.plus(Duration::from_secs(650));
    assert_eq!(store.purge_while(before, &|| false).unwrap(), 0);
    let asked = std::cell::Cell::new(0);
    let once = || asked.replace(asked.get() + 1) == 0;
    let first = store.purge_while(before, &once).unwrap();
    assert!((1..=650).contains(&first), "{first}");
    assert_eq!(store.purge_expired(before).unwrap(), 650 - first);
    assert_eq!(store.purge_expired(before).unwrap(), 0);
    assert_eq!(store.find_by_serial(&leaf(649).record.serial).unwrap(), None);
    assert!(store.find_by_serial(&leaf(650).record.serial).unwrap().is_some());
    assert_eq!(active(store, NOW), [("issuer".to_owned(), expected)], "as if counted one by one");
    let names = ["node-1".to_owned(), "node-649".to_owned(), "node-650".to_owned()];
    assert_eq!(held(store, &names, "x", Timestamp::MIN), ["node-650"]);
    assert_eq!(store.purge_expired(Timestamp::MAX).unwrap(), 50);
    assert_eq!(active(store, NOW), []);
    stored(store, &leaf(0));
}

fn a_refused_leaf_takes_no_other_with_it(store: &dyn Store) {
    store.deny(&denial("spiffe://denied", NOW)).unwrap();
    stored(store, &leaf(1000));
    let start = Barrier::new(8);
    thread::scope(|scope| {
        for number in 0..8 {
            let start = &start;
            scope.spawn(move || {
                start.wait();
                for round in 0..20 {
                    let mut new = leaf(number * 20 + round);
                    let is_expected: fn(&Result<Recorded>) -> bool = match number {
                        0 => {
                            new.record.spiffe_id = Some("spiffe://denied".into());
                            |recorded| *recorded == Ok(Recorded::Denied)
                        }
                        1 => {
                            new.record.serial = leaf(1000).record.serial;
                            |recorded| *recorded == Err(Error::DuplicateRecord("serial"))
                        }
                        2 => {
                            new.hierarchy_sequence = 5;
                            |recorded| *recorded == Ok(Recorded::HierarchyChanged)
                        }
                        3 => {
                            new.exclusive_names = leaf(1000).exclusive_names;
                            |recorded| matches!(recorded, Ok(Recorded::NamesTaken(_)))
                        }
                        _ => |recorded| *recorded == Ok(Recorded::Stored),
                    };
                    let recorded = store.record_leaf(new);
                    assert!(is_expected(&recorded), "{number}: {recorded:?}");
                }
            });
        }
    });
    assert_eq!(active(store, NOW), [("issuer".to_owned(), 81)]);
}

/// Also for tests of one store alone.
pub(crate) fn many_record_at_once(store: &dyn Store, threads: usize, each: usize) {
    let start = Barrier::new(threads);
    thread::scope(|scope| {
        for worker in 0..threads {
            let start = &start;
            scope.spawn(move || {
                start.wait();
                for i in 0..each {
                    let new = leaf(worker * each + i);
                    stored(store, &new);
                    // Whoever is told that it is stored finds it.
                    let found = store.find_by_serial(&new.record.serial).unwrap();
                    assert_eq!(found, Some(new.record));
                }
            });
        }
    });
    let mut listed = HashSet::new();
    let mut query = CertificateQuery { limit: 1000, ..Default::default() };
    loop {
        let page = store.list_certificates(&query).unwrap();
        listed.extend(page.records.into_iter().map(|record| record.serial));
        query.cursor = page.next;
        if query.cursor.is_none() {
            break;
        }
    }
    let expected: HashSet<_> = (0..threads * each).map(|n| leaf(n).record.serial).collect();
    assert_eq!(listed, expected);
    assert_eq!(active(store, NOW), [("issuer".to_owned(), (threads * each) as u64)]);
}

#[derive(Debug, Clone)]
enum Step {
    Record { issuer: u8, not_after: Timestamp, status: CertificateStatus },
    Purge(Timestamp),
    Count(Timestamp),
}

fn step() -> impl Strategy<Value = Step> {
    // Around the ends of seconds, minutes, hours and days, with and without a fraction.
    let moment = || {
        let unit = prop_oneof![Just(1_i64), Just(1000), Just(60_000), Just(3_600_000)];
        (unit, -30..30_i64, prop_oneof![3 => Just(0), 1 => -1..=1_i64]).prop_map(
            |(unit, times, ms)| Timestamp::from_millis(NOW.as_millis() + unit * times + ms),
        )
    };
    let status = prop_oneof![
        4 => Just(CertificateStatus::Active),
        1 => Just(CertificateStatus::Superseded),
        1 => Just(CertificateStatus::Expired),
    ];
    prop_oneof![
        4 => (0..3_u8, moment(), status).prop_map(|(issuer, not_after, status)| Step::Record {
            issuer,
            not_after,
            status
        }),
        1 => moment().prop_map(Step::Purge),
        3 => moment().prop_map(Step::Count),
    ]
}

fn counts_agree_with_a_model(make: &dyn Fn() -> Box<dyn Store>) {
    let mut runner = TestRunner::new(Config { cases: 24, ..Config::default() });
    let steps = prop::collection::vec(step(), 1..40);
    let outcome = runner.run(&steps, |steps| {
        let store = make();
        let mut model: Vec<(u8, Timestamp, CertificateStatus)> = Vec::new();
        for (number, step) in steps.into_iter().enumerate() {
            match step {
                Step::Record { issuer, not_after, status } => {
                    let mut new = leaf(number);
                    new.record.issuer_serial = Some(issuer.to_string());
                    new.record.not_after = not_after;
                    new.record.status = status;
                    stored(&*store, &new);
                    model.push((issuer, not_after, status));
                }
                Step::Purge(before) => {
                    let all = model.len();
                    model.retain(|(_, not_after, _)| *not_after >= before);
                    let purged = (all - model.len()) as u64;
                    prop_assert_eq!(store.purge_expired(before).unwrap(), purged);
                }
                Step::Count(now) => {
                    let counted = |of: u8| {
                        let is_active =
                            |(issuer, not_after, status): &&(u8, Timestamp, CertificateStatus)| {
                                *issuer == of
                                    && *not_after > now
                                    && *status == CertificateStatus::Active
                            };
                        (of.to_string(), model.iter().filter(is_active).count() as u64)
                    };
                    let expected: Vec<_> =
                        (0..3).map(counted).filter(|(_, leaves)| *leaves > 0).collect();
                    prop_assert_eq!(active(&*store, now), expected);
                }
            }
        }
        Ok(())
    });
    outcome.unwrap();
}
