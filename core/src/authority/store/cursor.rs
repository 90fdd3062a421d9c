//! Where a page of a list ended: for stores that order by time, then by arrival.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};

use crate::{Error, Result};

/// The last row of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cursor {
    /// Milliseconds since the epoch.
    pub(super) created_at: i64,
    /// Grows with every row that is stored.
    pub(super) number: i64,
}

impl Cursor {
    /// Above the newest row.
    pub(super) const START: Cursor = Cursor { created_at: i64::MAX, number: i64::MAX };

    pub(super) fn encode(self) -> String {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.created_at.to_be_bytes());
        bytes[8..].copy_from_slice(&self.number.to_be_bytes());
        BASE64_URL_SAFE_NO_PAD.encode(bytes)
    }

    /// # Errors
    ///
    /// [`Error::InvalidArgument`].
    pub(super) fn decode(text: &str) -> Result<Self> {
        let bad = || Error::argument("cursor", "it is not one that a page came with");
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).map_err(|_| bad())?;
        let (created_at, number) = bytes.split_at_checked(8).ok_or_else(bad)?;
        Ok(Cursor {
            created_at: i64::from_be_bytes(created_at.try_into().map_err(|_| bad())?),
            number: i64::from_be_bytes(number.try_into().map_err(|_| bad())?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_come_back() {
        let cursor = Cursor { created_at: -5, number: 1 << 40 };
        assert_eq!(Cursor::decode(&cursor.encode()).unwrap(), cursor);
        for bad in ["", "x", "AAAA", "AAAAAAAAAAAAAAAAAAAAAAA", "ÄÖ", "=", &"A".repeat(10_000)] {
            assert!(Cursor::decode(bad).is_err(), "{bad:?}");
        }
    }
}
