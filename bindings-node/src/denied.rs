//! What is denied, on its way to policies.

use std::sync::Arc;

use catalyst_pki::{Denied, Error, Result};
use napi_derive::napi;

use crate::{
    boundary::guard,
    held::{Made, Releasable},
};

/// What is denied, for any number of policies; worked out when one of them is first used. It may be
/// long, and handing a text over costs the event loop's thread much less than handing over a
/// thousand: so it comes as texts of many lines.
#[napi]
pub struct DeniedList(Releasable<LazyDenied>);

/// What is denied, worked out when it is first needed.
pub(crate) type LazyDenied = Made<DeniedLines, Arc<Denied>>;

#[derive(Default)]
pub(crate) struct DeniedLines {
    identities: Vec<Lines>,
    serials: Vec<Lines>,
}

#[napi]
impl DeniedList {
    /// One with nothing on it.
    #[napi(constructor, catch_unwind)]
    pub fn new() -> napi::Result<Self> {
        guard(|| Ok(DeniedList(Releasable::new(Made::of(DeniedLines::default())))))
    }

    /// Adds SPIFFE IDs: `count` of them, each on a line of its own.
    #[napi(catch_unwind)]
    pub fn add_identities(&self, lines: String, count: u32) -> napi::Result<()> {
        guard(|| self.add(|all| all.identities.push(Lines { lines, count })))
    }

    /// Adds certificates: `count` lines, in turn an issuer's subject key identifier and a serial
    /// number, both hex.
    #[napi(catch_unwind)]
    pub fn add_serials(&self, lines: String, count: u32) -> napi::Result<()> {
        guard(|| self.add(|all| all.serials.push(Lines { lines, count })))
    }

    /// Lets go of it, off the event loop and without waiting for the garbage collector, which
    /// doesn't know how much there is behind a small object. It can't be used after that; the
    /// policies that were made with it can.
    #[napi(catch_unwind)]
    pub fn release(&self) -> napi::Result<()> {
        guard(|| self.0.release())
    }
}

impl DeniedList {
    pub(crate) fn lazy(&self) -> Result<Arc<LazyDenied>> {
        self.0.get()
    }

    fn add(&self, add: impl FnOnce(&mut DeniedLines)) -> Result<()> {
        self.0.get()?.change(add)
    }
}

impl DeniedLines {
    pub(crate) fn denied(self) -> Result<Arc<Denied>> {
        let mut denied = Denied::default();
        for lines in &self.identities {
            for id in lines.split("identity")? {
                denied.deny_identity(id)?;
            }
        }
        for lines in &self.serials {
            let mut lines = lines.split("serial")?;
            while let (Some(issuer_key_id), Some(serial)) = (lines.next(), lines.next()) {
                denied.deny_serial(issuer_key_id, serial)?;
            }
        }
        Ok(Arc::new(denied))
    }
}

/// A list as one text.
struct Lines {
    lines: String,
    count: u32,
}

impl Lines {
    /// The lines; an error if they are not as many as there should be, because then one of the list
    /// had a line break in it and would count as two others.
    fn split(&self, what: &str) -> Result<impl Iterator<Item = &str>> {
        let breaks = self.lines.bytes().filter(|byte| *byte == b'\n').count();
        if Some(breaks) != (self.count as usize).checked_sub(1) {
            return Err(Error::InvalidPolicy(format!("a denied {what} has a line break in it")));
        }
        Ok(self.lines.split('\n'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_break_in_an_entry_is_no_second_entry() {
        let split = |lines: &str, count| {
            let lines = Lines { lines: lines.into(), count };
            lines.split("identity").map(|found| found.map(str::to_owned).collect::<Vec<_>>())
        };
        assert_eq!(split("a\nb", 2).unwrap(), ["a", "b"]);
        assert_eq!(split("", 1).unwrap(), [""]);
        for (lines, count) in [("a\nb", 1), ("a\nb", 3), ("a\n", 1), ("", 0)] {
            assert!(matches!(split(lines, count), Err(Error::InvalidPolicy(_))), "{lines:?}");
        }
    }
}
