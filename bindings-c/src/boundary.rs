//! The boundary to C: the macro [`export`] that every exported function goes through, and all unsafe
//! code of this crate.
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
//! | `&str`, `Option<&str>` | `const char *`, `size_t` | not NULL (`&str`), UTF-8, the length |
//! | `&[u8]` | `const uint8_t *`, `size_t` | not NULL, the length |
//! | `&[&str]` | `const pki_str *`, `size_t` | as of its texts; NULL if there are none |
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

use std::{
    ffi::{c_char, c_void},
    mem::offset_of,
    panic::{AssertUnwindSafe, catch_unwind},
    ptr, slice,
};

use catalyst_pki::{Error, Result};

use crate::{
    error::pki_error,
    manager::pki_sign_request,
    text::{pki_bytes, pki_str},
};

/// Exports functions to C; see the module.
macro_rules! export {
    () => {};
    ($(#[$meta:meta])* fn $name:ident($($params:tt)*) -> Done $body:block $($rest:tt)*) => {
        export!(@take [$(#[$meta])* $name fallible { none } [] $body] [] [] $($params)*,);
        export!($($rest)*);
    };
    ($(#[$meta:meta])* fn $name:ident($($params:tt)*) -> New<$out:ident> $body:block $($rest:tt)*) => {
        export!(@take [$(#[$meta])* $name fallible { new } [*mut *mut $out] $body] [] [] $($params)*,);
        export!($($rest)*);
    };
    ($(#[$meta:meta])* fn $name:ident($($params:tt)*) -> OptionalNew<$out:ident> $body:block $($rest:tt)*) => {
        export!(@take [$(#[$meta])* $name fallible { optional_new } [*mut *mut $out] $body] [] [] $($params)*,);
        export!($($rest)*);
    };
    ($(#[$meta:meta])* fn $name:ident($($params:tt)*) -> OptionalValue<$out:ident> $body:block $($rest:tt)*) => {
        export!(@take [$(#[$meta])* $name fallible { optional_value } [*mut $out] $body] [] [] $($params)*,);
        export!($($rest)*);
    };
    ($(#[$meta:meta])* fn $name:ident($($params:tt)*) -> $ret:ident $body:block $($rest:tt)*) => {
        export!(@take [$(#[$meta])* $name plain { $ret } [] $body] [] [] $($params)*,);
        export!($($rest)*);
    };
    ($(#[$meta:meta])* fn $name:ident($($params:tt)*) $body:block $($rest:tt)*) => {
        export!(@take [$(#[$meta])* $name plain { () } [] $body] [] [] $($params)*,);
        export!($($rest)*);
    };

    // One parameter after another: what C passes, and how it is taken.
    (@take $function:tt $c:tt $take:tt $(,)?) => { export!(@emit $function $c $take); };
    (@take $function:tt [$($c:tt)*] [$($take:tt)*] $name:ident: &str, $($rest:tt)*) => {
        export!(@take $function [$($c)* $name: *const std::ffi::c_char, len: usize,]
            [$($take)* $name = text($name, len, stringify!($name));] $($rest)*);
    };
    (@take $function:tt [$($c:tt)*] [$($take:tt)*] $name:ident: Option<&str>, $($rest:tt)*) => {
        export!(@take $function [$($c)* $name: *const std::ffi::c_char, len: usize,]
            [$($take)* $name = optional_text($name, len, stringify!($name));] $($rest)*);
    };
    (@take $function:tt [$($c:tt)*] [$($take:tt)*] $name:ident: &[u8], $($rest:tt)*) => {
        export!(@take $function [$($c)* $name: *const u8, len: usize,]
            [$($take)* $name = bytes($name, len, stringify!($name));] $($rest)*);
    };
    (@take $function:tt [$($c:tt)*] [$($take:tt)*] $name:ident: &[&str], $($rest:tt)*) => {
        export!(@take $function [$($c)* $name: *const $crate::text::pki_str, len: usize,]
            [$($take)* $name = texts($name, len, stringify!($name));] $($rest)*);
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

    (@emit [$(#[$meta:meta])* $name:ident fallible { none } [] $body:block]
        [$($c:tt)*] [$($taken:ident = $how:ident($($with:expr),*);)*]
    ) => {
        $(#[$meta])*
        #[allow(unsafe_code, clippy::missing_safety_doc, reason = "the boundary's")]
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name(
            $($c)*
            error: *mut *mut $crate::error::pki_error,
        ) -> $crate::error::pki_result {
            let body = || {
                $(
                    // SAFETY: the caller keeps to what `pki.h` says of its pointers.
                    let $taken = unsafe { $crate::boundary::$how($($with),*) }?;
                )*
                #[forbid(unsafe_code)]
                let run = || -> catalyst_pki::Result<()> { $body };
                run()
            };
            // SAFETY: likewise.
            unsafe { $crate::boundary::answer(error, body) }
        }
    };
    (@emit [$(#[$meta:meta])* $name:ident fallible { $kind:ident } [$out:ty] $body:block]
        [$($c:tt)*] [$($taken:ident = $how:ident($($with:expr),*);)*]
    ) => {
        $(#[$meta])*
        #[allow(unsafe_code, clippy::missing_safety_doc, reason = "the boundary's")]
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name(
            $($c)*
            out: $out,
            error: *mut *mut $crate::error::pki_error,
        ) -> $crate::error::pki_result {
            let body = || {
                $(
                    // SAFETY: the caller keeps to what `pki.h` says of its pointers.
                    let $taken = unsafe { $crate::boundary::$how($($with),*) }?;
                )*
                // SAFETY: likewise.
                let out = unsafe { $crate::boundary::$kind(out) }?;
                #[forbid(unsafe_code)]
                let make = || -> catalyst_pki::Result<_> { $body };
                out.write(make()?);
                Ok(())
            };
            // SAFETY: likewise.
            unsafe { $crate::boundary::answer(error, body) }
        }
    };
    (@emit [$(#[$meta:meta])* $name:ident plain { $ret:ty } [] $body:block]
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
/// `error` is NULL, or a pointer to a `pki_error *` can be written there.
pub(crate) unsafe fn answer(error: *mut *mut pki_error, body: impl FnOnce() -> Result<()>) -> u32 {
    let Err(failure) = catch(body) else { return 0 };
    let code = failure.code().number();
    if !error.is_null() {
        let failure = Box::into_raw(Box::new(pki_error::new(&failure)));
        // SAFETY: not NULL, and the caller says that it can be written.
        unsafe { error.write(failure) };
    }
    code
}

/// A place of the caller for what a function makes.
pub(crate) struct Out<T> {
    place: *mut T,
}

impl<T> Out<T> {
    pub(crate) fn write(self, value: T) {
        if !self.place.is_null() {
            // SAFETY: whoever makes an `Out` says that it can be written.
            unsafe { self.place.write(value) };
        }
    }
}

/// A place of the caller for a new handle.
pub(crate) struct OutHandle<T>(Out<*mut T>);

impl<T> OutHandle<T> {
    pub(crate) fn write(self, value: T) {
        if !self.0.place.is_null() {
            self.0.write(Box::into_raw(Box::new(value)));
        }
    }
}

/// # Safety
///
/// `out` is NULL or can be written.
#[allow(clippy::unnecessary_wraps, reason = "the macro takes all of them alike")]
pub(crate) unsafe fn optional_value<T>(out: *mut T) -> Result<Out<T>> {
    Ok(Out { place: out })
}

/// # Safety
///
/// `out` is NULL or can be written.
pub(crate) unsafe fn new<T>(out: *mut *mut T) -> Result<OutHandle<T>> {
    not_null(out, "out")?;
    Ok(OutHandle(Out { place: out }))
}

/// # Safety
///
/// `out` is NULL or can be written.
#[allow(clippy::unnecessary_wraps, reason = "the macro takes all of them alike")]
pub(crate) unsafe fn optional_new<T>(out: *mut *mut T) -> Result<OutHandle<T>> {
    Ok(OutHandle(Out { place: out }))
}

fn not_null<T>(pointer: *const T, name: &'static str) -> Result<()> {
    if pointer.is_null() { Err(Error::NullArgument(name)) } else { Ok(()) }
}

/// A handle that the caller lends.
///
/// # Safety
///
/// `pointer` is NULL or a handle of this library that has not been freed, and is not during the
/// call.
pub(crate) unsafe fn reference<'a, T>(pointer: *const T, name: &'static str) -> Result<&'a T> {
    not_null(pointer, name)?;
    // SAFETY: not NULL, so a handle that lives.
    Ok(unsafe { &*pointer })
}

/// # Safety
///
/// As [`reference`].
#[allow(clippy::unnecessary_wraps, reason = "the macro takes all of them alike")]
pub(crate) unsafe fn optional_reference<'a, T>(pointer: *const T) -> Result<Option<&'a T>> {
    // SAFETY: NULL or a handle that lives.
    Ok(unsafe { pointer.as_ref() })
}

/// A handle that the caller gives back; `None` for NULL.
///
/// # Safety
///
/// As [`reference`], and nobody uses it any more.
#[allow(clippy::unnecessary_wraps, reason = "the macro takes all of them alike")]
pub(crate) unsafe fn freed<T>(pointer: *mut T) -> Result<Option<Box<T>>> {
    if pointer.is_null() {
        return Ok(None);
    }
    // SAFETY: not NULL, so made by `OutHandle::write`, that is by a `Box`.
    Ok(Some(unsafe { Box::from_raw(pointer) }))
}

/// # Safety
///
/// `data` is NULL, or `len` bytes can be read there.
pub(crate) unsafe fn bytes<'a>(
    data: *const u8,
    len: usize,
    name: &'static str,
) -> Result<&'a [u8]> {
    // SAFETY: the same contract.
    unsafe { elements(data, len, name) }
}

/// # Safety
///
/// As [`bytes`].
pub(crate) unsafe fn text<'a>(
    data: *const c_char,
    len: usize,
    name: &'static str,
) -> Result<&'a str> {
    // SAFETY: the same contract; a `c_char` is a byte.
    let bytes = unsafe { elements(data.cast::<u8>(), len, name) }?;
    std::str::from_utf8(bytes).map_err(|_| Error::InvalidUtf8(name))
}

/// # Safety
///
/// As [`bytes`].
pub(crate) unsafe fn optional_text<'a>(
    data: *const c_char,
    len: usize,
    name: &'static str,
) -> Result<Option<&'a str>> {
    if data.is_null() && len == 0 {
        return Ok(None);
    }
    // SAFETY: the same contract.
    unsafe { text(data, len, name) }.map(Some)
}

/// # Safety
///
/// As [`bytes`], for `len` texts and for each of them.
pub(crate) unsafe fn texts<'a>(
    data: *const pki_str,
    len: usize,
    name: &'static str,
) -> Result<Vec<&'a str>> {
    if len == 0 {
        return Ok(Vec::new());
    }
    // SAFETY: the same contract.
    let texts = unsafe { elements(data, len, name) }?;
    texts.iter().map(|text| text.given(name)?.ok_or(Error::NullArgument(name))).collect()
}

/// # Safety
///
/// As [`bytes`], for `len` elements.
unsafe fn elements<'a, T>(data: *const T, len: usize, name: &'static str) -> Result<&'a [T]> {
    not_null(data, name)?;
    let fits = len.checked_mul(size_of::<T>()).is_some_and(|size| isize::try_from(size).is_ok());
    if !fits {
        let reason = format!("no memory holds a length of {len}");
        return Err(Error::InvalidArgument { name, reason });
    }
    if !data.is_aligned() {
        return Err(Error::InvalidArgument { name, reason: "it is not aligned".into() });
    }
    // SAFETY: not NULL, aligned, short enough, and the caller says that it can be read.
    Ok(unsafe { slice::from_raw_parts(data, len) })
}

/// A pointer of the caller's that only comes back to it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct UserData(*mut c_void);

// SAFETY: nothing here looks at what it points to; `pki.h` says on which threads the callbacks that
// get it run.
unsafe impl Send for UserData {}
// SAFETY: likewise.
unsafe impl Sync for UserData {}

impl UserData {
    pub(crate) fn pointer(self) -> *mut c_void {
        self.0
    }
}

/// # Safety
///
/// None: it is not looked at.
#[allow(clippy::unnecessary_wraps, reason = "the macro takes all of them alike")]
pub(crate) unsafe fn user_data(pointer: *mut c_void) -> Result<UserData> {
    Ok(UserData(pointer))
}

/// A struct that callers fill. It begins with its size, and later versions only add fields at its
/// end, for which zero means what was done before.
///
/// # Safety
///
/// `repr(C)`, begins with a `usize`, and every pattern of bits is a value.
pub(crate) unsafe trait Growing: Copy {
    /// The size of its first version.
    const FIRST_SIZE: usize;
}

// SAFETY: `repr(C)`, `struct_size` first; numbers, pointers and lengths.
unsafe impl Growing for pki_sign_request {
    /// To the end of what was its last field, whatever the size of a pointer is.
    const FIRST_SIZE: usize = offset_of!(pki_sign_request, reserved) + size_of::<u32>();
}

const _: () = {
    let first = <pki_sign_request as Growing>::FIRST_SIZE;
    assert!(offset_of!(pki_sign_request, struct_size) == 0);
    assert!(first <= size_of::<pki_sign_request>());
    // What programs on machines of 64 bits have been built with.
    assert!(size_of::<usize>() != 8 || first == 72);
};

/// Copies a struct of a caller that may have been built with an earlier header, or a later one: what
/// it doesn't know is zero, what we don't know must be.
///
/// # Safety
///
/// `given` is NULL, or as many bytes can be read there as its first field says.
pub(crate) unsafe fn copied_struct<T: Growing>(given: *const T, name: &'static str) -> Result<T> {
    not_null(given, name)?;
    if !given.is_aligned() {
        return Err(Error::InvalidArgument { name, reason: "it is not aligned".into() });
    }
    let known = size_of::<T>();
    // SAFETY: its first field can be read, and is aligned.
    let size = unsafe { given.cast::<usize>().read() };
    let wrong = || Error::StructSize { name, given: size, known };
    // A size that can't be meant was never set.
    if size < T::FIRST_SIZE || size > known + 4096 {
        return Err(wrong());
    }
    if size > known {
        // SAFETY: the caller says that `size` bytes can be read.
        let newer = unsafe { slice::from_raw_parts(given.cast::<u8>().add(known), size - known) };
        if newer.iter().any(|byte| *byte != 0) {
            return Err(wrong());
        }
    }
    let mut copy = std::mem::MaybeUninit::<T>::zeroed();
    // SAFETY: both hold that many bytes and are different places.
    unsafe {
        ptr::copy_nonoverlapping(
            given.cast::<u8>(),
            copy.as_mut_ptr().cast::<u8>(),
            size.min(known),
        );
    }
    // SAFETY: every pattern of bits is a value.
    Ok(unsafe { copy.assume_init() })
}

impl pki_str {
    /// What the caller put here; `None` for NULL without a length.
    ///
    /// The library reads a `pki_str` only where a caller has given one.
    pub(crate) fn given(&self, name: &'static str) -> Result<Option<&str>> {
        // SAFETY: as `pki.h` demands of texts in structs and lists.
        unsafe { optional_text(self.data, self.len, name) }
    }
}

/// # Safety, for C
///
/// What these point to lives as long as the handle that they were borrowed from.
impl pki_bytes {
    pub(crate) const fn borrowed(bytes: &[u8]) -> Self {
        pki_bytes { data: bytes.as_ptr(), len: bytes.len() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    export! {
        /// Fails on purpose.
        fn pki_test_panic(code: u32) -> OptionalValue<u32> { panic!("on purpose: {code}") }

        /// Fails on purpose.
        fn pki_test_panic_plain(code: u32) -> u32 { [0][code as usize] }
    }

    #[test]
    fn a_panic_is_an_error_like_any_other() {
        let mut error = ptr::null_mut();
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

    #[test]
    fn a_struct_of_another_version_is_taken_where_it_can_be_meant() {
        #[repr(C)]
        struct Later {
            request: pki_sign_request,
            more: [u64; 2],
        }
        // SAFETY: every pattern of bits is a value.
        let mut later: Later = unsafe { std::mem::zeroed() };
        let size = size_of::<pki_sign_request>();
        let mut copied = |given: usize, more: u64| {
            later.request.struct_size = given;
            later.request.ttl_seconds = 5;
            later.more[1] = more;
            // SAFETY: that many bytes can be read, or it is refused before.
            unsafe { copied_struct(&raw const later.request, "request") }
                .map(|request| request.ttl_seconds)
                .map_err(|error| error.code().c_name())
        };
        assert_eq!(copied(size, 1), Ok(5));
        assert_eq!(copied(size + 16, 0), Ok(5));
        for (given, more) in [(size + 16, 1), (0, 0), (8, 0), (size - 1, 0), (usize::MAX, 0)] {
            assert_eq!(copied(given, more), Err("PKI_ERR_STRUCT_SIZE"), "{given}");
        }
    }
}
