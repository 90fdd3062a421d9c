//! One commit for all who wait for one.
//!
//! Making a commit durable takes the disk far longer than writing one more row does. So whoever
//! comes while a commit is under way queues up; the first in the queue then leads: it takes the jobs
//! of all, commits them together and hands each its result. No thread is kept for it, and a caller
//! that is alone leads at once.

use std::{collections::VecDeque, mem, sync::Arc};

use parking_lot::{Condvar, Mutex};

/// So that one batch doesn't hold the writer for long.
const MAX_BATCH: usize = 256;

/// Jobs `J` with a result `R` each, done in batches.
#[derive(Debug)]
pub(super) struct GroupCommit<J, R> {
    queue: Mutex<Queue<J, R>>,
}

/// The batch that held this job came to no end: its leader panicked.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Abandoned;

#[derive(Debug)]
struct Queue<J, R> {
    /// Whether somebody leads, or has been called to.
    led: bool,
    waiting: VecDeque<(J, Arc<Seat<J, R>>)>,
}

impl<J, R> Default for GroupCommit<J, R> {
    fn default() -> Self {
        GroupCommit { queue: Mutex::new(Queue { led: false, waiting: VecDeque::new() }) }
    }
}

impl<J, R> GroupCommit<J, R> {
    /// Has `job` done together with those of other callers, in the order of arrival.
    ///
    /// The leading caller runs `acquire` first, and gathers what has come until it returns; then
    /// `run` with what it gave and the jobs, to which it answers as many results in their order.
    pub(super) fn submit<G>(
        &self,
        job: J,
        acquire: impl FnOnce() -> G,
        run: impl FnOnce(G, Vec<J>) -> Vec<R>,
    ) -> Result<R, Abandoned> {
        let job = match self.arrive(job) {
            Turn::Lead(job) => job,
            Turn::Over(result) => return result,
        };
        // From here on the seats of this batch and the queue are looked after by its Drop.
        let mut batch = Batch { group: self, seats: Vec::new() };
        let resource = acquire();
        let jobs = batch.gather(job);
        let mut results = run(resource, jobs).into_iter();
        let own = results.next().ok_or(Abandoned);
        batch.finish(results);
        own
    }

    fn arrive(&self, job: J) -> Turn<J, R> {
        let mut queue = self.queue.lock();
        if !queue.led {
            queue.led = true;
            return Turn::Lead(job);
        }
        let seat = Arc::new(Seat::default());
        queue.waiting.push_back((job, seat.clone()));
        drop(queue);
        seat.wait()
    }

    /// Calls the first who waits to lead.
    fn hand_over(&self) {
        let mut queue = self.queue.lock();
        match queue.waiting.pop_front() {
            Some((job, seat)) => seat.call(Turn::Lead(job)),
            None => queue.led = false,
        }
    }
}

enum Turn<J, R> {
    Lead(J),
    Over(Result<R, Abandoned>),
}

/// Where one caller waits.
#[derive(Debug)]
struct Seat<J, R> {
    called: Mutex<Option<Turn<J, R>>>,
    wake: Condvar,
}

impl<J, R> Default for Seat<J, R> {
    fn default() -> Self {
        Seat { called: Mutex::new(None), wake: Condvar::new() }
    }
}

impl<J, R> std::fmt::Debug for Turn<J, R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Turn::Lead(_) => "Lead(..)",
            Turn::Over(_) => "Over(..)",
        })
    }
}

impl<J, R> Seat<J, R> {
    fn wait(&self) -> Turn<J, R> {
        let mut called = self.called.lock();
        loop {
            if let Some(turn) = called.take() {
                return turn;
            }
            self.wake.wait(&mut called);
        }
    }

    fn call(&self, turn: Turn<J, R>) {
        *self.called.lock() = Some(turn);
        self.wake.notify_one();
    }
}

/// A batch under way. Dropped early, by a panic, it lets nobody wait for ever.
struct Batch<'a, J, R> {
    group: &'a GroupCommit<J, R>,
    seats: Vec<Arc<Seat<J, R>>>,
}

