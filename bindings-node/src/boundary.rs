//! Errors and panics on their way to JavaScript.
//!
//! Everything that JavaScript can call runs in [`guard`], everything on a worker in [`catch`]. It
//! is hard to forget: only they turn the core's errors into what JavaScript gets, and a test reads
//! this crate's source and fails on an export without it.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};

use catalyst_pki::{Error, Result};
use serde::{Serialize, de::DeserializeOwned};
use zeroize::Zeroizing;

/// An error as it crosses: what `PkiError` is made of. The same for what is thrown and for what is
/// rejected, because N-API carries a code of ours in neither reliably.
#[derive(Debug, Serialize)]
pub(crate) struct Failure {
    code: &'static str,
    status: u16,
    message: String,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let code = error.code();
        Failure { code: code.as_str(), status: code.http_status(), message: error.to_string() }
    }
}

/// Runs what JavaScript called on its own thread. What fails is thrown: an error whose message is
/// the [`Failure`] as JSON.
pub(crate) fn guard<T>(body: impl FnOnce() -> Result<T>) -> napi::Result<T> {
    catch(body).map_err(|error| {
        // A struct of a text, a number and a text: it can't fail.
        let failure = serde_json::to_string(&Failure::from(error)).unwrap_or_default();
        napi::Error::from_reason(failure)
    })
}

/// Runs `body`; a panic in it is an error like any other.
///
/// Nothing is left in a half-way state that a later call could see: the core's locks hold whole
/// values only, and its database work is in transactions.
pub(crate) fn catch<T>(body: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|panic| Err(Error::from_panic(&*panic)))
}

/// What JavaScript has given as JSON. It is wiped: a private key may be in it.
pub(crate) fn read<T: DeserializeOwned>(name: &'static str, json: String) -> Result<T> {
    serde_json::from_str(&Zeroizing::new(json)).map_err(|error| {
        let reason = error.to_string();
        // Where in the JSON is nothing that the caller has seen.
        let reason = reason.rsplit_once(" at line ").map_or(&*reason, |(reason, _)| reason).into();
        Error::InvalidArgument { name, reason }
    })
}

/// A number of seconds from JavaScript as a duration.
pub(crate) fn seconds(name: &'static str, seconds: f64) -> Result<Duration> {
    Duration::try_from_secs_f64(seconds)
        .map_err(|error| Error::InvalidArgument { name, reason: error.to_string() })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_panic_is_an_error_like_any_other() {
        let error = catch::<()>(|| panic!("on purpose")).unwrap_err();
        assert_eq!(error, Error::Internal("panic: on purpose".into()));
        let error = catch::<()>(|| panic!("{}", 42)).unwrap_err();
        assert_eq!(error, Error::Internal("panic: 42".into()));
    }

    /// Every exported function, method and constructor: `#[napi(…catch_unwind…)]` for the code that
    /// the macro makes around it, and a body that is nothing but [`guard`].
    #[test]
    fn every_export_goes_through_the_boundary() {
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/src");
        let mut exports = 0;
        for file in fs::read_dir(source).unwrap() {
            let path = file.unwrap().path();
            let text = fs::read_to_string(&path).unwrap();
            let lines: Vec<&str> = text.lines().collect();
            for (at, line) in lines.iter().enumerate() {
                let attribute = line.trim();
                if !attribute.starts_with("#[napi") {
                    continue;
                }
                let head =
                    lines[at + 1..].iter().position(|l| !l.trim().starts_with("#[")).unwrap();
                let item = lines[at + 1 + head].trim();
                if !item.starts_with("pub fn ") {
                    let is_field = item.starts_with("pub ") && item.ends_with(',');
                    let types = ["pub struct ", "impl ", "pub enum "];
                    assert!(
                        is_field || types.iter().any(|start| item.starts_with(start)),
                        "{}: {item}: not known to this test",
                        path.display()
                    );
                    continue;
                }
                exports += 1;
                let name = format!("{}: {item}", path.display());
                assert!(attribute.contains("catch_unwind"), "{name}: no catch_unwind");
                let body = lines[at + 1 + head..]
                    .windows(2)
                    .find(|pair| pair[0].trim_end().ends_with('{'))
                    .unwrap()[1]
                    .trim();
                assert!(body.starts_with("guard("), "{name}: begins with {body}");
            }
        }
        assert!(exports > 10, "only {exports} exports found");
    }
}
