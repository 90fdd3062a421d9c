//! Revocation lists (RFC 5280 5): one for each CA's key, made when somebody asks for it and it is not
//! what it should be by now.

use std::{fmt, str::FromStr, time::Duration};

use rcgen::{
    CertificateRevocationListParams, KeyIdMethod, RevocationReason as Reason, RevokedCertParams,
    SerialNumber,
};
use serde::Serialize;

use super::{
    CertificateManager, EVENTS,
    ca::CaCertificate,
    create::BACKDATE,
    deny::check_reason,
    hierarchy::Hierarchy,
    store::{
        CertificateStatus, CertificateType, CrlState, DeniedSerial, Revocation, RevocationReason,
        StoredCrl, millis,
    },
};
use crate::{
    CaKind, Crl, Error, Result, Segment, Timestamp,
    x509::{P384_ONLY, bytes_from_hex, hex, serial_from_hex, serial_to_hex},
};

/// When a list is made anew though nothing has changed.
const REFRESH: Duration = Duration::from_secs(12 * 60 * 60);
/// How long a list is good at least: a CA's outage is not the mesh's.
const MIN_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);
/// How long the root's list is good, whose key may be offline.
const ROOT_LIFETIME: Duration = Duration::from_secs(365 * 24 * 60 * 60);
/// When a root at hand makes its list anew: this long before its end.
const ROOT_REFRESH: Duration = Duration::from_secs(60 * 24 * 60 * 60);
/// How often a list is made again because what it is to say has changed meanwhile.
const MAX_ATTEMPTS: usize = 8;

/// A CA of the hierarchy, as those who ask for its revocation list name it.
///
/// ```
/// use catalyst_pki::{CaKind, authority::CaName};
///
/// assert_eq!("root".parse(), Ok(CaName::Active(CaKind::Root)));
/// assert_eq!("00ff".parse(), Ok(CaName::KeyId(vec![0, 255])));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CaName {
    /// The one that is active now: `root`, `services`, `transport`.
    Active(CaKind),
    /// The one of whatever status with this subject key identifier: hex.
    KeyId(Vec<u8>),
}

impl FromStr for CaName {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "root" => Ok(CaName::Active(CaKind::Root)),
            "services" => Ok(CaName::Active(CaKind::Intermediate(Segment::Services))),
            "transport" => Ok(CaName::Active(CaKind::Intermediate(Segment::Transport))),
            _ => bytes_from_hex(text).map(CaName::KeyId).ok_or_else(|| {
                let how =
                    "it must be root, services, transport, or a subject key identifier in hex";
                Error::argument("ca", how)
            }),
        }
    }
}

/// The revocation list of a CA.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct IssuedCrl {
    /// The list, DER.
    #[serde(skip)]
    pub der: Vec<u8>,
    /// Its CRL number: greater than that of every earlier list of this CA.
    pub number: u64,
    /// Since when it says how things stand.
    pub this_update: Timestamp,
    /// After which it is no longer taken.
    pub next_update: Timestamp,
    /// The subject key identifier of the CA, hex, lower case.
    pub issuer_key_id: String,
}

impl fmt::Debug for IssuedCrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IssuedCrl")
            .field("der", &format_args!("{} bytes", self.der.len()))
            .field("number", &self.number)
            .field("this_update", &self.this_update)
            .field("next_update", &self.next_update)
            .field("issuer_key_id", &self.issuer_key_id)
            .finish()
    }
}

impl IssuedCrl {
    fn of(ca: &CaCertificate, stored: StoredCrl) -> Self {
        IssuedCrl {
            number: stored.number,
            this_update: stored.this_update,
            next_update: stored.next_update,
            issuer_key_id: hex(ca.key_id()),
            der: stored.der,
        }
    }
}

/// A certificate that is to be revoked for good.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct DenySerial<'a> {
    /// Its serial number, hex.
    pub serial: &'a str,
    /// The CA that has issued it; `None` finds it by the certificate's record.
    pub issuer: Option<&'a CaName>,
    /// Why: 1 to 1024 bytes.
    pub reason: &'a str,
}

impl<'a> DenySerial<'a> {
    /// A certificate of which there is a record.
    #[must_use]
    pub const fn new(serial: &'a str, reason: &'a str) -> Self {
        DenySerial { serial, issuer: None, reason }
    }

