//! Answers of calls that run off the event loop.
//!
//! JavaScript numbers its calls and keeps their promises; here is where the answers wait. A worker
//! that finishes one puts it in and, if nobody has done so yet, wakes JavaScript, which takes a few
//! at a time ([`Mailbox::take`]) and lets the loop turn in between. One thread-safe function for
//! all calls, and answers already written as JSON by the workers. As waking the loop costs more
//! than everything else that it does for a call, JavaScript can say that it comes again by itself.
//!
//! What work answers says how it crosses ([`Answer`]): a value; a list ([`List`]), which may be long,
//! and reading JSON takes the loop's time, so that it comes in pieces, of which few are taken in one
//! turn of the loop; a value with bytes beside it ([`WithBytes`]), which JavaScript gets as they are.

use std::{
    collections::{HashMap, VecDeque},
    io::Write,
    sync::Arc,
};

use catalyst_pki::{Error, Result};
use napi::{
    Status,
    bindgen_prelude::{Function, Uint8Array},
    threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode},
};
use napi_derive::napi;
use parking_lot::Mutex;
use serde::Serialize;
use zeroize::Zeroizing;

use crate::{
    boundary::{Failure, catch, guard},
    workers::{self, MayWait},
};

/// How long a piece of a list is, in bytes, and how much of answers is taken at once beyond the first:
/// some tenths of a millisecond to read.
const PIECE: usize = 32 * 1024;
const MOST_BYTES: usize = 2 * PIECE;
/// How long most answers are at most, and most pieces.
const MOST_ANSWERS: usize = 8 * 1024;
const LONG_PIECE: usize = PIECE + MOST_ANSWERS;

/// The answers of one JavaScript context (the main thread, a Worker).
#[napi]
pub struct Mailbox(Post);

/// What work answers.
pub(crate) trait Answer {
    /// The answer of call number `call` as it waits in the mailbox.
    fn written(self, call: u32) -> Result<Written>;
}

/// An answer as it waits.
pub(crate) struct Written {
    texts: Vec<Zeroizing<String>>,
    bytes: Option<Vec<u8>>,
}

/// A list, and something beside it.
pub(crate) struct List<T, R = ()>(pub(crate) Vec<T>, pub(crate) R);

/// A value, and bytes beside it.
pub(crate) struct WithBytes<T>(pub(crate) T, pub(crate) Vec<u8>);

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
    /// Each a JSON array: number of the call, whether it went well, result or failure, and `true`
    /// where there are bytes; or of a list the number, `null` and the next of its elements. Wiped when
    /// dropped: a new private key may be in it.
    waiting: VecDeque<Zeroizing<String>>,
    /// By the number of the call.
    bytes: HashMap<u32, Vec<u8>>,
    /// Whether JavaScript knows that there are some.
    announced: bool,
}

#[napi]
impl Mailbox {
    /// `wake` is called, on the event loop, when there are answers to take.
    #[napi(constructor, catch_unwind)]
    pub fn new(wake: Function<(), ()>) -> napi::Result<Self> {
        guard(|| {
            let wake =
                wake.build_threadsafe_function::<()>().weak::<true>().build().map_err(internal)?;
            let answers = Mutex::default();
            Ok(Mailbox(Post(Arc::new(Inner { wake, answers }))))
        })
    }

    /// Up to `most` answers as a JSON array: first whether more are waiting, then each as an array
    /// of the call's number, whether it went well, and the result or the failure; then `true` where
    /// there are bytes beside it, to be fetched by `bytes`. For a list there are others before that:
    /// the number, `null`, and an array of its next elements. Fewer than `most` where they are long.
    ///
    /// `wake` is not called again while more are waiting, nor, where the caller says that it
    /// `comesAgain`, after an array with answers in it: then the caller comes again by itself.
    #[napi(catch_unwind)]
    pub fn take(&self, most: u32, comes_again: bool) -> napi::Result<String> {
        guard(|| Ok(self.0.take(most as usize, comes_again)))
    }

    /// The bytes beside the answer of a call, once. They are not copied.
    #[napi(catch_unwind)]
    pub fn bytes(&self, call: u32) -> napi::Result<Uint8Array> {
        guard(|| Ok(self.0.0.answers.lock().bytes.remove(&call).unwrap_or_default().into()))
    }
}

impl Mailbox {
    pub(crate) fn post(&self) -> Post {
        self.0.clone()
    }
}

