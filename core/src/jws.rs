//! JSON Web Signatures (RFC 7515): the one door for every one that is taken.
//!
//! Below the wings, so that tokens, proofs and signed lists are opened by the same rules. What a kind
//! may look like stands in [`Kind`]; whose key it must be, and what its claims mean, is the caller's.

mod json;
mod open;
#[cfg(feature = "authority")]
mod sign;

use std::time::Duration;

use crate::Timestamp;

#[cfg(feature = "authority")]
pub(crate) use self::sign::sign;
pub(crate) use self::{
    json::Unambiguous,
    open::{Fault, open},
};

/// What a JWS is: each kind has a type (RFC 8725 3.11) and a size of its own, and none passes for
/// another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// An access token: RFC 7519, RFC 9068.
    Token,
}

/// The difference of two clocks that is borne with.
pub(crate) const SKEW: Duration = Duration::from_secs(30);

impl Kind {
    /// The values of `typ` that it may have; the first is written.
    const fn types(self) -> &'static [&'static str] {
        match self {
            Kind::Token => &["JWT", "at+jwt"],
        }
    }

    /// How long it may be, in bytes.
    pub(crate) const fn max_len(self) -> usize {
        match self {
            // Far above what is minted, and below the limit of common servers for all headers.
            Kind::Token => 16 * 1024,
        }
    }

    /// Whether its time has come and has not passed, by the claims that are its own (RFC 7519 4.1.4,
    /// 4.1.5).
    fn check_times(self, claims: &json::Object, now: Timestamp) -> Result<(), Fault> {
        match self {
            Kind::Token => {
                let ends = numeric_date(claims, "exp")?.ok_or(Fault::Malformed("it has no exp"))?;
                let begins = numeric_date(claims, "nbf")?;
                if seconds(now) >= ends + SKEW.as_secs_f64() {
                    return Err(Fault::Ended);
                }
                match begins {
                    Some(begins) if seconds(now) < begins - SKEW.as_secs_f64() => {
                        Err(Fault::Malformed("it is not valid yet"))
                    }
                    _ => Ok(()),
                }
            }
        }
    }
}

/// A NumericDate: seconds since 1970, with a fraction or without (RFC 7519 2).
fn numeric_date(claims: &json::Object, name: &str) -> Result<Option<f64>, Fault> {
    match claims.get(name) {
        None => Ok(None),
        Some(value) => match value.as_f64() {
            Some(seconds) if seconds.is_finite() => Ok(Some(seconds)),
            _ => Err(Fault::Malformed("a time in it is no number")),
        },
    }
}

#[allow(clippy::cast_precision_loss, reason = "milliseconds of the years 0 to 9999 are below 2^53")]
fn seconds(time: Timestamp) -> f64 {
    time.as_millis() as f64 / 1000.0
}