    /// The same of a certificate of this CA, whether there is a record of it or not.
    #[must_use]
    pub const fn issued_by(mut self, issuer: &'a CaName) -> Self {
        self.issuer = Some(issuer);
        self
    }
}

/// A certificate that was revoked for good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct DeniedCertificate {
    /// Its serial number, hex, lower case.
    pub serial: String,
    /// The subject key identifier of the CA that has issued it, hex, lower case; `None` where that CA's
    /// record can't be read.
    pub issuer_key_id: Option<String>,
    /// Why, in the operator's words.
    pub reason: String,
    /// When it was revoked.
    #[serde(serialize_with = "millis")]
    pub denied_at: Timestamp,
    /// The last moment of its validity; `None` where there is no record of it.
    pub expires_at: Option<Timestamp>,
}

impl CertificateManager {
    /// Revokes one certificate for good, for a key that somebody else may have: it enters its CA's
    /// revocation list with the reason keyCompromise. Doing so again changes nothing but the reason.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidArgument`] for a serial that is none, for one of which there is no record and no
    /// issuer is given, for an issuer that is no CA of the hierarchy, for a CA's certificate, and for a
    /// reason that is empty or over 1024 bytes; [`Error::StoreUnavailable`].
    pub fn deny_serial(&self, request: &DenySerial<'_>) -> Result<DeniedCertificate> {
        let hierarchy = self.hierarchy()?;
        check_reason(request.reason)?;
        let serial = serial_from_hex(request.serial, "it").map_err(|error| match error {
            Error::InvalidPolicy(why) => Error::argument("serial", why),
            error => error,
        })?;
        let serial = serial_to_hex(&serial);
        let issuer = request.issuer.map(|name| hierarchy.ca(name)).transpose()?;
        let issuer_serial = issuer.map(|ca| ca.record.serial.clone());
        let record = self.store().find_by_serial(&serial)?;
        let is_of_issuer = |of: &Option<String>| issuer_serial.is_none() || *of == issuer_serial;
        let record = record.filter(|record| is_of_issuer(&record.issuer_serial));
        if record.as_ref().is_some_and(|of| of.certificate_type != CertificateType::EndEntity) {
            return Err(Error::argument("serial", "it is a CA's: revoke the CA"));
        }
        let known = record.as_ref().and_then(|record| record.issuer_serial.clone());
        let Some(issuer_serial) = issuer_serial.or(known) else {
            let how = "no certificate here has it: name the CA that has issued it too";
            return Err(Error::argument("serial", how));
        };
        let mut denied = DeniedSerial::new(issuer_serial, serial, request.reason, self.now());
        denied.expires_at = record.map(|record| record.not_after);
        self.store().deny_serial(&denied)?;
        tracing::warn!(
            target: EVENTS, serial = denied.serial, reason = denied.reason, "Certificate revoked"
        );
        Ok(hierarchy.denied(denied))
    }

    /// The certificates that are revoked for good, newest first.
    ///
    /// # Errors
    ///
    /// [`Error::StoreUnavailable`].
    pub fn denied_serials(&self) -> Result<Vec<DeniedCertificate>> {
        let hierarchy = self.hierarchy()?;
        let denied = self.store().denied_serials()?;
        Ok(denied.into_iter().map(|denied| hierarchy.denied(denied)).collect())
    }

    /// The revocation list of a CA as things stand now: its certificates that were revoked for good, and
    /// those of denied identities, on hold (RFC 5280 5.3.1). A certificate that has ended stays in one
    /// list more (RFC 5280 3.3).
    ///
    /// An intermediate's list is made anew after 12 hours, or when something changes, and is good for a
    /// day, twice the longest life of a leaf if that is more; the root's for a year.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidArgument`] for a CA that is none of the hierarchy; [`Error::SigningCaUnavailable`]
    /// where its key is not here and its last list has ended; [`Error::KeyBackendFailed`],
    /// [`Error::StoreUnavailable`].
    pub fn crl(&self, of: &CaName) -> Result<IssuedCrl> {
        self.hierarchy()?;
        let hierarchy = self.current_hierarchy()?.ok_or(Error::NotInitialized)?;
        let ca = hierarchy.ca(of)?;
        // What is revoked by now is in it; what is revoked while it is made may wait for the next one.
        let CrlState { state, last } = self.store().crl(&ca.record.serial)?;
        if let Some(list) = self.current_list(&hierarchy, ca, state, last)? {
            return Ok(list);
        }
        // One after another: a long list is made once.
        let _making = self.lists.lock();
        for _ in 0..MAX_ATTEMPTS {
            let last = self.store().crl(&ca.record.serial)?.last;
            if let Some(list) = self.current_list(&hierarchy, ca, state, last)? {
                return Ok(list);
            }
            if let Err(why) = self.make_list(&hierarchy, ca) {
                return self.last_list(&hierarchy, ca, state, why);
            }
        }
        Err(Error::StoreUnavailable {
            message: "others kept making the list anew: try again".into(),
            is_retryable: true,
        })
    }

