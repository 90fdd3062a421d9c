//! Structs that callers fill.

use std::{
    mem::{MaybeUninit, offset_of},
    ptr, slice,
};

use catalyst_pki::{Error, Result};

use super::arguments::not_null;
use crate::{request::pki_sign_request, token_request::pki_token_request};

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

// SAFETY: likewise.
unsafe impl Growing for pki_token_request {
    const FIRST_SIZE: usize = offset_of!(pki_token_request, reserved) + size_of::<u32>();
}

const _: () = {
    let first = <pki_sign_request as Growing>::FIRST_SIZE;
    assert!(offset_of!(pki_sign_request, struct_size) == 0);
    assert!(first <= size_of::<pki_sign_request>());
    // What programs on machines of 64 bits have been built with.
    assert!(size_of::<usize>() != 8 || first == 72);
    let first = <pki_token_request as Growing>::FIRST_SIZE;
    assert!(offset_of!(pki_token_request, struct_size) == 0);
    assert!(first <= size_of::<pki_token_request>());
    assert!(size_of::<usize>() != 8 || first == 232);
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
    // A size that can't be meant was never set; that of a struct is whole in its alignment.
    if size < T::FIRST_SIZE || size > known + 4096 || !size.is_multiple_of(align_of::<T>()) {
        return Err(wrong());
    }
    if size > known {
        // SAFETY: the caller says that `size` bytes can be read.
        let newer = unsafe { slice::from_raw_parts(given.cast::<u8>().add(known), size - known) };
        if newer.iter().any(|byte| *byte != 0) {
            return Err(wrong());
        }
    }
    let mut copy = MaybeUninit::<T>::zeroed();
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_struct_of_another_version_is_taken_where_it_can_be_meant() {
        #[repr(C)]
        struct Later {
            request: pki_sign_request,
            more: [u64; 2],
        }
        // SAFETY: every pattern of bits is a value.
        let mut later: Later = unsafe { std::mem::zeroed() };
        let (size, first) =
            (size_of::<pki_sign_request>(), <pki_sign_request as Growing>::FIRST_SIZE);
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
        assert_eq!(copied(first, 1), Ok(5));
        assert_eq!(copied(size + 16, 0), Ok(5));
        for (given, more) in [
            (size + 16, 1),
            (0, 0),
            (8, 0),
            (first - 8, 0),
            (first + 1, 0),
            (size - 1, 0),
            (usize::MAX, 0),
        ] {
            assert_eq!(copied(given, more), Err("PKI_ERR_STRUCT_SIZE"), "{given}");
        }
    }
}
