//! How long tokens live.

use std::time::Duration;

use super::claims::Principal;
use crate::{Error, Result};

/// What a token lives where nothing else is asked for.
pub(super) const DEFAULT: Duration = Duration::from_secs(3600);

/// Reads a lifetime as people write it: `30s`, `30m`, `1h`, `7d`, `52w`.
///
/// # Errors
///
/// [`Error::InvalidArgument`] for anything else, and for none at all.
///
/// ```
/// use std::time::Duration;
/// use catalyst_pki::token::lifetime;
///
/// assert_eq!(lifetime("30m")?, Duration::from_secs(1800));
/// assert!(lifetime("half an hour").is_err());
/// # Ok::<(), catalyst_pki::Error>(())
/// ```
pub fn lifetime(text: &str) -> Result<Duration> {
    let invalid = || {
        let how = "it must be a number above 0 with s, m, h, d or w behind it, as in 30m";
        Error::argument("expiresIn", how)
    };
    let (number, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or_else(invalid)?;
    let unit = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        "w" => 604_800,
        _ => return Err(invalid()),
    };
    if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(invalid());
    }
    let seconds = number.parse::<u32>().map_err(|_| invalid())?;
    match u64::from(seconds) * unit {
        0 => Err(invalid()),
        seconds => Ok(Duration::from_secs(seconds)),
    }
}

/// The most that a token of this principal lives: 30 days, and 24 hours where it could do everything or
/// is all that a service has to begin with.
pub(super) const fn longest(principal: Principal) -> Duration {
    const DAY: u64 = 24 * 60 * 60;
    match principal {
        Principal::Admin | Principal::Bootstrap => Duration::from_secs(DAY),
        _ => Duration::from_secs(30 * DAY),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lifetimes_are_read_as_people_write_them() {
        for (text, seconds) in
            [("30s", 30), ("30m", 1_800), ("1h", 3_600), ("7d", 604_800), ("52w", 31_449_600)]
        {
            assert_eq!(lifetime(text).unwrap(), Duration::from_secs(seconds));
        }
        for text in ["", "h", "1", "0s", "-1h", "+1h", "1.5h", "1 h", "1hour", "9999999999s", "1ü"]
        {
            assert!(lifetime(text).is_err(), "{text}");
        }
    }
}
