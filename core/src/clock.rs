//! Time, injected: nothing in this crate asks the operating system for it but [`SystemClock`].

use std::{
    fmt,
    sync::atomic::{AtomicI64, Ordering},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde::{Serialize, Serializer};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::{Error, Result};

/// A moment in UTC, as milliseconds since 1970-01-01T00:00:00Z.
///
/// Displays as ISO 8601 in UTC; whole seconds without a fraction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The last moment that an X.509 certificate can name, 9999-12-31T23:59:59Z (RFC 5280 4.1.2.5).
    pub const MAX: Timestamp = Timestamp(253_402_300_799_000);
    /// The first moment that GeneralizedTime can name, 0000-01-01T00:00:00Z.
    pub const MIN: Timestamp = Timestamp(-62_167_219_200_000);

    /// From milliseconds since the epoch; what no certificate can name is cut to
    /// [`MIN`](Self::MIN) and [`MAX`](Self::MAX).
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        if millis > Self::MAX.0 {
            Self::MAX
        } else if millis < Self::MIN.0 {
            Self::MIN
        } else {
            Timestamp(millis)
        }
    }

    /// From milliseconds since the epoch that somebody gives under `name`: what no certificate can
    /// name is refused.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidArgument`].
    ///
    /// ```
    /// use catalyst_pki::Timestamp;
    ///
    /// assert!(Timestamp::given("notAfter", 1_800_000_000_000).is_ok());
    /// let error = Timestamp::given("notAfter", i64::MAX).unwrap_err();
    /// assert!(error.to_string().contains("the years 0 to 9999"));
    /// ```
    pub fn given(name: &'static str, millis: i64) -> Result<Self> {
        let time = Self::from_millis(millis);
        let reason = "it must lie in the years 0 to 9999, in milliseconds since 1970";
        (time.0 == millis).then_some(time).ok_or_else(|| Error::argument(name, reason))
    }

    /// From whole seconds since the epoch.
    #[must_use]
    pub const fn from_secs(secs: i64) -> Self {
        Self::from_millis(secs.saturating_mul(1000))
    }

    /// Milliseconds since the epoch.
    #[must_use]
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since the epoch, rounded down.
    #[must_use]
    pub const fn as_secs(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// This moment without its fraction of a second: certificates know whole seconds only.
    #[must_use]
    pub const fn floor_to_second(self) -> Self {
        Timestamp(self.as_secs() * 1000)
    }

    /// The moment `duration` later.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self::from_millis(self.0.saturating_add(millis(duration)))
    }

    /// The moment `duration` earlier.
    #[must_use]
    pub fn minus(self, duration: Duration) -> Self {
        Self::from_millis(self.0.saturating_sub(millis(duration)))
    }

    /// How long from `earlier` to this moment; zero if this one comes first.
    #[must_use]
    pub fn since(self, earlier: Timestamp) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    pub(crate) fn to_datetime(self) -> OffsetDateTime {
        // In range by construction: MIN and MAX are inside of what `time` can hold.
        OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.0) * 1_000_000)
            .unwrap_or(OffsetDateTime::UNIX_EPOCH)
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.to_datetime().format(&Rfc3339).map_err(|_| fmt::Error)?;
        f.write_str(&text)
    }
}

/// Serializes as it displays.
impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Where the time comes from.
pub trait Clock: fmt::Debug + Send + Sync + 'static {
    /// The present moment.
    fn now(&self) -> Timestamp;
}

/// The operating system's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(since) => Timestamp::from_millis(millis(since)),
            Err(before) => Timestamp::from_millis(-millis(before.duration())),
        }
    }
}

/// A clock that stands still until it is moved: for tests of what time does.
///
/// ```
/// use std::time::Duration;
/// use catalyst_pki::{Clock, ManualClock, Timestamp};
///
/// let clock = ManualClock::new(Timestamp::from_secs(1_800_000_000));
/// clock.advance(Duration::from_secs(1800));
/// assert_eq!(clock.now().to_string(), "2027-01-15T08:30:00Z");
/// ```
#[derive(Debug)]
pub struct ManualClock(AtomicI64);

impl ManualClock {
    /// A clock that shows `now`.
    #[must_use]
    pub fn new(now: Timestamp) -> Self {
        ManualClock(AtomicI64::new(now.as_millis()))
    }

    /// Moves the clock forward.
    pub fn advance(&self, by: Duration) {
        self.set(self.now().plus(by));
    }

    /// Sets the clock, forward or back.
    pub fn set(&self, now: Timestamp) {
        self.0.store(now.as_millis(), Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }
}
