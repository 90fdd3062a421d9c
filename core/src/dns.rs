//! What counts as a DNS name here.

use crate::{Error, Result};

/// Requires a host name for an argument. The message shows its beginning: a name may be of any
/// length, a message may not.
pub(crate) fn require_host_name(argument: &'static str, name: &str) -> Result<()> {
    if is_host_name(name) {
        return Ok(());
    }
    let shown: String = name.chars().take(256).collect();
    Err(Error::argument(argument, format!("{shown:?} is no DNS name")))
}

/// Whether `name` is a host name (RFC 1123 2.1): labels of 1 to 63 letters, digits and inner
/// hyphens, 253 bytes at most, the last label not all digits (that would be an address).
///
/// Underscores and wildcards are no host names; a trailing dot is not taken.
pub(crate) fn is_host_name(name: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let last_is_number =
        name.rsplit('.').next().is_some_and(|last| last.bytes().all(|b| b.is_ascii_digit()));
    name.len() <= 253 && name.split('.').all(label) && !last_is_number
}

/// Whether `name` lies below `domain`: whole labels, without case (RFC 4343).
pub(crate) fn is_below(name: &str, domain: &str) -> bool {
    name.split_at_checked(name.len().saturating_sub(domain.len()))
        .is_some_and(|(rest, end)| rest.ends_with('.') && end.eq_ignore_ascii_case(domain))
}
