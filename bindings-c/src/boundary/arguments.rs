//! What C passes, checked.

use std::{
    ffi::{c_char, c_void},
    slice,
};

use catalyst_pki::{Error, Result};

use crate::text::{pki_bytes, pki_str, pki_strs};

pub(super) fn not_null<T>(pointer: *const T, name: &'static str) -> Result<()> {
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
unsafe fn optional_text<'a>(
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
    let take = |text: &'a pki_str| text.required(name);
    // SAFETY: the same contract.
    unsafe { list(data, len, name, take) }
}

/// # Safety
///
/// As [`bytes`], for `len` byte strings and for each of them.
pub(crate) unsafe fn byte_strings<'a>(
    data: *const pki_bytes,
    len: usize,
    name: &'static str,
) -> Result<Vec<&'a [u8]>> {
    // SAFETY: the same contract.
    let take = |one: &pki_bytes| unsafe { bytes(one.data, one.len, name) };
    // SAFETY: likewise.
    unsafe { list(data, len, name, take) }
}

/// What is made of each element; there may be none.
///
/// # Safety
///
/// As [`bytes`], for `len` elements.
unsafe fn list<'a, T: 'a, U>(
    data: *const T,
    len: usize,
    name: &'static str,
    take: impl Fn(&'a T) -> Result<U>,
) -> Result<Vec<U>> {
    if len == 0 {
        return Ok(Vec::new());
    }
    // SAFETY: the same contract.
    unsafe { elements(data, len, name) }?.iter().map(take).collect()
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

impl pki_str {
    /// What the caller put here; `None` for NULL without a length.
    ///
    /// The library reads a `pki_str` only where a caller has given one.
    pub(crate) fn given(&self, name: &'static str) -> Result<Option<&str>> {
        // SAFETY: as `pki.h` demands of texts in structs and lists.
        unsafe { optional_text(self.data, self.len, name) }
    }

    /// The same where it must be given.
    pub(crate) fn required(&self, name: &'static str) -> Result<&str> {
        self.given(name)?.ok_or(Error::NullArgument(name))
    }
}

impl pki_strs {
    /// What the caller put here; `None` for NULL without a length.
    pub(crate) fn given(&self, name: &'static str) -> Result<Option<Vec<&str>>> {
        if self.data.is_null() && self.len == 0 {
            return Ok(None);
        }
        // SAFETY: as `pki.h` demands of texts in structs and lists.
        unsafe { texts(self.data, self.len, name) }.map(Some)
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