    /// The last list, if it says what was revoked in a state and is not to be made anew.
    fn current_list(
        &self,
        hierarchy: &Hierarchy,
        ca: &CaCertificate,
        state: u64,
        last: Option<StoredCrl>,
    ) -> Result<Option<IssuedCrl>> {
        let Some(last) = last else { return Ok(None) };
        let now = self.now();
        let is_due = match ca.kind {
            CaKind::Root => now.plus(ROOT_REFRESH) >= last.next_update,
            CaKind::Intermediate(_) => now >= last.this_update.plus(REFRESH),
        };
        // By a clock that was ahead: nobody would take it yet.
        let is_early = last.this_update > now;
        let is_current = !is_due && !is_early && hierarchy.is_complete(ca, &last, state)?;
        Ok(is_current.then(|| IssuedCrl::of(ca, last)))
    }

    /// The last list where no other one can be made: as long as it is good, and but for a CA whose key is
    /// elsewhere says what was revoked in a state.
    fn last_list(
        &self,
        hierarchy: &Hierarchy,
        ca: &CaCertificate,
        state: u64,
        why: Error,
    ) -> Result<IssuedCrl> {
        let Some(last) = self.store().crl(&ca.record.serial)?.last else { return Err(why) };
        let is_good = self.now() <= last.next_update
            && (!ca.has_key() || hierarchy.is_complete(ca, &last, state)?);
        if !is_good {
            return Err(why);
        }
        tracing::warn!(
            target: EVENTS, ca = %ca.kind, number = last.number, error = %why,
            "Revocation list not made anew"
        );
        Ok(IssuedCrl::of(ca, last))
    }

    /// Makes a list and stores it, unless another process was faster.
    fn make_list(&self, hierarchy: &Hierarchy, ca: &CaCertificate) -> Result<()> {
        if !ca.has_key() {
            return Err(Error::SigningCaUnavailable(ca.kind.as_str()));
        }
        let issuer = &ca.record.serial;
        let last = self.store().crl(issuer)?.last;
        let now = self.now();
        // What has ended since the last list is in this one.
        let ended_by = last.as_ref().map_or(now, |last| last.this_update);
        let (state, mut entries) = self.store().revocations(issuer, ended_by)?;
        if ca.kind == CaKind::Root {
            let cas: Vec<_> = hierarchy.revoked_cas().collect();
            // Nothing stands twice in a list.
            entries.retain(|entry| cas.iter().all(|ca| ca.serial != entry.serial));
            entries.extend(cas);
        }
        let number = match &last {
            // Ahead also of what was given before a backup was restored.
            Some(last) => (last.number + 1).max(milliseconds(now)),
            None => milliseconds(now),
        };
        let this_update = now.floor_to_second().minus(BACKDATE);
        let lifetime = match ca.kind {
            CaKind::Root => ROOT_LIFETIME,
            CaKind::Intermediate(_) => MIN_LIFETIME.max(2 * self.config().max_svid_ttl),
        };
        let times = (this_update, this_update.plus(lifetime));
        let der = self.sign_list(ca, number, times, &entries)?;
        let new = StoredCrl::new(issuer, number, times, der, state);
        if self.store().save_crl(&new, last.map(|last| last.number))? {
            tracing::info!(
                target: EVENTS, ca = %ca.kind, number, entries = entries.len(),
                "Revocation list made"
            );
        }
        Ok(())
    }

