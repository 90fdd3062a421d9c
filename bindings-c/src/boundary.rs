//! The boundary to C: the macro [`export`] that every exported function goes through, and all unsafe
//! code of this crate: here, and in the modules below.
//!
//! A function that is exported otherwise doesn't compile: `no_mangle` counts as unsafe code, which
//! is denied outside of this file, and so does unsafe code in the body of one that is.
//!
//! What a parameter is in Rust decides what it is in C, and how it is checked:
//!
//! | Rust | C | check |
//! | --- | --- | --- |
//! | `&T` | `const T *` | not NULL |
//! | `&mut T` | `T *`; shared in Rust all the same, `T` locks itself | not NULL |
//! | `Option<&T>` | `const T *` | |
//! | `Freed<T>` | `T *`, taken back | |
//! | `Struct<T>` | `const T *`, copied | not NULL, its size |
//! | `&str` | `const char *`, `size_t` | not NULL, UTF-8, the length |
//! | `&[u8]` | `const uint8_t *`, `size_t` | not NULL, the length |
//! | `&[&str]` | `const pki_str *`, `size_t` | as of its texts; NULL if there are none |
//! | `&[&[u8]]` | `const pki_bytes *`, `size_t` | as of its elements; NULL if there are none |
//! | a number, a callback | itself | |
//!
//! and what it returns:
//!
//! | Rust | C | body |
//! | --- | --- | --- |
//! | `Done` | `pki_result`, `pki_error **error` last | `Result<()>` |
//! | `New<T>`, `OptionalNew<T>` | the same, `T **out` before it | `Result<T>` |
//! | `OptionalValue<T>` | the same, `T *out` before it | `Result<T>` |
//! | anything else | itself | can't fail; NULL and panics give the default |
#![allow(unsafe_code, reason = "the only module that has any")]

mod arguments;
mod structs;

use std::panic::{AssertUnwindSafe, catch_unwind};

use catalyst_pki::{Error, Result};

pub(crate) use self::{
    arguments::{
        UserData, byte_strings, bytes, freed, optional_reference, reference, text, texts, user_data,
    },
    structs::copied_struct,
};

