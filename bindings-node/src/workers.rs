//! The threads that sign, verify and work on databases, so that the event loop goes on.
//!
//! Our own, not libuv's or a runtime's, because of what the event loop needs and what durable
//! signing needs:
//!
//! - No more threads *compute* at once than there are cores; each gives its core away between the
//!   steps of its work ([`let_others_run`]), and all run at a lower priority than the event loop's
//!   thread. So the loop waits for a core no longer than one signature takes. Priority alone is not
//!   enough: Linux lets a thread finish its time slice, some milliseconds, before one of higher
//!   priority that wakes up gets the core.
//! - More threads may *wait* for a disk ([`begin_to_wait`], [`while_waiting`]): issuers that wait
//!   together share one commit, and with as many threads as cores there would be hardly any to share
//!   it. That they wait hinders nobody else: a database that another program has locked for seconds
//!   stops what needs that database, and no verification.
//!
//! Measured in Bun 1.4.5 on 2 cores while other programs ran, signing on a store in memory, 64 calls
//! at a time and 1,000 started at once; the gap is that between two 1 ms ticks of the event loop at
//! p99, in ms:
//!
//! | how | signatures/s | gap, 64 | gap, 1,000 |
//! | --- | --- | --- | --- |
//! | N-API's own threads (`AsyncTask`) | 2,700 | 4.9 | 6.6 |
//! | 32 threads, lower priority | 3,300 | 18 | 65 |
//! | as many as cores, same priority | 3,000 | 5.1 | 5.7 |
//! | as many as cores, lower priority | 3,100 | 2.9 | 2.2 |
//! | the same, giving way between steps | 3,100 | 2.3 | 3.1 |
//! | one thread fewer than cores | 2,000 | 1.4 | 1.2 |
//!
//! All but `AsyncTask` with the answers handed out as `ts/calls.ts` does it; with one wake-up of the
//! loop for each answer (80 to 130 µs of its time) the same threads sign 2,000 to 2,700 times a
//! second. What giving way changes most is the longest gap: 5 ms in place of 8 to 12. 64 or 96
//! threads sign no more on a disk than 32.
//!
//! Threads start when there is work and end after a while without any. Of those without work the one
//! that had some last gets the next: what it used is still in its core's caches and in its part of the
//! allocator's memory, and those that aren't needed do end.

use std::{
    cell::Cell,
    collections::VecDeque,
    sync::{Arc, LazyLock},
    thread,
    time::Duration,
};

use catalyst_pki::{Error, Result};
use parking_lot::{Condvar, Mutex};

/// How many pieces of work that may wait for a disk are under way at once. So many threads may be
/// waiting, and there are as many more as there are cores, for work that never waits.
const MOST_ON_DISK: usize = 32;

/// How much lower than the event loop's the priority of the threads is, in steps of `nice`.
#[cfg(target_os = "linux")]
const NICE: i32 = 10;

/// After this time without work a thread ends.
const IDLE: Duration = Duration::from_secs(10);

/// How many threads compute at once.
static CORES: LazyLock<usize> =
    LazyLock::new(|| thread::available_parallelism().map_or(1, usize::from));

/// A piece of work. It must not panic: [`crate::boundary::catch`] is inside of it.
type Work = Box<dyn FnOnce() + Send>;

/// What a piece of work may have to wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MayWait {
    /// Nothing but a core.
    Never,
    /// A disk, or another program that has locked a database there.
    ForDisk,
}

struct Queue {
    /// What has not been begun, with its number in the order of arrival: what never waits apart from
    /// what may, so that it can go first where no more may wait.
    computations: VecDeque<(u64, Work)>,
    for_disk: VecDeque<(u64, Work)>,
    last_number: u64,
    threads: usize,
    /// Threads without work; the last one has been without for the shortest time.
    idle: Vec<Arc<Condvar>>,
    /// Threads that have been woken or started for work and are not there yet.
    coming: usize,
    /// Threads that work and are not waiting for a disk.
    computing: usize,
    /// Threads that have waited for a disk and go on as soon as they may have a core.
    returning: usize,
    /// Work that may wait for a disk and has been begun.
    on_disk: usize,
}

