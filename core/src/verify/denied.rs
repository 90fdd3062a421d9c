//! What is denied by name, whatever its certificate says.

use std::collections::{HashMap, HashSet};

use super::svid::Svid;
use crate::{
    Error, Result, SpiffeId,
    x509::{serial_to_hex, without_leading_zeros},
};

/// Denied identities, denied certificates and revoked CAs.
///
/// ```
/// use catalyst_pki::Denied;
///
/// let mut denied = Denied::default();
/// denied.deny_identity("spiffe://td.example/node/a")?;
/// denied.deny_serial("9f3c", "01ab")?;
/// # Ok::<(), catalyst_pki::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Denied {
    identities: HashSet<SpiffeId>,
    /// By the issuer's key identifier.
    serials: HashMap<Box<[u8]>, HashSet<Box<[u8]>>>,
    issuers: HashSet<Box<[u8]>>,
}

impl Denied {
    /// Denies an identity: every certificate that bears it.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidPolicy`] if it is no SPIFFE ID.
    pub fn deny_identity(&mut self, id: &str) -> Result<()> {
        let id = id
            .parse()
            .map_err(|error| Error::InvalidPolicy(format!("a denied identity: {error}")))?;
        self.identities.insert(id);
        Ok(())
    }

    /// Denies one certificate, by its issuer's subject key identifier and its serial number, both
    /// in hex, in either case.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidPolicy`] if one of them is no hex.
    pub fn deny_serial(&mut self, issuer_key_id: &str, serial: &str) -> Result<()> {
        let issuer_key_id = bytes(issuer_key_id, "a denied serial's issuer key identifier")?;
        let serial = bytes(serial, "a denied serial")?;
        let serials = self.serials.entry(issuer_key_id.into()).or_default();
        serials.insert(without_leading_zeros(&serial).into());
        Ok(())
    }

    /// Denies all that a CA has signed, by the serial number of the CA's own certificate in hex.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidPolicy`] if it is no hex.
    pub fn revoke_issuer(&mut self, serial: &str) -> Result<()> {
        let serial = bytes(serial, "a revoked issuer's serial")?;
        self.issuers.insert(without_leading_zeros(&serial).into());
        Ok(())
    }

    /// Checks a peer that was verified earlier: for connections that are open when a list changes.
    /// Revoked CAs are not looked at, for which the whole chain is needed.
    ///
    /// # Errors
    ///
    /// [`Error::IdentityDenied`], [`Error::SerialDenied`].
    pub fn check(&self, svid: &Svid) -> Result<()> {
        let issuer_key_id = bytes(&svid.issuer_key_id, "the issuer's key identifier")?;
        self.check_peer(&svid.spiffe_id, &issuer_key_id, &bytes(&svid.serial, "the serial")?)
    }

    pub(super) fn check_peer(
        &self,
        id: &SpiffeId,
        issuer_key_id: &[u8],
        serial: &[u8],
    ) -> Result<()> {
        if self.identities.contains(id) {
            return Err(Error::IdentityDenied(id.to_string()));
        }
        if self.has_serial(issuer_key_id, serial) {
            return Err(Error::SerialDenied(serial_to_hex(serial)));
        }
        Ok(())
    }

    pub(super) fn has_issuer(&self, serial: &[u8]) -> bool {
        self.issuers.contains(without_leading_zeros(serial))
    }

    fn has_serial(&self, issuer_key_id: &[u8], serial: &[u8]) -> bool {
        let serials = self.serials.get(issuer_key_id);
        serials.is_some_and(|serials| serials.contains(without_leading_zeros(serial)))
    }
}

/// The bytes of a hex text; an odd first digit stands alone, as numbers are written.
fn bytes(hex: &str, what: &str) -> Result<Vec<u8>> {
    let digits: Option<Vec<u8>> =
        hex.chars().map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok())).collect();
    match digits {
        Some(digits) if !digits.is_empty() => {
            let (first, pairs) = digits.split_at(digits.len() % 2);
            let pairs = pairs.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]);
            Ok(first.iter().copied().chain(pairs).collect())
        }
        _ => Err(Error::InvalidPolicy(format!("{what} is no hex"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn serials_are_numbers() {
        let mut denied = Denied::default();
        denied.deny_serial("0A0b", "1AB").unwrap();
        assert!(denied.has_serial(&[0x0a, 0x0b], &[0x01, 0xab]));
        assert!(denied.has_serial(&[0x0a, 0x0b], &[0, 0x01, 0xab]));
        // A key identifier is no number: its zeros count.
        assert!(!denied.has_serial(&[0, 0x0a, 0x0b], &[0x01, 0xab]));
        denied.revoke_issuer("00ff").unwrap();
        assert!(denied.has_issuer(&[0, 0xff]) && denied.has_issuer(&[0xff]));
        for broken in ["", "0x1", "g", "é", "1 2"] {
            assert!(denied.deny_serial("00", broken).is_err(), "{broken:?}");
            assert!(denied.deny_serial(broken, "00").is_err(), "{broken:?}");
            assert!(denied.revoke_issuer(broken).is_err(), "{broken:?}");
        }
        assert!(denied.deny_identity("node/a").is_err());
    }
}
