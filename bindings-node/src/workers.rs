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
//! - More threads may *wait* for a disk ([`begin_to_wait`]): issuers that wait together share one
//!   commit, and with as many threads as cores there would be hardly any to share it.
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
//! Threads start when there is work and end after a while without any.

use std::{
    cell::Cell,
    collections::VecDeque,
    sync::{Condvar, LazyLock, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use catalyst_pki::{Error, Result};

/// How many threads there are at most, most of them waiting for a disk.
const MOST_THREADS: usize = 32;

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

struct Queue {
    waiting: VecDeque<Work>,
    threads: usize,
    /// Threads without work, those included that have been woken for some and are not there yet.
    idle: usize,
    /// Threads that work and are not waiting for a disk.
    computing: usize,
}

static QUEUE: Mutex<Queue> =
    Mutex::new(Queue { waiting: VecDeque::new(), threads: 0, idle: 0, computing: 0 });
static MORE_WORK: Condvar = Condvar::new();

thread_local! {
    /// Whether this thread is one of those that `Queue::computing` counts.
    static COMPUTES: Cell<bool> = const { Cell::new(false) };
}

/// Has a thread do `work`; first come, first served.
///
/// # Errors
///
/// [`Error::Internal`] if the operating system gives not a single thread.
pub(crate) fn run(work: impl FnOnce() + Send + 'static) -> Result<()> {
    let mut queue = queue();
    queue.waiting.push_back(Box::new(work));
    let started = find_thread(&mut queue);
    if started.is_err() && queue.threads == 0 {
        queue.waiting.pop_back();
        return Err(Error::Internal("no thread could be started".into()));
    }
    Ok(())
}

/// Says that this piece of work is going to wait for a disk, and what it does after that is little:
/// another one may have the core.
pub(crate) fn begin_to_wait() {
    if COMPUTES.replace(false) {
        let mut queue = queue();
        queue.computing -= 1;
        // Where no thread can be had the present ones go on.
        let _ = find_thread(&mut queue);
    }
}

/// Says that this is a good moment for another thread to have the core: the event loop's, if it
/// wants one.
pub(crate) fn let_others_run() {
    thread::yield_now();
}

fn queue() -> MutexGuard<'static, Queue> {
    // Nothing panics while it holds the lock.
    QUEUE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Wakes or starts a thread for waiting work, if there is any and a core may be had for it.
fn find_thread(queue: &mut Queue) -> std::io::Result<()> {
    let wanted = queue.waiting.len().min(CORES.saturating_sub(queue.computing));
    if wanted == 0 {
        return Ok(());
    }
    if queue.idle >= wanted || queue.threads == MOST_THREADS {
        MORE_WORK.notify_one();
        return Ok(());
    }
    thread::Builder::new().name("catalyst-pki".into()).spawn(work_on)?;
    queue.threads += 1;
    Ok(())
}

fn work_on() {
    lower_priority();
    let mut queue = queue();
    loop {
        if queue.computing < *CORES
            && let Some(work) = queue.waiting.pop_front()
        {
            queue.computing += 1;
            COMPUTES.set(true);
            drop(queue);
            work();
            let_others_run();
            queue = self::queue();
            if COMPUTES.replace(false) {
                queue.computing -= 1;
            }
            continue;
        }
        queue.idle += 1;
        let (woken, waited) =
            MORE_WORK.wait_timeout(queue, IDLE).unwrap_or_else(PoisonError::into_inner);
        queue = woken;
        queue.idle -= 1;
        if waited.timed_out() && queue.waiting.is_empty() {
            queue.threads -= 1;
            return;
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
        Arc, Barrier,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    };

    use super::*;

    /// One test, because the threads are the process's: more pieces of work than cores wait for
    /// one another while they "wait for a disk", and no more than cores ever compute.
    #[test]
    fn more_wait_than_compute() {
        const WAITING: usize = 16;
        let (done, all_done) = mpsc::channel();
        let together = Arc::new(Barrier::new(WAITING));
        let computing = Arc::new(AtomicUsize::new(0));
        for _ in 0..WAITING {
            let (done, together, computing) =
                (done.clone(), Arc::clone(&together), Arc::clone(&computing));
            run(move || {
                let most = computing.fetch_add(1, Ordering::SeqCst) + 1;
                let_others_run();
                computing.fetch_sub(1, Ordering::SeqCst);
                begin_to_wait();
                together.wait();
                done.send(most).unwrap();
            })
            .unwrap();
        }
        for _ in 0..WAITING {
            let most = all_done.recv_timeout(Duration::from_secs(60)).unwrap();
            assert!(most <= *CORES, "{most} compute at once on {} cores", *CORES);
        }
        // And afterwards the counts are right again: as many as cores compute at once.
        let together = Arc::new(Barrier::new(*CORES));
        for _ in 0..*CORES {
            let (done, together) = (done.clone(), Arc::clone(&together));
            run(move || {
                together.wait();
                done.send(0).unwrap();
            })
            .unwrap();
        }
        for _ in 0..*CORES {
            all_done.recv_timeout(Duration::from_secs(60)).unwrap();
        }
    }
}
