//! Serial numbers: signed INTEGERs (X.690 8.3), though RFC 5280 4.1.2.2 wants them positive.

use crate::{Error, Result};

/// RFC 5280 4.1.2.2.
const MAX_LEN: usize = 20;

/// The content of an INTEGER in as few octets as say it, so that equal numbers are equal bytes. A
/// first octet of 0 or 255 that only repeats the sign goes.
pub(crate) fn shortest(integer: &[u8]) -> &[u8] {
    match integer {
        [0, 0..=0x7f, ..] | [0xff, 0x80..=0xff, ..] => {
            shortest(integer.get(1..).unwrap_or_default())
        }
        _ => integer,
    }
}

/// A serial number in hex, lower case, two digits an octet: `00ab` for 0xab is written `ab`, and -1
/// `-01`.
pub(crate) fn serial_to_hex(serial: &[u8]) -> String {
    match shortest(serial) {
        [0, rest @ ..] if !rest.is_empty() => hex(rest),
        negative @ [0x80..=0xff, ..] => format!("-{}", hex(shortest_magnitude(&negated(negative)))),
        positive => hex(positive),
    }
}

/// Reads what [`serial_to_hex`] writes: hex in either case, leading zeros or none. The number in as
/// few octets as say it.
///
/// # Errors
///
/// [`Error::InvalidPolicy`] for what is no serial number: colons, `0x`, nothing at all, over 20
/// octets (the decimal form of a long one, say).
pub(crate) fn serial_from_hex(text: &str, what: &str) -> Result<Vec<u8>> {
    let refused = |why: &str| Err(Error::InvalidPolicy(format!("{what} {why}")));
    let (is_negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    let even = if digits.len() % 2 == 1 { format!("0{digits}") } else { digits.to_owned() };
    let Some(magnitude) = bytes_from_hex(&even) else {
        return refused("is no hex: digits alone, without colons, spaces or 0x");
    };
    let mut number = [&[0], shortest_magnitude(&magnitude)].concat();
    if is_negative {
        number = negated(&number);
    }
    match shortest(&number) {
        serial if shortest_magnitude(&magnitude).len() <= MAX_LEN => Ok(serial.to_vec()),
        _ => refused("has over 20 octets, which no serial number has; it is given in hex"),
    }
}

/// Octets as hex, lower case.
pub(crate) fn hex(octets: &[u8]) -> String {
    let digit =
        |nibble: u8| char::from(if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 });
    octets.iter().flat_map(|octet| [digit(octet >> 4), digit(octet & 15)]).collect()
}

/// The octets that a hex text stands for, one or more; nothing if it is none.
pub(crate) fn bytes_from_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text
        .chars()
        .map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
        .collect::<Option<_>>()?;
    let octet = |pair: &[u8]| match pair {
        [high, low] => Some(high * 16 + low),
        _ => None,
    };
    digits.chunks(2).map(octet).collect::<Option<Vec<u8>>>().filter(|octets| !octets.is_empty())
}

/// Without leading zeros; nothing of zero itself.
fn shortest_magnitude(octets: &[u8]) -> &[u8] {
    match octets {
        [0, rest @ ..] => shortest_magnitude(rest),
        _ => octets,
    }
}

/// Two's complement, in an octet more, for whose sign there must be room.
fn negated(number: &[u8]) -> Vec<u8> {
    let sign = if number.first().is_some_and(|first| *first >= 0x80) { 0xff } else { 0 };
    let mut negated: Vec<u8> = [sign].iter().chain(number).map(|octet| !octet).collect();
    for octet in negated.iter_mut().rev() {
        let (sum, carry) = octet.overflowing_add(1);
        *octet = sum;
        if !carry {
            break;
        }
    }
    negated
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_serial_is_a_signed_number_however_it_is_encoded() {
        for (encoded, text) in [
            (&[0, 0xab, 1, 0x9f][..], "ab019f"),
            (&[0], "00"),
            (&[0, 0], "00"),
            (&[1], "01"),
            (&[0, 0xff], "ff"),
            (&[0xff], "-01"),
            (&[0xff, 0xff], "-01"),
            (&[0x80], "-80"),
            (&[0xff, 0x7f], "-81"),
            (&[0xff, 0], "-0100"),
            (&[], ""),
        ] {
            assert_eq!(serial_to_hex(encoded), text, "{encoded:02x?}");
            if !text.is_empty() {
                assert_eq!(serial_from_hex(text, "it").unwrap(), shortest(encoded), "{text}");
            }
        }
        assert_ne!(shortest(&[0xff]), shortest(&[0, 0xff]));
    }

    #[test]
    fn hex_is_read_in_either_case_with_zeros_or_without() {
        for text in ["1AB", "01ab", "0001aB"] {
            assert_eq!(serial_from_hex(text, "it").unwrap(), [1, 0xab], "{text}");
        }
        assert_eq!(serial_from_hex(&"f".repeat(40), "it").unwrap().len(), 21);
        assert_eq!(serial_from_hex(&("0".repeat(60) + "1"), "it").unwrap(), [1]);
    }

    #[test]
    fn what_is_no_serial_is_refused() {
        let decimal = "1".repeat(48);
        for text in ["", "-", "--1", "0x1", "01:ab", "01 ab", "g", "é", "+1", "1\n", &decimal] {
            assert!(serial_from_hex(text, "it").is_err(), "{text:?}");
        }
    }
}