    fn sign_list(
        &self,
        ca: &CaCertificate,
        number: u64,
        (this_update, next_update): (Timestamp, Timestamp),
        entries: &[Revocation],
    ) -> Result<Vec<u8>> {
        let revoked = entries.iter().map(|entry| {
            let serial = serial_from_hex(&entry.serial, "a revoked serial")
                .map_err(|error| Error::CorruptCaState(error.to_string()))?;
            Ok(RevokedCertParams {
                serial_number: SerialNumber::from(serial),
                revocation_time: entry.revoked_at.floor_to_second().to_datetime(),
                reason_code: Some(match entry.reason {
                    RevocationReason::CertificateHold => Reason::CertificateHold,
                    RevocationReason::KeyCompromise => Reason::KeyCompromise,
                    RevocationReason::CaCompromise => Reason::CaCompromise,
                }),
                invalidity_date: None,
            })
        });
        let params = CertificateRevocationListParams {
            this_update: this_update.to_datetime(),
            next_update: next_update.to_datetime(),
            crl_number: SerialNumber::from(number),
            issuing_distribution_point: None,
            revoked_certs: revoked.collect::<Result<_>>()?,
            key_identifier_method: KeyIdMethod::PreSpecified(ca.key_id().to_vec()),
        };
        let issuer = ca.issuer(self.backend.as_ref())?;
        let list = params.signed_by(&issuer).map_err(|error| match error {
            rcgen::Error::RemoteKeyError => {
                Error::KeyBackendFailed("the CA key did not sign".into())
            }
            other => Error::internal(other),
        })?;
        // Read again, by the parser of those who verify.
        let rejected = |what: &str| Error::IssuedCertificateRejected(what.into());
        let read = Crl::from_der(list.der()).map_err(|error| rejected(&error.to_string()))?;
        let is_right = (read.this_update(), read.next_update()) == (this_update, next_update)
            && read.len() == entries.len()
            && P384_ONLY.verify(&read.signed()?, ca.spki()?).is_ok();
        match is_right {
            true => Ok(list.der().to_vec()),
            false => Err(rejected("a revocation list that is not what it should be")),
        }
    }
}

impl Hierarchy {
    /// The CA that is named so.
    fn ca(&self, name: &CaName) -> Result<&CaCertificate> {
        match name {
            CaName::Active(CaKind::Root) => Ok(&self.root),
            CaName::Active(kind @ CaKind::Intermediate(segment)) => {
                self.active(*segment).ok_or(Error::SigningCaUnavailable(kind.as_str()))
            }
            CaName::KeyId(id) => {
                let mut all = self.intermediates.iter().chain([&self.root]);
                all.find(|ca| ca.key_id() == id).ok_or_else(|| {
                    let how = format!("no CA here has the subject key identifier {}", hex(id));
                    Error::argument("ca", how)
                })
            }
        }
    }

    fn denied(&self, denied: DeniedSerial) -> DeniedCertificate {
        let mut cas = self.intermediates.iter().chain([&self.root]);
        let issuer = cas.find(|ca| ca.record.serial == denied.issuer_serial);
        DeniedCertificate {
            serial: denied.serial,
            issuer_key_id: issuer.map(|ca| hex(ca.key_id())),
            reason: denied.reason,
            denied_at: denied.denied_at,
            expires_at: denied.expires_at,
        }
    }

    /// The root's entries for intermediates that were revoked. Since when isn't recorded: since ever.
    fn revoked_cas(&self) -> impl Iterator<Item = Revocation> {
        let is_revoked = |ca: &&CaCertificate| {
            ca.record.status == CertificateStatus::Revoked && ca.is_under_root
        };
        self.intermediates.iter().filter(is_revoked).map(|ca| {
            let reason = RevocationReason::CaCompromise;
            Revocation::new(&ca.record.serial, reason, ca.record.not_before)
        })
    }

    /// Whether a list says what was revoked in a state; the root's also which intermediates are.
    fn is_complete(&self, ca: &CaCertificate, list: &StoredCrl, state: u64) -> Result<bool> {
        if list.state < state {
            return Ok(false);
        }
        if ca.kind != CaKind::Root {
            return Ok(true);
        }
        let list = Crl::from_der(&list.der)
            .map_err(|error| Error::CorruptCaState(format!("the root's list: {error}")))?;
        let serials = self.revoked_cas().map(|revoked| serial_from_hex(&revoked.serial, "a CA's"));
        let mut told = serials.map(|serial| Ok(list.revokes(&serial?)));
        told.try_fold(true, |all, told: Result<bool>| Ok(all && told?))
    }
}

fn milliseconds(time: Timestamp) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or_default()
}
