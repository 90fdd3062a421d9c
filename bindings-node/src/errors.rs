//! Errors that begin in JavaScript, and the functions that fail on purpose.

use catalyst_pki::Error;
use napi_derive::napi;

use crate::{boundary::guard, mailbox::Mailbox, workers::MayWait};

/// Throws `PKI_INVALID_ARGUMENT`, for what only JavaScript can see to be wrong.
#[napi(catch_unwind)]
pub fn throw_invalid_argument(reason: String) -> napi::Result<()> {
    guard(|| Err(Error::InvalidArgument { name: "argument", reason }))
}

/// Throws `PKI_INVALID_KEY`.
#[napi(catch_unwind)]
pub fn throw_invalid_key(reason: String) -> napi::Result<()> {
    guard(|| Err(Error::InvalidKey(reason)))
}

/// Throws `PKI_PROVIDER_NOT_IMPLEMENTED`.
#[napi(catch_unwind)]
pub fn throw_provider_not_implemented(provider: String) -> napi::Result<()> {
    guard(|| Err(Error::ProviderNotImplemented(provider)))
}

/// Throws `PKI_PERMISSION_DENIED`.
#[napi(catch_unwind)]
pub fn throw_permission_denied() -> napi::Result<()> {
    guard(|| Err(Error::PermissionDenied))
}

/// Panics, for the tests of the boundary.
#[napi(catch_unwind)]
pub fn panic_for_test() -> napi::Result<()> {
    guard(|| panic!("on purpose"))
}

/// Panics on a worker, for the tests of the boundary.
#[napi(catch_unwind)]
pub fn panic_on_worker_for_test(mailbox: &Mailbox, call: u32) -> napi::Result<()> {
    guard(|| mailbox.post().run::<()>(call, MayWait::Never, || panic!("on purpose")))
}
