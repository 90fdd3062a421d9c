//! Answers of calls that run off the event loop.
//!
//! JavaScript numbers its calls and keeps their promises; here is where the answers wait. A worker
//! that finishes one puts it in and, if nobody has done so yet, wakes JavaScript, which takes a few
//! at a time ([`Mailbox::take`]) and lets the loop turn in between. One thread-safe function for
//! all calls, and answers already written as JSON by the workers. As waking the loop costs more
//! than everything else that it does for a call, JavaScript can say that it comes again by itself.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

use catalyst_pki::Result;
use napi::{
    Status,
    bindgen_prelude::Function,
    threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode},
};
use napi_derive::napi;
use serde::Serialize;
use zeroize::Zeroizing;

use crate::{
    boundary::{Failure, catch, guard},
    workers::{self, MayWait},
};

/// The answers of one JavaScript context (the main thread, a Worker).
#[napi]
pub struct Mailbox(Post);

/// What the calls hold of a mailbox.
#[derive(Clone)]
pub(crate) struct Post(Arc<Inner>);

struct Inner {
    /// Doesn't keep the process alive: JavaScript does, as long as it waits for answers.
    wake: ThreadsafeFunction<(), (), (), Status, false, true>,
    answers: Mutex<Answers>,
}

#[derive(Default)]
struct Answers {
    /// Each a JSON array: number of the call, whether it went well, result or failure. Wiped when
    /// dropped: a new private key may be in it.
    waiting: VecDeque<Zeroizing<String>>,
    /// Whether JavaScript knows that there are some.
    announced: bool,
}

#[napi]
impl Mailbox {
    /// `wake` is called, on the event loop, when there are answers to take.
    #[napi(constructor, catch_unwind)]
    pub fn new(wake: Function<(), ()>) -> napi::Result<Self> {
        guard(|| {
            let wake = wake
                .build_threadsafe_function::<()>()
                .weak::<true>()
                .build()
                .map_err(|error| catalyst_pki::Error::Internal(error.to_string()))?;
            let answers = Mutex::default();
            Ok(Mailbox(Post(Arc::new(Inner { wake, answers }))))
        })
    }

    /// Up to `most` answers as a JSON array: first whether more are waiting, then each as an array
    /// of the call's number, whether it went well, and the result or the failure.
    ///
    /// `wake` is not called again while more are waiting, nor, where the caller says that it
    /// `comesAgain`, after an array with answers in it: then the caller comes again by itself.
    #[napi(catch_unwind)]
    pub fn take(&self, most: u32, comes_again: bool) -> napi::Result<String> {
        guard(|| Ok(self.0.take(most as usize, comes_again)))
    }
}

impl Mailbox {
    pub(crate) fn post(&self) -> Post {
        self.0.clone()
    }
}

impl Post {
    /// Has a worker do `work` and put its result in the mailbox as the answer of call number `call`.
    pub(crate) fn run<T: Serialize>(
        &self,
        call: u32,
        may_wait: MayWait,
        work: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<()> {
        let post = self.clone();
        workers::run(may_wait, move || {
            let answer = catch(|| {
                let result = work()?;
                json(&(call, true, result))
            });
            // A failure is a few texts and numbers: writing it can't fail.
            let answer = answer.or_else(|error| json(&(call, false, Failure::from(error))));
            post.put(answer.unwrap_or_default());
        })
    }

    fn put(&self, answer: Zeroizing<String>) {
        let mut answers = self.0.answers.lock().unwrap_or_else(PoisonError::into_inner);
        answers.waiting.push_back(answer);
        if !std::mem::replace(&mut answers.announced, true) {
            drop(answers);
            // It fails when the JavaScript context is being closed; then nobody waits any more.
            let _ = self.0.wake.call((), ThreadsafeFunctionCallMode::NonBlocking);
        }
    }

    fn take(&self, most: usize, comes_again: bool) -> String {
        let (taken, more) = {
            let mut answers = self.0.answers.lock().unwrap_or_else(PoisonError::into_inner);
            let most = most.min(answers.waiting.len());
            let taken: Vec<_> = answers.waiting.drain(..most).collect();
            let more = !answers.waiting.is_empty();
            answers.announced = more || (comes_again && !taken.is_empty());
            (taken, more)
        };
        let len = taken.iter().map(|answer| answer.len() + 1).sum::<usize>();
        let mut json = String::with_capacity("[false]".len() + len);
        json.push_str(if more { "[true" } else { "[false" });
        for answer in taken {
            json.push(',');
            json.push_str(&answer);
        }
        json.push(']');
        json
    }
}

fn json(value: &impl Serialize) -> Result<Zeroizing<String>> {
    // Large enough for most answers, so that few leave a copy behind while they grow.
    let mut text = Zeroizing::new(Vec::with_capacity(8 * 1024));
    serde_json::to_writer(&mut *text, value)
        .map_err(|error| catalyst_pki::Error::Internal(error.to_string()))?;
    String::from_utf8(std::mem::take(&mut *text))
        .map(Zeroizing::new)
        .map_err(|error| catalyst_pki::Error::Internal(error.to_string()))
}
