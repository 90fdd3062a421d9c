//! A long revocation list: how long making it takes, and that revoking one certificate more costs no
//! more than with a short one.

use std::{hint::black_box, time::Instant};

use catalyst_pki::authority::{CaName, CertificateManager, DenySerial};

use crate::{
    issuing::on_disk,
    report::{Goal, Report, in_turns, median, micros},
    scale::fill,
};

const ENTRIES: usize = 100_000;
const LIMIT_MS: f64 = 2_000.0;
const ID: &str = "spiffe://catalyst.example.com/node/node-a";

pub(crate) fn run(report: &mut Report) {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let revoked = |name: &str, entries: usize| {
        let manager = on_disk(&folder.path().join(name));
        fill(&manager, entries, |_| ID.to_owned());
        manager.deny_identity(ID, "bench").unwrap();
        manager
    };
    let (short, long) = (revoked("short.db", 10), revoked("long.db", ENTRIES));
    let services: CaName = "services".parse().unwrap();
    let mut serial = 0_u64;
    let mut deny = |manager: &CertificateManager| {
        serial += 1;
        let serial = format!("{serial:x}");
        manager.deny_serial(&DenySerial::new(&serial, "bench").issued_by(&services)).unwrap();
    };
    let took = median((0..5).map(|_| {
        deny(&long);
        let start = Instant::now();
        black_box(long.crl(&services).unwrap());
        micros(start.elapsed()) / 1000.0
    }));
    report.add(
        &format!("crl, {ENTRIES} entries, made anew"),
        (took, "ms"),
        &format!("a limit of {LIMIT_MS} ms"),
        took / LIMIT_MS,
        Goal::AtMost(1.0),
    );
    let deny = std::cell::RefCell::new(deny);
    let times = in_turns(21, 10, || deny.borrow_mut()(&short), || deny.borrow_mut()(&long));
    report.add(
        &format!("deny_serial, durable, {ENTRIES} entries"),
        (times.b, "µs"),
        &format!("10 entries, {:.1} µs", times.a),
        times.b_over_a,
        Goal::AtMost(2.0),
    );
}