impl<J, R> Batch<'_, J, R> {
    fn gather(&mut self, own: J) -> Vec<J> {
        let mut queue = self.group.queue.lock();
        let others = queue.waiting.len().min(MAX_BATCH - 1);
        let mut jobs = Vec::with_capacity(1 + others);
        jobs.push(own);
        for (job, seat) in queue.waiting.drain(..others) {
            jobs.push(job);
            self.seats.push(seat);
        }
        jobs
    }

    fn finish(mut self, mut results: impl Iterator<Item = R>) {
        let seats = mem::take(&mut self.seats);
        // Hands over first: the next batch can start while this one's callers wake up.
        drop(self);
        for seat in seats {
            seat.call(Turn::Over(results.next().ok_or(Abandoned)));
        }
    }
}

impl<J, R> Drop for Batch<'_, J, R> {
    fn drop(&mut self) {
        self.group.hand_over();
        for seat in self.seats.drain(..) {
            seat.call(Turn::Over(Err(Abandoned)));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        panic::{AssertUnwindSafe, catch_unwind},
        sync::{
            Barrier,
            atomic::{AtomicUsize, Ordering},
        },
        thread,
    };

    use super::*;

    fn double(_: (), jobs: Vec<u32>) -> Vec<u32> {
        jobs.into_iter().map(|job| 2 * job).collect()
    }

    #[test]
    fn one_alone_leads_at_once() {
        let group = GroupCommit::default();
        for job in 0..3 {
            assert_eq!(group.submit(job, || (), double), Ok(2 * job));
        }
    }

    #[test]
    fn many_share_batches_and_get_their_own_results() {
        let group = GroupCommit::default();
        let batches = AtomicUsize::new(0);
        let writer = Mutex::new(());
        let start = Barrier::new(32);
        thread::scope(|scope| {
            for worker in 0..32_u32 {
                let (group, batches, writer, start) = (&group, &batches, &writer, &start);
                scope.spawn(move || {
                    start.wait();
                    for i in 0..100 {
                        let job = worker * 1000 + i;
                        let result = group.submit(
                            job,
                            || writer.lock(),
                            |_writer, jobs| {
                                batches.fetch_add(1, Ordering::Relaxed);
                                thread::yield_now();
                                double((), jobs)
                            },
                        );
                        assert_eq!(result, Ok(2 * job));
                    }
                });
            }
        });
        let batches = batches.into_inner();
        assert!(batches < 3200, "{batches} batches for 3200 jobs");
        assert!(!group.queue.lock().led);
    }

    #[test]
    fn nobody_hangs_when_a_leader_panics() {
        let group = GroupCommit::<u32, u32>::default();
        let gathered = Barrier::new(2);
        thread::scope(|scope| {
            let leader = scope.spawn(|| {
                let led = || {
                    group.submit(
                        0,
                        || {
                            gathered.wait();
                            while group.queue.lock().waiting.len() < 8 {
                                thread::yield_now();
                            }
                        },
                        |(), _| panic!("on purpose"),
                    )
                };
                catch_unwind(AssertUnwindSafe(led))
            });
            gathered.wait();
            let followers: Vec<_> = (1..9)
                .map(|job| {
                    scope.spawn({
                        let group = &group;
                        move || group.submit(job, || (), double)
                    })
                })
                .collect();
            assert!(leader.join().unwrap().is_err());
            for follower in followers {
                assert_eq!(follower.join().unwrap(), Err(Abandoned));
            }
        });
        assert_eq!(group.submit(4, || (), double), Ok(8), "the next one leads again");
    }

    #[test]
    fn a_batch_holds_256_at_most_and_the_next_who_waits_leads_on() {
        let group = GroupCommit::default();
        let seats: Vec<_> = (0..256).map(|_| Arc::new(Seat::default())).collect();
        group.queue.lock().waiting.extend((1..).zip(seats.iter().cloned()));
        let batches = Mutex::new(Vec::new());
        let note = |(), jobs: Vec<u32>| {
            batches.lock().push(jobs.len());
            double((), jobs)
        };
        assert_eq!(group.submit(0, || (), note), Ok(0));
        assert_eq!(*batches.lock(), [256]);
        for (seat, job) in seats.iter().zip(1..256) {
            assert!(matches!(seat.wait(), Turn::Over(Ok(result)) if result == 2 * job));
        }
        assert!(matches!(seats[255].wait(), Turn::Lead(256)));
    }

    #[test]
    fn a_missing_result_is_an_error_for_its_job() {
        let group = GroupCommit::<u32, u32>::default();
        assert_eq!(group.submit(1, || (), |(), _| vec![]), Err(Abandoned));
    }
}
