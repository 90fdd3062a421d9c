//! What the library has to say: events for a callback.

use std::{
    cell::Cell,
    ffi::c_void,
    fmt,
    sync::{Arc, OnceLock},
};

use catalyst_pki::Error;
use parking_lot::{Condvar, Mutex};
use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    span,
    subscriber::set_global_default,
};

use crate::{
    boundary::UserData,
    config::unknown,
    text::{Text, pki_str},
};

/// How important an event is: one of `PKI_LOG_…`.
pub type pki_log_level = u32;
/// Something failed that somebody must look at.
pub const PKI_LOG_ERROR: u32 = 1;
/// Something that somebody should look at: an identity denied, a request refused.
pub const PKI_LOG_WARN: u32 = 2;
/// What was done: a certificate issued.
pub const PKI_LOG_INFO: u32 = 3;
/// Details.
pub const PKI_LOG_DEBUG: u32 = 4;
/// All details.
pub const PKI_LOG_TRACE: u32 = 5;

/// A part of an event: `serial`, `spiffe_id`.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct pki_log_field {
    /// Its name.
    pub name: pki_str,
    /// Its value.
    pub value: pki_str,
}

/// Something that happened. It lives during the callback only. No event holds key material, a token
/// or a passphrase.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct pki_log_event {
    /// Its size in the library: fields that come later stand at the end.
    pub struct_size: usize,
    /// `PKI_LOG_…`.
    pub level: pki_log_level,
    /// 0.
    pub reserved: u32,
    /// What happened: `Certificate issued`. A fixed text for each kind of event.
    pub message: pki_str,
    /// With which parts.
    pub fields: *const pki_log_field,
    /// How many.
    pub fields_len: usize,
}

/// Hears an event, on the thread where it happens, during the call that it belongs to; several
/// threads at once. It must return soon, and must not unwind or jump out. What it calls of this
/// library makes no events, and `pki_log_set` fails in it; nor may it wait for a thread that calls
/// `pki_log_set`, which waits for it.
pub type pki_log_callback =
    Option<extern "C" fn(event: *const pki_log_event, user_data: *mut c_void)>;

/// A callback as it was set. No lock is held while it runs: neither another that is set nor one that
/// is slow may stop the threads that have nothing to do with it.
struct Sink {
    hear: extern "C" fn(*const pki_log_event, *mut c_void),
    user_data: UserData,
    most: Level,
    /// How many threads are in the callback.
    running: Mutex<usize>,
    /// Told when none is.
    idle: Condvar,
}

/// Held for moments only.
static SINK: Mutex<Option<Arc<Sink>>> = Mutex::new(None);

impl Sink {
    /// The present one where it wants events of this level.
    ///
    /// It counts as running from here on, under the lock under which it is replaced: whoever replaces
    /// it afterwards waits for this thread, and threads that come later find the other.
    fn for_event(level: Level) -> Option<Running> {
        let present = SINK.lock();
        let sink = present.as_ref().filter(|sink| level <= sink.most)?;
        *sink.running.lock() += 1;
        Some(Running(Arc::clone(sink)))
    }

    fn wait_until_idle(&self) {
        let mut running = self.running.lock();
        while *running > 0 {
            self.idle.wait(&mut running);
        }
    }
}

/// A thread that is in the callback, or about to be.
struct Running(Arc<Sink>);

impl Running {
    fn hear(&self, event: &pki_log_event) {
        HEARING.set(true);
        (self.0.hear)(event, self.0.user_data.pointer());
        HEARING.set(false);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let mut running = self.0.running.lock();
        *running -= 1;
        if *running == 0 {
            self.0.idle.notify_all();
        }
    }
}

thread_local! {
    /// Whether this thread is in a callback.
    static HEARING: Cell<bool> = const { Cell::new(false) };
}

export! {
    /// Gives events of this level and the more important ones to a callback; NULL for silence, which
    /// is how a program begins. When it returns, the callback that was set before is not running and
    /// won't run again: what it was given as `user_data` may go. Any thread.
    ///
    /// It waits for callbacks that are running: hold no lock that the callback takes. Meanwhile other
    /// threads go on, and the new callback hears them.
    ///
    /// `PKI_ERR_INVALID_ARGUMENT`: a level that stands for nothing, or called from within a callback,
    /// which would wait for itself. Nothing is changed then.
    fn pki_log_set(callback: pki_log_callback, user_data: UserData, level: pki_log_level) -> Done {
        if HEARING.get() {
            let reason = "it can't be changed from within".into();
            return Err(Error::InvalidArgument { name: "callback", reason });
        }
        let sink = match callback {
            None => None,
            Some(hear) => Some(Arc::new(Sink {
                hear,
                user_data,
                most: level_of(level)?,
                running: Mutex::new(0),
                idle: Condvar::new(),
            })),
        };
        if sink.is_some() {
            static INSTALLED: OnceLock<bool> = OnceLock::new();
            if !INSTALLED.get_or_init(|| set_global_default(Forward).is_ok()) {
                return Err(Error::Internal("another subscriber hears the events".into()));
            }
        }
        let before = std::mem::replace(&mut *SINK.lock(), sink);
        if let Some(before) = before {
            before.wait_until_idle();
        }
        Ok(())
    }
}

fn level_of(number: pki_log_level) -> catalyst_pki::Result<Level> {
    Ok(match number {
        PKI_LOG_ERROR => Level::ERROR,
        PKI_LOG_WARN => Level::WARN,
        PKI_LOG_INFO => Level::INFO,
        PKI_LOG_DEBUG => Level::DEBUG,
        PKI_LOG_TRACE => Level::TRACE,
        _ => return Err(unknown("level", number)),
    })
}

fn number_of(level: Level) -> pki_log_level {
    match level {
        Level::ERROR => PKI_LOG_ERROR,
        Level::WARN => PKI_LOG_WARN,
        Level::INFO => PKI_LOG_INFO,
        Level::DEBUG => PKI_LOG_DEBUG,
        Level::TRACE => PKI_LOG_TRACE,
    }
}

/// Hears what the core emits and passes it on. The core has events only: spans count for nothing.
struct Forward;

impl Subscriber for Forward {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && metadata.target().starts_with("catalyst.pki")
    }

    fn event(&self, event: &Event<'_>) {
        if HEARING.get() {
            return;
        }
        let level = *event.metadata().level();
        let Some(sink) = Sink::for_event(level) else { return };
        let mut parts = Parts::default();
        event.record(&mut parts);
        let fields: Vec<pki_log_field> = parts
            .fields
            .iter()
            .map(|(name, value)| pki_log_field { name: name.lend(), value: value.lend() })
            .collect();
        let event = pki_log_event {
            struct_size: size_of::<pki_log_event>(),
            level: number_of(level),
            reserved: 0,
            message: parts.message.lend(),
            fields: fields.as_ptr(),
            fields_len: fields.len(),
        };
        sink.hear(&event);
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }
    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

#[derive(Default)]
struct Parts {
    message: Text,
    fields: Vec<(Text, Text)>,
}

impl Parts {
    fn add(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            self.message = value.into();
        } else {
            self.fields.push((field.name().into(), value.into()));
        }
    }
}

impl Visit for Parts {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.add(field, &format!("{value:?}"));
    }
}
