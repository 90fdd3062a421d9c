//! The names in a certificate: general names (RFC 5280 4.2.1.6) and distinguished names.

use std::collections::BTreeSet;

use der::{Encode, Tag, Tagged, asn1::AnyRef};
use x509_parser::{prelude::FromDer, x509::X509Name};

use super::tlv::sequence;
use crate::dns;

/// What a GeneralName is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Form {
    Other,
    Email,
    Dns,
    X400,
    Directory,
    EdiParty,
    Uri,
    Ip,
    RegisteredId,
}

/// One GeneralName, its value as encoded: no name is left out because its bytes are odd.
#[derive(Debug, Clone, Copy)]
pub(crate) struct GeneralName<'a> {
    pub(crate) form: Form,
    pub(crate) value: &'a [u8],
}

impl<'a> GeneralName<'a> {
    pub(crate) fn new(name: AnyRef<'a>) -> Option<Self> {
        let Tag::ContextSpecific { number, .. } = name.tag() else { return None };
        let form = match number.value() {
            0 => Form::Other,
            1 => Form::Email,
            2 => Form::Dns,
            3 => Form::X400,
            4 => Form::Directory,
            5 => Form::EdiParty,
            6 => Form::Uri,
            7 => Form::Ip,
            8 => Form::RegisteredId,
            _ => return None,
        };
        Some(GeneralName { form, value: name.value() })
    }

    /// The text of a name that is an IA5String; nothing if it holds anything but ASCII.
    pub(crate) fn text(&self) -> Option<&'a str> {
        std::str::from_utf8(self.value).ok().filter(|text| text.is_ascii())
    }

    /// Whether the name has the form that RFC 5280 4.2.1.6 gives it.
    pub(crate) fn is_well_formed(&self) -> bool {
        match self.form {
            Form::Dns => self.text().is_some_and(is_dns_san),
            Form::Email => self.text().is_some_and(|text| split_mailbox(text).is_some()),
            Form::Uri => self.text().is_some_and(is_absolute_uri),
            Form::Ip => matches!(self.value.len(), 4 | 16),
            Form::Other | Form::X400 | Form::Directory | Form::EdiParty | Form::RegisteredId => {
                !self.value.is_empty()
            }
        }
    }
}

/// The names of a GeneralNames value; nothing if it isn't one.
pub(crate) fn general_names(der: &[u8]) -> Option<Vec<GeneralName<'_>>> {
    sequence(der).ok()?.into_iter().map(GeneralName::new).collect()
}

/// A host name, or one whose first label is `*`. The name of a TLD's every child is no name.
pub(crate) fn is_dns_san(name: &str) -> bool {
    dns::is_host_name(name.strip_prefix("*.").unwrap_or(name))
}

/// Local part and host of `local@host`. Quoted local parts, which may hold another `@`, are not
/// taken: two parsers never agree on them.
pub(crate) fn split_mailbox(text: &str) -> Option<(&str, &str)> {
    let (local, host) = text.split_once('@')?;
    let local_ok = |b: u8| b.is_ascii_graphic() && !b"\"(),:;<>[\\]".contains(&b);
    (!local.is_empty() && local.bytes().all(local_ok) && dns::is_host_name(host))
        .then_some((local, host))
}

/// RFC 3986 3: a scheme and something behind it.
fn is_absolute_uri(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once(':') else { return false };
    let scheme_byte = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.');
    scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(scheme_byte)
        && !rest.is_empty()
        && rest.bytes().all(|b| b.is_ascii_graphic())
}

/// A distinguished name that equals another by RFC 5280 7.1: without regard to string types, case
/// and white space. One that can't be read equals the same bytes alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Name {
    Read(Vec<Rdn>),
    Unreadable(Box<[u8]>),
}

impl Name {
    pub(crate) fn new(der: &[u8]) -> Self {
        directory(der).map_or_else(|| Name::Unreadable(der.into()), Name::Read)
    }

    /// From the content of the SEQUENCE.
    pub(crate) fn of_content(content: &[u8]) -> Self {
        let der = AnyRef::new(Tag::Sequence, content).and_then(|any| any.to_der());
        der.map_or_else(|_| Name::Unreadable(content.into()), |der| Name::new(&der))
    }
}

/// A relative distinguished name as a set of (type, value), values folded as RFC 5280 7.1 has it.
pub(crate) type Rdn = BTreeSet<(Vec<u8>, String)>;

pub(crate) fn directory(der: &[u8]) -> Option<Vec<Rdn>> {
    let (rest, name) = X509Name::from_der(der).ok()?;
    if !rest.is_empty() {
        return None;
    }
    let fold = |rdn: &x509_parser::x509::RelativeDistinguishedName<'_>| {
        rdn.iter().map(|a| (a.attr_type().as_bytes().to_vec(), folded(a.attr_value()))).collect()
    };
    Some(name.iter_rdn().map(fold).collect())
}

