//! Which library this is.

use crate::text::pki_str;

/// The version of the ABI that this header describes, and the number in the shared library's soname.
/// It grows when a program that was built before could no longer run; 1 is that of the first release.
pub const PKI_ABI_VERSION: u32 = 1;

export! {
    /// The version of the library's ABI: to be compared with `PKI_ABI_VERSION` of the header that a
    /// program was built with. Can't fail; any thread.
    fn pki_abi_version() -> u32 {
        PKI_ABI_VERSION
    }

    /// The version of the library: `0.1.0`. Lives for ever. Can't fail; any thread.
    fn pki_version() -> pki_str {
        pki_str { data: concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast(), len: env!("CARGO_PKG_VERSION").len() }
    }
}
