//! A peer that has been verified.

use catalyst_pki::Svid;

use crate::text::{Text, pki_str};

/// A peer that has been verified.
///
/// Never changed once made: any number of threads may read one.
pub struct pki_svid {
    svid: Svid,
    spiffe_id: Text,
    trust_domain: Text,
    service_type: Text,
    instance_id: Text,
    fingerprint: Text,
    serial: Text,
    issuer: Text,
    issuer_key_id: Text,
}

impl pki_svid {
    pub(crate) fn core(&self) -> &Svid {
        &self.svid
    }
}

impl From<Svid> for pki_svid {
    fn from(svid: Svid) -> Self {
        pki_svid {
            spiffe_id: svid.spiffe_id.as_str().into(),
            trust_domain: svid.trust_domain.as_str().into(),
            service_type: svid.service_type.map(|kind| kind.as_str().into()).unwrap_or_default(),
            instance_id: svid.instance_id.as_ref().map(Text::from).unwrap_or_default(),
            fingerprint: svid.fingerprint.as_str().into(),
            serial: svid.serial.as_str().into(),
            issuer: svid.issuer.as_str().into(),
            issuer_key_id: svid.issuer_key_id.as_str().into(),
            svid,
        }
    }
}

export! {
    /// Who it is. Lives as long as `svid`.
    fn pki_svid_spiffe_id(svid: &pki_svid) -> pki_str {
        svid.spiffe_id.lend()
    }

    /// The trust domain that it belongs to. Lives as long as `svid`.
    fn pki_svid_trust_domain(svid: &pki_svid) -> pki_str {
        svid.trust_domain.lend()
    }

    /// Its service type; empty for an ID of a federated trust domain with another layout. Lives as
    /// long as `svid`.
    fn pki_svid_service_type(svid: &pki_svid) -> pki_str {
        svid.service_type.lend()
    }

    /// Its instance ID; empty where there is no service type. Lives as long as `svid`.
    fn pki_svid_instance_id(svid: &pki_svid) -> pki_str {
        svid.instance_id.lend()
    }

    /// SHA-256 of its certificate's DER, base64url without padding. Lives as long as `svid`.
    fn pki_svid_fingerprint(svid: &pki_svid) -> pki_str {
        svid.fingerprint.lend()
    }

    /// Its certificate's serial number: hex, lower case. Lives as long as `svid`.
    fn pki_svid_serial(svid: &pki_svid) -> pki_str {
        svid.serial.lend()
    }

    /// When its certificate begins: milliseconds since 1970-01-01T00:00:00Z.
    fn pki_svid_not_before(svid: &pki_svid) -> i64 {
        svid.svid.not_before.as_millis()
    }

    /// When its certificate ends, which a connection should not outlive: milliseconds since
    /// 1970-01-01T00:00:00Z.
    fn pki_svid_not_after(svid: &pki_svid) -> i64 {
        svid.svid.not_after.as_millis()
    }

    /// The subject of the CA that signed it: `CN=Catalyst Services CA`. Lives as long as `svid`.
    fn pki_svid_issuer(svid: &pki_svid) -> pki_str {
        svid.issuer.lend()
    }

    /// That CA's subject key identifier, hex, lower case: with the serial number it names the
    /// certificate in a deny list. Lives as long as `svid`.
    fn pki_svid_issuer_key_id(svid: &pki_svid) -> pki_str {
        svid.issuer_key_id.lend()
    }

    /// Frees it, and the texts borrowed from it. NULL is no error.
    fn pki_svid_free(svid: Freed<pki_svid>) {
        drop(svid);
    }
}