/// An attribute's value without regard to its string type, case, and runs of spaces.
fn folded(value: &x509_parser::der_parser::asn1_rs::Any<'_>) -> String {
    let text = match value.tag().0 {
        // UTF8String, NumericString, PrintableString, IA5String, VisibleString.
        12 | 18 | 19 | 22 | 26 => std::str::from_utf8(value.data).ok().map(String::from),
        // TeletexString: Latin-1, as everybody reads it.
        20 => Some(value.data.iter().copied().map(char::from).collect()),
        // UniversalString and BMPString: four and two bytes for each character.
        28 => wide(value.data, u32::from_be_bytes),
        30 => wide(value.data, |character| u16::from_be_bytes(character).into()),
        _ => None,
    };
    match text {
        Some(text) => folded_text(&text),
        // No string that we know: only the same bytes are the same value.
        None => format!("#{}:{:02x?}", value.tag().0, value.data),
    }
}

/// A text of which RFC 5280 7.1 says that it equals another.
pub(crate) fn folded_text(text: &str) -> String {
    text.to_lowercase().split_whitespace().collect::<Vec<_>>().join(" ")
}

fn wide<const N: usize>(data: &[u8], code: impl Fn([u8; N]) -> u32) -> Option<String> {
    let (characters, []) = data.as_chunks() else { return None };
    characters.iter().map(|character| char::from_u32(code(*character))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_name_is_the_same_in_another_string_type() {
        let name = |tag: u8, text: &[u8]| {
            let len = |n: usize| u8::try_from(n).unwrap();
            let value = [&[tag, len(text.len())], text].concat();
            let attribute = [&[0x06, 3, 0x55, 4, 3][..], &value].concat();
            let sequence = [&[0x30, len(attribute.len())], &attribute[..]].concat();
            let set = [&[0x31, len(sequence.len())], &sequence[..]].concat();
            [&[0x30, len(set.len())], &set[..]].concat()
        };
        let foo = directory(&name(12, "Foo  B\u{c4}r".as_bytes())).unwrap();
        for (tag, text) in [
            (12, "foo b\u{e4}r ".as_bytes()),
            (20, b"FOO B\xc4R"),
            (28, b"\0\0\0F\0\0\0o\0\0\0o\0\0\0 \0\0\0b\0\0\0\xe4\0\0\0r"),
            (30, b"\0F\0o\0o\0 \0b\0\xe4\0r"),
        ] {
            assert_eq!(directory(&name(tag, text)).unwrap(), foo, "{tag}");
        }
        let ascii = directory(&name(12, b"Foo")).unwrap();
        for tag in [18, 19, 22, 26] {
            assert_eq!(directory(&name(tag, b" fOO ")).unwrap(), ascii, "{tag}");
        }
        // Every octet of a character counts, and none is left over.
        for (tag, text) in [
            (12, &b"fo"[..]),
            (4, b"foo"),
            (30, b"\x01f\0o\0o"),
            (28, b"\0\0\x01f\0\0\0o\0\0\0o"),
            (28, b"\0\x01\0f\0\0\0o\0\0\0o"),
            (30, b"\0f\0o\0o\0"),
        ] {
            assert_ne!(directory(&name(tag, text)).unwrap(), ascii, "{tag} {text:02x?}");
        }
    }

    #[test]
    fn a_name_has_the_form_of_its_kind() {
        for (form, value, expected) in [
            (Form::Email, &b"ops+1@db.example.com"[..], true),
            (Form::Email, b"@db.example.com", false),
            (Form::Email, b"o ps@db.example.com", false),
            (Form::Email, b"o,ps@db.example.com", false),
            (Form::Email, b"\"ops\"@db.example.com", false),
            (Form::Email, b"ops@db@example.com", false),
            (Form::Email, b"ops@db.example.com ", false),
            (Form::Email, b"ops", false),
            (Form::Uri, b"spiffe://td.example/a", true),
            (Form::Uri, b"x+1.a-b:c", true),
            (Form::Uri, b"://td.example", false),
            (Form::Uri, b"1x:a", false),
            (Form::Uri, b"x_y:a", false),
            (Form::Uri, b"x:", false),
            (Form::Uri, b"x:a b", false),
            (Form::Uri, b"node-a", false),
            (Form::Dns, b"*.example.com", true),
            (Form::Dns, b"a.*.example.com", false),
            (Form::Ip, &[192, 0, 2, 1], true),
            (Form::Ip, &[0; 16], true),
            (Form::Ip, &[0; 8], false),
            (Form::RegisteredId, b"\x2a", true),
            (Form::RegisteredId, b"", false),
        ] {
            let name = GeneralName { form, value };
            assert_eq!(name.is_well_formed(), expected, "{form:?} {value:02x?}");
        }
    }
}
