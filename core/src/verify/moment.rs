//! The one notion of time of everything that is verified.

use std::time::Duration;

use crate::Timestamp;

/// The time of a verification, widened by the skew that clocks are allowed. In whole seconds, as
/// certificates and lists know no others.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    /// The earliest that it may be, by a clock that runs behind.
    earliest: Timestamp,
    /// The latest, by one that runs ahead.
    latest: Timestamp,
}

impl Moment {
    pub(super) fn new(at: Timestamp, skew: Duration) -> Self {
        Moment {
            earliest: at.minus(skew).floor_to_second(),
            latest: at.plus(skew).floor_to_second(),
        }
    }

    pub(super) fn is_before(&self, begin: Timestamp) -> bool {
        self.latest < begin
    }

    /// The end itself is not after it (RFC 5280 4.1.2.5).
    pub(super) fn is_after(&self, end: Timestamp) -> bool {
        self.earliest > end
    }
}