/// Exports functions to C; see the module.
macro_rules! export {
    () => {};
    ($(#[$meta:meta])* fn $name:ident($($params:tt)*) -> Done $body:block $($rest:tt)*) => {
        export!(@take [$(#[$meta])* $name fallible [] $body] [] [] $($params)*,);
        export!($($rest)*);
    };
    ($(#[$meta:meta])* fn $name:ident($($params:tt)*) -> New<$out:ident> $body:block $($rest:tt)*) => {
        export!(@take [$(#[$meta])* $name fallible [new *mut *mut $out] $body] [] [] $($params)*,);
        export!($($rest)*);
    };
    ($(#[$meta:meta])* fn $name:ident($($params:tt)*) -> OptionalNew<$out:ident> $body:block $($rest:tt)*) => {
        export!(@take [$(#[$meta])* $name fallible [optional_new *mut *mut $out] $body] [] [] $($params)*,);
        export!($($rest)*);
    };
    ($(#[$meta:meta])* fn $name:ident($($params:tt)*) -> OptionalValue<$out:ident> $body:block $($rest:tt)*) => {
        export!(@take [$(#[$meta])* $name fallible [optional_value *mut $out] $body] [] [] $($params)*,);
        export!($($rest)*);
    };
    ($(#[$meta:meta])* fn $name:ident($($params:tt)*) -> $ret:ident $body:block $($rest:tt)*) => {
        export!(@take [$(#[$meta])* $name plain { $ret } $body] [] [] $($params)*,);
        export!($($rest)*);
    };
    ($(#[$meta:meta])* fn $name:ident($($params:tt)*) $body:block $($rest:tt)*) => {
        export!(@take [$(#[$meta])* $name plain { () } $body] [] [] $($params)*,);
        export!($($rest)*);
    };

    // One parameter after another: what C passes, and how it is taken.
    (@take $function:tt $c:tt $take:tt $(,)?) => { export!(@emit $function $c $take); };
    (@take $function:tt [$($c:tt)*] [$($take:tt)*] $name:ident: &str, $($rest:tt)*) => {
        export!(@take $function [$($c)* $name: *const std::ffi::c_char, len: usize,]
            [$($take)* $name = text($name, len, stringify!($name));] $($rest)*);
    };
    (@take $function:tt [$($c:tt)*] [$($take:tt)*] $name:ident: &[u8], $($rest:tt)*) => {
        export!(@take $function [$($c)* $name: *const u8, len: usize,]
            [$($take)* $name = bytes($name, len, stringify!($name));] $($rest)*);
    };
    (@take $function:tt [$($c:tt)*] [$($take:tt)*] $name:ident: &[&str], $($rest:tt)*) => {
        export!(@take $function [$($c)* $name: *const $crate::text::pki_str, len: usize,]
            [$($take)* $name = texts($name, len, stringify!($name));] $($rest)*);
    };
    (@take $function:tt [$($c:tt)*] [$($take:tt)*] $name:ident: &[&[u8]], $($rest:tt)*) => {
        export!(@take $function [$($c)* $name: *const $crate::text::pki_bytes, len: usize,]
            [$($take)* $name = byte_strings($name, len, stringify!($name));] $($rest)*);
    };
    (@take $function:tt [$($c:tt)*] [$($take:tt)*] $name:ident: &mut $type:ident, $($rest:tt)*) => {
        export!(@take $function [$($c)* $name: *mut $type,]
            [$($take)* $name = reference($name, stringify!($name));] $($rest)*);
    };
    (@take $function:tt [$($c:tt)*] [$($take:tt)*] $name:ident: &$type:ident, $($rest:tt)*) => {
        export!(@take $function [$($c)* $name: *const $type,]
            [$($take)* $name = reference($name, stringify!($name));] $($rest)*);
    };
    (@take $function:tt [$($c:tt)*] [$($take:tt)*] $name:ident: Option<&$type:ident>, $($rest:tt)*) => {
        export!(@take $function [$($c)* $name: *const $type,]
            [$($take)* $name = optional_reference($name);] $($rest)*);
    };
    (@take $function:tt [$($c:tt)*] [$($take:tt)*] $name:ident: Freed<$type:ident>, $($rest:tt)*) => {
        export!(@take $function [$($c)* $name: *mut $type,]
            [$($take)* $name = freed($name);] $($rest)*);
    };
    (@take $function:tt [$($c:tt)*] [$($take:tt)*] $name:ident: Struct<$type:ident>, $($rest:tt)*) => {
        export!(@take $function [$($c)* $name: *const $type,]
            [$($take)* $name = copied_struct($name, stringify!($name));] $($rest)*);
    };
    (@take $function:tt [$($c:tt)*] [$($take:tt)*] $name:ident: UserData, $($rest:tt)*) => {
        export!(@take $function [$($c)* $name: *mut std::ffi::c_void,]
            [$($take)* $name = user_data($name);] $($rest)*);
    };
    (@take $function:tt [$($c:tt)*] [$($take:tt)*] $name:ident: $type:ident, $($rest:tt)*) => {
        export!(@take $function [$($c)* $name: $type,] [$($take)*] $($rest)*);
    };

    (@emit [$(#[$meta:meta])* $name:ident fallible [$($place:ident $out:ty)?] $body:block]
        [$($c:tt)*] [$($taken:ident = $how:ident($($with:expr),*);)*]
    ) => {
        $(#[$meta])*
        #[allow(unsafe_code, clippy::missing_safety_doc, reason = "the boundary's")]
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name(
            $($c)*
            $(out: $out,)?
            error: *mut *mut $crate::error::pki_error,
        ) -> $crate::error::pki_result {
            let body = || {
                $(
                    // SAFETY: the caller keeps to what `pki.h` says of its pointers.
                    let $taken = unsafe { $crate::boundary::$how($($with),*) }?;
                )*
                // SAFETY: likewise.
                let out = ($(unsafe { $crate::boundary::$place(out) }?)?);
                #[forbid(unsafe_code)]
                let make = || -> catalyst_pki::Result<_> { $body };
                $crate::boundary::Place::write(out, make()?);
                Ok(())
            };
            // SAFETY: likewise.
            unsafe { $crate::boundary::answer(error, body) }
        }
    };
    (@emit [$(#[$meta:meta])* $name:ident plain { $ret:ty } $body:block]
        [$($c:tt)*] [$($taken:ident = $how:ident($($with:expr),*);)*]
    ) => {
        $(#[$meta])*
        #[allow(unsafe_code, clippy::missing_safety_doc, reason = "the boundary's")]
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name($($c)*) -> $ret {
            $crate::boundary::catch(|| {
                $(
                    // SAFETY: the caller keeps to what `pki.h` says of its pointers.
                    let $taken = unsafe { $crate::boundary::$how($($with),*) }?;
                )*
                #[forbid(unsafe_code)]
                let give = || -> $ret { $body };
                Ok(give())
            })
            .unwrap_or_default()
        }
    };
}

/// Runs `body`; a panic in it is an error like any other.
///
/// Nothing is left in a half-way state that a later call could see: the core's locks hold whole
/// values only, and its database work is in transactions.
pub(crate) fn catch<T>(body: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|panic| Err(Error::from_panic(&*panic)))
}

/// Runs `body` and gives its result to C.
///
/// # Safety
///
/// `error` is NULL, or a pointer to an `E` can be written there.
pub(crate) unsafe fn answer<E>(error: *mut *mut E, body: impl FnOnce() -> Result<()>) -> u32
where
    E: for<'a> From<&'a Error>,
{
    let Err(failure) = catch(body) else { return 0 };
    let code = failure.code().number();
    if !error.is_null() {
        let failure = Box::into_raw(Box::new(E::from(&failure)));
        // SAFETY: not NULL, and the caller says that it can be written.
        unsafe { error.write(failure) };
    }
    code
}

/// Where a function's result goes.
pub(crate) trait Place<T> {
    fn write(self, value: T);
}

/// Of a function that only succeeds or fails.
impl Place<()> for () {
    fn write(self, (): ()) {}
}

/// A place of the caller for what a function makes; NULL where it isn't wanted.
pub(crate) struct Out<T>(*mut T);

impl<T> Place<T> for Out<T> {
    fn write(self, value: T) {
        if !self.0.is_null() {
            // SAFETY: whoever makes an `Out` says that it can be written.
            unsafe { self.0.write(value) };
        }
    }
}

/// A place of the caller for a new handle; NULL where it isn't wanted.
pub(crate) struct OutHandle<T>(*mut *mut T);

impl<T> Place<T> for OutHandle<T> {
    fn write(self, value: T) {
        if !self.0.is_null() {
            Out(self.0).write(Box::into_raw(Box::new(value)));
        }
    }
}

/// # Safety
///
/// `out` is NULL or can be written.
#[allow(clippy::unnecessary_wraps, reason = "the macro takes all of them alike")]
pub(crate) unsafe fn optional_value<T>(out: *mut T) -> Result<Out<T>> {
    Ok(Out(out))
}

/// # Safety
///
/// `out` is NULL or can be written.
pub(crate) unsafe fn new<T>(out: *mut *mut T) -> Result<OutHandle<T>> {
    arguments::not_null(out, "out")?;
    Ok(OutHandle(out))
}

/// # Safety
///
/// `out` is NULL or can be written.
#[allow(clippy::unnecessary_wraps, reason = "the macro takes all of them alike")]
pub(crate) unsafe fn optional_new<T>(out: *mut *mut T) -> Result<OutHandle<T>> {
    Ok(OutHandle(out))
}

#[cfg(test)]
mod tests {
    use std::ptr;

    use super::*;
    use crate::error::pki_error;

    export! {
        /// Fails on purpose.
        fn pki_test_panic(code: u32) -> OptionalValue<u32> { panic!("on purpose: {code}") }

        /// Fails on purpose.
        fn pki_test_panic_plain(code: u32) -> u32 { [0][code as usize] }
    }

    #[test]
    fn a_panic_is_an_error_like_any_other() {
        let mut error: *mut pki_error = ptr::null_mut();
        let mut out = 7;
        // SAFETY: both can be written.
        let code = unsafe { pki_test_panic(42, &raw mut out, &raw mut error) };
        // SAFETY: it has been written.
        let error = unsafe { Box::from_raw(error) };
        assert_eq!((code, out), (Error::Internal(String::new()).code().number(), 7));
        assert!(error.message().ends_with("panic: on purpose: 42"), "{}", error.message());
        // SAFETY: nothing to keep to.
        assert_eq!(unsafe { pki_test_panic_plain(1) }, 0);
    }
}
