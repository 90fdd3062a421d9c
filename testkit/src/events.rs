//! What has been said through `tracing`.

use std::{
    fmt::{Debug, Write as _},
    sync::{Arc, Mutex, OnceLock},
};

use tracing::{
    Dispatch,
    field::{Field, Visit},
    subscriber::NoSubscriber,
};

/// The events of a thread while it [listens](Events::listen).
#[derive(Debug, Clone, Default)]
pub struct Events(Arc<Mutex<Vec<Said>>>);

#[derive(Debug, Default)]
struct Said {
    short: String,
    whole: String,
}

impl Events {
    /// Does something and takes what this thread says meanwhile.
    pub fn listen<T>(&self, something: impl FnOnce() -> T) -> T {
        // As long as there is one subscriber alone, tracing asks the thread that comes by an event
        // first whether anybody listens to it, and has the answer stand for all threads.
        static ANOTHER: OnceLock<Dispatch> = OnceLock::new();
        ANOTHER.get_or_init(|| Dispatch::new(NoSubscriber::new()));
        tracing::subscriber::with_default(self.clone(), something)
    }

    /// The level and the message of each, and of whom it is where that is said.
    ///
    /// # Panics
    ///
    /// If a thread has panicked in the middle of one.
    #[must_use]
    pub fn short(&self) -> Vec<String> {
        self.0.lock().unwrap().iter().map(|said| said.short.clone()).collect()
    }

    /// Each with all its fields: `WARN message="…" name=value`.
    ///
    /// # Panics
    ///
    /// If a thread has panicked in the middle of one.
    #[must_use]
    pub fn whole(&self) -> Vec<String> {
        self.0.lock().unwrap().iter().map(|said| said.whole.clone()).collect()
    }
}

impl Visit for Said {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if ["message", "spiffe_id"].contains(&field.name()) {
            write!(self.short, " {value:?}").unwrap();
        }
        write!(self.whole, " {}={value:?}", field.name()).unwrap();
    }
}

impl tracing::Subscriber for Events {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        let level = event.metadata().level().to_string();
        let mut said = Said { short: level.clone(), whole: level };
        event.record(&mut said);
        self.0.lock().unwrap().push(said);
    }

    fn enter(&self, _: &tracing::span::Id) {}

    fn exit(&self, _: &tracing::span::Id) {}
}