impl Post {
    /// Has a worker do `work` and put its result in the mailbox as the answer of call number `call`.
    pub(crate) fn run<A: Answer>(
        &self,
        call: u32,
        may_wait: MayWait,
        work: impl FnOnce() -> Result<A> + Send + 'static,
    ) -> Result<()> {
        let post = self.clone();
        workers::run(may_wait, move || {
            let answer = catch(|| work()?.written(call)).unwrap_or_else(|error| {
                // A few texts and numbers: writing them can't fail.
                let failure = json(&(call, false, Failure::from(error))).unwrap_or_default();
                Written { texts: vec![failure], bytes: None }
            });
            post.put(call, answer);
        })
    }

    fn put(&self, call: u32, Written { texts, bytes }: Written) {
        let mut answers = self.0.answers.lock();
        answers.waiting.extend(texts);
        answers.bytes.extend(bytes.map(|bytes| (call, bytes)));
        if !std::mem::replace(&mut answers.announced, true) {
            drop(answers);
            // It fails when the JavaScript context is being closed; then nobody waits any more.
            let _ = self.0.wake.call((), ThreadsafeFunctionCallMode::NonBlocking);
        }
    }

    fn take(&self, most: usize, comes_again: bool) -> String {
        let (taken, more) = {
            let mut answers = self.0.answers.lock();
            let mut bytes = 0;
            let fit = answers.waiting.iter().take(most).take_while(|answer| {
                let is_first = bytes == 0;
                bytes += answer.len();
                is_first || bytes <= MOST_BYTES
            });
            let count = fit.count();
            let taken: Vec<_> = answers.waiting.drain(..count).collect();
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

impl<T: Serialize> Answer for T {
    fn written(self, call: u32) -> Result<Written> {
        Ok(Written { texts: vec![json(&(call, true, self))?], bytes: None })
    }
}

impl<T: Serialize, R: Serialize> Answer for List<T, R> {
    fn written(self, call: u32) -> Result<Written> {
        let List(list, rest) = self;
        let mut texts = pieces(call, list)?;
        texts.push(json(&(call, true, rest))?);
        Ok(Written { texts, bytes: None })
    }
}

impl<T: Serialize> Answer for WithBytes<T> {
    fn written(self, call: u32) -> Result<Written> {
        let WithBytes(value, bytes) = self;
        Ok(Written { texts: vec![json(&(call, true, value, true))?], bytes: Some(bytes) })
    }
}

/// The elements of a list, some in each answer.
fn pieces<T: Serialize>(call: u32, list: Vec<T>) -> Result<Vec<Zeroizing<String>>> {
    let mut answers = Vec::new();
    let mut piece = new_text(LONG_PIECE);
    for element in list {
        if piece.is_empty() {
            write!(piece, "[{call},null,[").map_err(internal)?;
        } else {
            piece.push(b',');
        }
        serde_json::to_writer(&mut *piece, &element).map_err(internal)?;
        if piece.len() >= PIECE {
            piece.extend(b"]]");
            answers.push(finished(std::mem::replace(&mut piece, new_text(LONG_PIECE)))?);
        }
    }
    if !piece.is_empty() {
        piece.extend(b"]]");
        answers.push(finished(piece)?);
    }
    Ok(answers)
}

fn json(value: &impl Serialize) -> Result<Zeroizing<String>> {
    let mut text = new_text(MOST_ANSWERS);
    serde_json::to_writer(&mut *text, value).map_err(internal)?;
    finished(text)
}

/// A text that most of what is written fits in, so that few leave a copy behind while they grow.
fn new_text(bytes: usize) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(Vec::with_capacity(bytes))
}

fn finished(mut text: Zeroizing<Vec<u8>>) -> Result<Zeroizing<String>> {
    String::from_utf8(std::mem::take(&mut *text)).map(Zeroizing::new).map_err(internal)
}

fn internal(error: impl std::fmt::Display) -> Error {
    Error::Internal(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_comes_in_pieces_in_order() {
        assert!(pieces::<u32>(7, Vec::new()).unwrap().is_empty());
        assert_eq!(pieces(7, vec!["a", "b"]).unwrap()[0].as_str(), r#"[7,null,["a","b"]]"#);
        let long: Vec<String> = (0..1_000).map(|at| format!("{at:0>200}")).collect();
        let answers = pieces(7, long.clone()).unwrap();
        assert!(answers.len() > 5);
        let mut found = Vec::new();
        for answer in answers {
            assert!(answer.len() < PIECE + 1_000);
            let (call, kind, some): (u32, Option<bool>, Vec<String>) =
                serde_json::from_str(&answer).unwrap();
            assert_eq!((call, kind), (7, None));
            found.extend(some);
        }
        assert_eq!(found, long);
    }
}
