//! What the garbage collector can't see: memory of ours that an object of JavaScript's keeps.

use std::sync::atomic::{AtomicI64, Ordering};

use napi::Env;

/// How much memory a list takes that has been worked out, in times of its text.
const WORKED_OUT: i64 = 4;

/// What the garbage collector has been told that an object takes beside itself, in bytes.
#[derive(Default)]
pub(crate) struct ExternalMemory(AtomicI64);

impl ExternalMemory {
    /// Tells it of a text that the object is made of.
    pub(crate) fn grow(&self, env: Env, text_len: usize) {
        let bytes = i64::try_from(text_len).unwrap_or(i64::MAX).saturating_mul(WORKED_OUT);
        self.0.fetch_add(bytes, Ordering::Relaxed);
        // It is a hint, and a runtime that doesn't take it collects later.
        let _ = env.adjust_external_memory(bytes);
    }

    /// Tells it that the object is gone.
    pub(crate) fn release(&self, env: Env) {
        let _ = env.adjust_external_memory(-self.0.load(Ordering::Relaxed));
    }
}