static QUEUE: Mutex<Queue> = Mutex::new(Queue {
    computations: VecDeque::new(),
    for_disk: VecDeque::new(),
    last_number: 0,
    threads: 0,
    idle: Vec::new(),
    coming: 0,
    computing: 0,
    returning: 0,
    on_disk: 0,
});
static FREE_CORE: Condvar = Condvar::new();

thread_local! {
    /// Whether this thread is one of those that `Queue::computing` counts.
    static COMPUTES: Cell<bool> = const { Cell::new(false) };
}

/// Has a thread do `work`; first come, first served.
///
/// # Errors
///
/// [`Error::Internal`] if the operating system gives not a single thread.
pub(crate) fn run(may_wait: MayWait, work: impl FnOnce() + Send + 'static) -> Result<()> {
    let mut queue = QUEUE.lock();
    queue.add(may_wait, Box::new(work));
    let started = queue.find_thread();
    if started.is_err() && queue.threads == 0 {
        queue.of(may_wait).pop_back();
        return Err(Error::Internal("no thread could be started".into()));
    }
    Ok(())
}

/// Says that this piece of work is going to wait for a disk, and what it does after that is little:
/// another one may have the core.
pub(crate) fn begin_to_wait() {
    if COMPUTES.replace(false) {
        let mut queue = QUEUE.lock();
        queue.give_core_back();
        // Where no thread can be had the present ones go on.
        let _ = queue.find_thread();
    }
}

/// Does what may wait for a disk, or for another thread that does. Another piece of work may have
/// the core meanwhile; before this one goes on it waits for one that is free.
pub(crate) fn while_waiting<T>(wait: impl FnOnce() -> T) -> T {
    let computed = COMPUTES.get();
    begin_to_wait();
    let result = wait();
    if computed {
        let mut queue = QUEUE.lock();
        queue.returning += 1;
        while queue.computing >= *CORES {
            FREE_CORE.wait(&mut queue);
        }
        queue.returning -= 1;
        queue.computing += 1;
        COMPUTES.set(true);
    }
    result
}

/// Says that this is a good moment for another thread to have the core: the event loop's, if it
/// wants one.
pub(crate) fn let_others_run() {
    thread::yield_now();
}

impl Queue {
    fn of(&mut self, may_wait: MayWait) -> &mut VecDeque<(u64, Work)> {
        match may_wait {
            MayWait::Never => &mut self.computations,
            MayWait::ForDisk => &mut self.for_disk,
        }
    }

    fn add(&mut self, may_wait: MayWait, work: Work) {
        self.last_number += 1;
        let number = self.last_number;
        self.of(may_wait).push_back((number, work));
    }

    /// For how much more work there is a core.
    fn free_cores(&self) -> usize {
        // Those that return have been begun first.
        CORES.saturating_sub(self.computing + self.returning)
    }

    /// How much work could be begun, were there cores and threads.
    fn ready(&self) -> usize {
        self.computations.len() + self.for_disk.len().min(MOST_ON_DISK - self.on_disk)
    }

    /// Takes what has waited longest of what may be begun, if there is a core for it.
    fn begin(&mut self) -> Option<(MayWait, Work)> {
        if self.free_cores() == 0 {
            return None;
        }
        let number = |work: &VecDeque<(u64, Work)>| work.front().map_or(u64::MAX, |first| first.0);
        let may_wait_for_disk =
            self.on_disk < MOST_ON_DISK && number(&self.for_disk) < number(&self.computations);
        let may_wait = if may_wait_for_disk { MayWait::ForDisk } else { MayWait::Never };
        let (_, work) = self.of(may_wait).pop_front()?;
        self.computing += 1;
        self.on_disk += usize::from(may_wait == MayWait::ForDisk);
        Some((may_wait, work))
    }

    fn end(&mut self, may_wait: MayWait) {
        if COMPUTES.replace(false) {
            self.give_core_back();
        }
        self.on_disk -= usize::from(may_wait == MayWait::ForDisk);
    }

    fn give_core_back(&mut self) {
        self.computing -= 1;
        if self.returning > 0 {
            FREE_CORE.notify_one();
        }
    }

