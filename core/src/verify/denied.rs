//! What is denied by name, whatever its certificate says.

use std::collections::{HashMap, HashSet};

use super::svid::Svid;
use crate::{
    Error, Result, SpiffeId,
    x509::{bytes_from_hex, serial_from_hex, serial_to_hex, shortest},
};

/// The longest digest that a key identifier is made of (RFC 7093).
const MAX_KEY_ID_LEN: usize = 64;

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
    /// in hex, in either case; a negative serial number with a leading `-`.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidPolicy`] for what would deny nothing: a serial number or a key identifier
    /// that can't be one, written with colons or `0x`, in decimal, or empty.
    pub fn deny_serial(&mut self, issuer_key_id: &str, serial: &str) -> Result<()> {
        let issuer_key_id = key_id(issuer_key_id)?;
        let serial = serial_from_hex(serial, "a denied serial")?;
        self.serials.entry(issuer_key_id.into()).or_default().insert(serial.into());
        Ok(())
    }

    /// Denies all that a CA has signed, by the serial number of the CA's own certificate in hex.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidPolicy`] for what can't be a serial number, as
    /// [`deny_serial`](Self::deny_serial).
    pub fn revoke_issuer(&mut self, serial: &str) -> Result<()> {
        self.issuers.insert(serial_from_hex(serial, "a revoked issuer's serial")?.into());
        Ok(())
    }

    /// Checks a peer that was verified earlier: for connections that are open when a list changes.
    /// Revoked CAs are not looked at, for which the whole chain is needed.
    ///
    /// # Errors
    ///
    /// [`Error::IdentityDenied`], [`Error::SerialDenied`].
    pub fn check(&self, svid: &Svid) -> Result<()> {
        let serial = serial_from_hex(&svid.serial, "the serial")?;
        self.check_peer(&svid.spiffe_id, &key_id(&svid.issuer_key_id)?, &serial)
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
        self.issuers.contains(shortest(serial))
    }

    fn has_serial(&self, issuer_key_id: &[u8], serial: &[u8]) -> bool {
        let serials = self.serials.get(issuer_key_id);
        serials.is_some_and(|serials| serials.contains(shortest(serial)))
    }
}

/// An octet string and no number: its zeros count.
fn key_id(hex: &str) -> Result<Vec<u8>> {
    bytes_from_hex(hex).filter(|id| id.len() <= MAX_KEY_ID_LEN).ok_or_else(|| {
        Error::InvalidPolicy(
            "an issuer key identifier is whole octets in hex, without colons or 0x, 64 at most"
                .into(),
        )
    })
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
        assert!(denied.has_issuer(&[0, 0xff]));
        // -1 is another number than 255.
        assert!(!denied.has_issuer(&[0xff]));
        denied.revoke_issuer("-01").unwrap();
        assert!(denied.has_issuer(&[0xff]));
        for broken in ["", "0x1", "g", "é", "1 2", "01:02", "-", &"12".repeat(24)] {
            assert!(denied.deny_serial("00", broken).is_err(), "{broken:?}");
            assert!(denied.revoke_issuer(broken).is_err(), "{broken:?}");
        }
        for broken in ["", "0x01", "g", "01:02", "abc", "-01", &"12".repeat(65)] {
            assert!(denied.deny_serial(broken, "01").is_err(), "{broken:?}");
        }
    }

    /// The first are what a deny list has of rows that can't be read: they would deny nobody.
    #[test]
    fn what_can_be_nobodys_identity_is_refused() {
        for broken in [
            "\u{fffd}",
            "spiffe://td.example/node/a\u{fffd}",
            "",
            "node/a",
            "spiffe://td.example/node/a\0",
            "spiffe://td.example/node/a\n",
            " spiffe://td.example/node/a",
            "spiffe://TD.example/node/a",
            "SPIFFE://td.example/node/a",
            "spiffe://td.example/node/a/",
            "spiffe://td.example/node/%61",
            "spiffe://td.example/node/\u{ff41}",
            "spiffe://td.example/node/../node/a",
            "spiffe://td.example:443/node/a",
            "spiffe://td.example/node/a?b",
        ] {
            let error = Denied::default().deny_identity(broken).unwrap_err();
            assert_eq!(error.code(), crate::ErrorCode::InvalidPolicy, "{broken:?}");
            assert!(error.to_string().contains("a denied identity: "), "{error}");
        }
    }
}
