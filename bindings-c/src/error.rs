//! Results and errors.

use catalyst_pki::{Error, ErrorCode};

use crate::text::{Text, pki_str};

/// How a call ended: `PKI_OK`, or one of `PKI_ERR_…`. The numbers are stable and never reused; a
/// later library may return ones that this header doesn't know.
pub type pki_result = u32;

/// What went wrong, in detail.
///
/// A function that can fail takes a place for one as its last argument: NULL where it isn't wanted,
/// else it is written on failure only, and belongs to the caller from then on: `pki_error_free`.
///
/// Never changed once made: any number of threads may read one.
pub struct pki_error {
    code: ErrorCode,
    message: Text,
    is_retryable: bool,
}

impl From<&Error> for pki_error {
    fn from(error: &Error) -> Self {
        pki_error {
            code: error.code(),
            message: error.to_string().into(),
            is_retryable: error.is_retryable(),
        }
    }
}

#[cfg(test)]
impl pki_error {
    pub(crate) fn message(&self) -> &str {
        self.message.as_str()
    }
}

export! {
    /// The code: what the function returned. `PKI_OK` for NULL.
    fn pki_error_code(handle: &pki_error) -> pki_result {
        handle.code.number()
    }

    /// What went wrong, in words; it holds no key material, token or passphrase. Lives as long as
    /// `handle`; empty for NULL.
    fn pki_error_message(handle: &pki_error) -> pki_str {
        handle.message.lend()
    }

    /// Whether the same call may succeed later without anybody changing it: a store that is locked
    /// or full, a key backend that doesn't answer. A store that is set up wrongly, or damaged, waits
    /// for somebody to mend it. False for NULL.
    fn pki_error_is_retryable(handle: &pki_error) -> bool {
        handle.is_retryable
    }

    /// Frees an error. NULL is no error; an error that was freed must not be used again.
    fn pki_error_free(handle: Freed<pki_error>) {
        drop(handle);
    }

    /// The name of a code: `PKI_ERR_IDENTITY_DENIED`; `PKI_OK` for 0, empty for a number that is no
    /// code. Lives for ever.
    fn pki_result_name(code: pki_result) -> pki_str {
        match code {
            0 => pki_str { data: c"PKI_OK".as_ptr(), len: 6 },
            _ => ErrorCode::ALL.iter().position(|c| c.number() == code).map_or_else(pki_str::default, name),
        }
    }
}

/// The names with a NUL byte behind each, made once.
fn name(at: usize) -> pki_str {
    static NAMES: std::sync::LazyLock<Vec<Text>> = std::sync::LazyLock::new(|| {
        ErrorCode::ALL.iter().map(|code| code.c_name().into()).collect()
    });
    crate::text::at(&NAMES, at)
}