    /// Wakes or starts a thread for waiting work, if there is any and a core may be had for it.
    fn find_thread(&mut self) -> std::io::Result<()> {
        if self.coming >= self.ready().min(self.free_cores()) {
            return Ok(());
        }
        if let Some(thread) = self.idle.pop() {
            thread.notify_one();
        } else if self.threads < MOST_ON_DISK + *CORES {
            thread::Builder::new().name("catalyst-pki".into()).spawn(work_on)?;
            self.threads += 1;
        } else {
            return Ok(());
        }
        self.coming += 1;
        Ok(())
    }
}

fn work_on() {
    lower_priority();
    let more_work = Arc::new(Condvar::new());
    let mut queue = QUEUE.lock();
    queue.coming -= 1;
    loop {
        if let Some((may_wait, work)) = queue.begin() {
            COMPUTES.set(true);
            drop(queue);
            work();
            let_others_run();
            queue = QUEUE.lock();
            queue.end(may_wait);
            continue;
        }
        queue.idle.push(Arc::clone(&more_work));
        let waited = more_work.wait_for(&mut queue, IDLE);
        // Whoever wakes it takes it off the list.
        match queue.idle.iter().position(|idle| Arc::ptr_eq(idle, &more_work)) {
            None => queue.coming -= 1,
            Some(at) => {
                queue.idle.remove(at);
                if waited.timed_out() && queue.ready() == 0 {
                    queue.threads -= 1;
                    return;
                }
            }
        }
    }
}

/// On Linux a thread has a priority of its own. Where it can't be lowered it stays as it is.
fn lower_priority() {
    #[cfg(target_os = "linux")]
    let _ = rustix::process::nice(NICE);
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Barrier,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    };

    use super::*;

    /// One test, because the threads are the process's: more pieces of work than cores wait for
    /// one another while they "wait for a disk", no more than cores ever compute, and what never
    /// waits is done while all that may wait do.
    #[test]
    fn more_wait_than_compute() {
        let (done, all_done) = mpsc::channel();
        let all_have_come =
            || all_done.recv_timeout(Duration::from_secs(60)).expect("every piece of work is done");
        // A database is locked, and twice as many as may wait for it want it.
        let locked = Arc::new(Mutex::new(()));
        let lock = locked.lock();
        let computing = Arc::new(AtomicUsize::new(0));
        let compute = |computing: &AtomicUsize| {
            let most = computing.fetch_add(1, Ordering::SeqCst) + 1;
            let_others_run();
            computing.fetch_sub(1, Ordering::SeqCst);
            most
        };
        for _ in 0..2 * MOST_ON_DISK {
            let (done, locked, computing) =
                (done.clone(), Arc::clone(&locked), Arc::clone(&computing));
            run(MayWait::ForDisk, move || {
                let before = compute(&computing);
                while_waiting(|| drop(locked.lock()));
                done.send(before.max(compute(&computing))).unwrap();
            })
            .unwrap();
        }
        for _ in 0..2 * *CORES {
            let (done, computing) = (done.clone(), Arc::clone(&computing));
            run(MayWait::Never, move || done.send(compute(&computing)).unwrap()).unwrap();
        }
        for _ in 0..2 * *CORES {
            assert!(all_have_come() <= *CORES);
        }
        assert!(all_done.try_recv().is_err(), "the database is still locked");
        drop(lock);
        for _ in 0..2 * MOST_ON_DISK {
            let most = all_have_come();
            assert!(most <= *CORES, "{most} compute at once on {} cores", *CORES);
        }
        // And afterwards the counts are right again: as many as cores compute at once, and as many
        // as may wait do so together.
        for (may_wait, count) in [(MayWait::Never, *CORES), (MayWait::ForDisk, MOST_ON_DISK)] {
            let together = Arc::new(Barrier::new(count));
            for _ in 0..count {
                let (done, together) = (done.clone(), Arc::clone(&together));
                run(may_wait, move || {
                    if may_wait == MayWait::ForDisk {
                        begin_to_wait();
                    }
                    together.wait();
                    done.send(0).unwrap();
                })
                .unwrap();
            }
            for _ in 0..count {
                all_have_come();
            }
        }
    }
}
