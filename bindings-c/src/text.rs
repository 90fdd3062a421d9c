//! Texts and bytes on their way out.

use std::ffi::c_char;

use zeroize::Zeroizing;

/// A text: UTF-8, `len` bytes at `data`.
///
/// One that the library returns is borrowed: it lives as long as the handle that it was taken from,
/// which the function's comment names, and must not be freed or changed. A NUL byte stands behind
/// it and none within (a U+FFFD takes the place of one that another program has stored), so that
/// `data` is a C string too, and `data` is never NULL, an absent text being empty.
///
/// One that is given to the library in a struct or a list is only read during the call and needs no
/// NUL byte; `data` NULL with `len` 0 means that nothing is given.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct pki_str {
    /// The bytes.
    pub(crate) data: *const c_char,
    /// How many.
    pub(crate) len: usize,
}

/// The empty text.
impl Default for pki_str {
    fn default() -> Self {
        pki_str { data: c"".as_ptr(), len: 0 }
    }
}

/// Bytes: `len` of them at `data`.
///
/// Those that the library returns are borrowed as `pki_str` is; NULL where there are none. Those
/// that are given to it in a list are only read during the call, and are not NULL.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct pki_bytes {
    /// The bytes.
    pub(crate) data: *const u8,
    /// How many.
    pub(crate) len: usize,
}

impl Default for pki_bytes {
    fn default() -> Self {
        pki_bytes { data: std::ptr::null(), len: 0 }
    }
}

/// Texts that are given to the library in a struct: `len` of them at `data`, none of which is NULL.
/// Only read during the call; `data` NULL with `len` 0 means that nothing is given.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct pki_strs {
    /// The texts.
    pub(crate) data: *const pki_str,
    /// How many.
    pub(crate) len: usize,
}

/// A text that is the caller's.
///
/// Never changed once made: any number of threads may read one.
pub struct pki_text(Text);

impl<T: AsRef<str>> From<T> for pki_text {
    fn from(text: T) -> Self {
        pki_text(text.into())
    }
}

/// Several texts.
///
/// Never changed once made: any number of threads may read one.
pub struct pki_text_list(Vec<Text>);

impl From<Vec<String>> for pki_text_list {
    fn from(texts: Vec<String>) -> Self {
        pki_text_list(list(&texts))
    }
}

/// A text of ours with a NUL byte behind it; wiped when dropped, for private keys are among them.
#[derive(Default)]
pub(crate) struct Text(Option<Zeroizing<String>>);

impl Text {
    pub(crate) fn new(text: &str) -> Self {
        let nuls = text.bytes().filter(|byte| *byte == 0).count();
        let len = text.len() + nuls * (char::REPLACEMENT_CHARACTER.len_utf8() - 1) + 1;
        // In one piece, so that no copy of it stays behind elsewhere.
        let mut owned = Zeroizing::new(String::with_capacity(len));
        for (at, part) in text.split('\0').enumerate() {
            if at > 0 {
                owned.push(char::REPLACEMENT_CHARACTER);
            }
            owned.push_str(part);
        }
        owned.push('\0');
        Text(Some(owned))
    }

    pub(crate) fn as_str(&self) -> &str {
        let text = self.0.as_ref().map_or("", |text| text.as_str());
        text.strip_suffix('\0').unwrap_or(text)
    }

    /// For C, as long as this value lives.
    pub(crate) fn lend(&self) -> pki_str {
        match &self.0 {
            Some(text) => pki_str { data: text.as_ptr().cast(), len: self.as_str().len() },
            None => pki_str::default(),
        }
    }
}

impl<T: AsRef<str>> From<T> for Text {
    fn from(text: T) -> Self {
        Text::new(text.as_ref())
    }
}

/// The text at a place of a list; empty where there is none.
pub(crate) fn at(texts: &[Text], index: usize) -> pki_str {
    texts.get(index).map(Text::lend).unwrap_or_default()
}

/// Several as one list.
pub(crate) fn list<T: AsRef<str>>(texts: &[T]) -> Vec<Text> {
    texts.iter().map(|text| Text::new(text.as_ref())).collect()
}

export! {
    /// The text. Lives as long as `text`.
    fn pki_text_str(text: &pki_text) -> pki_str {
        text.0.lend()
    }

    /// Frees a text. NULL is no error.
    fn pki_text_free(text: Freed<pki_text>) {
        drop(text);
    }

    /// How many there are; 0 for NULL.
    fn pki_text_list_len(list: &pki_text_list) -> usize {
        list.0.len()
    }

    /// One of them; empty beyond the end. Lives as long as `list`.
    fn pki_text_list_at(list: &pki_text_list, index: usize) -> pki_str {
        at(&list.0, index)
    }

    /// Frees a list, and the texts borrowed from it. NULL is no error.
    fn pki_text_list_free(list: Freed<pki_text_list>) {
        drop(list);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_a_c_string_whatever_it_was_made_from() {
        let of = |text: &str| Text::new(text).as_str().to_owned();
        assert_eq!(of("text"), "text");
        assert_eq!(of(""), "");
        assert_eq!(of("\0a\0\0b\0"), "\u{fffd}a\u{fffd}\u{fffd}b\u{fffd}");
        for text in ["", "text", "\0a\0\0b\0"] {
            let owned = Text::new(text).0.unwrap();
            assert_eq!(owned.capacity(), owned.len(), "it was copied: {text:?}");
        }
    }
}
