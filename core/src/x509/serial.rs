//! Serial numbers.

/// A serial number as hex, lower case, two digits a byte, without a sign byte.
pub(crate) fn serial_to_hex(serial: &[u8]) -> String {
    match serial {
        [0, rest @ ..] if !rest.is_empty() => hex(rest),
        all => hex(all),
    }
}

/// Bytes as hex, lower case.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let digit =
        |nibble: u8| char::from(if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 });
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// The magnitude of an INTEGER's content.
pub(crate) fn without_leading_zeros(integer: &[u8]) -> &[u8] {
    let zeros = integer.iter().take_while(|byte| **byte == 0).count();
    integer.get(zeros..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn serials_are_lower_case_hex() {
        assert_eq!(serial_to_hex(&[0, 0xAB, 1, 0x9F]), "ab019f");
        assert_eq!(serial_to_hex(&[0]), "00");
    }
}
