//! RFC 5280 path validation with no SPIFFE rule.

use std::time::Duration;

use super::{
    Usage,
    anchor::Anchor,
    ca_path::{CaPath, Demands},
    denied::Denied,
    leaf,
    moment::Moment,
    names::{self, PeerName},
    revocation::{Lists, NoLists, OtherKey, may_sign},
    rules::{self, Role},
    search::{MAX_DEPTH, Search},
    web::{self, Profile},
};
use crate::{
    Algorithms, Crl, Error, Result, Timestamp,
    x509::{Certificate, Name, P384_ONLY, UriRule},
};

/// The most intermediates that are taken from a peer.
const MAX_INTERMEDIATES: usize = 128;

/// What [`verify_path`] is asked.
///
/// ```
/// use catalyst_pki::{Algorithm, Algorithms, Anchor, PathRequest, Timestamp, Usage, verify_path};
///
/// # fn main() -> catalyst_pki::Result<()> {
/// # let root_key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap();
/// # let mut ca = rcgen::CertificateParams::default();
/// # ca.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
/// # ca.not_after = rcgen::date_time_ymd(2040, 1, 1);
/// # ca.not_before = rcgen::date_time_ymd(2020, 1, 1);
/// # ca.key_usages = vec![rcgen::KeyUsagePurpose::KeyCertSign];
/// # let root = ca.self_signed(&root_key).unwrap().der().to_vec();
/// # let issuer = rcgen::Issuer::from_params(&ca, &root_key);
/// # let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap();
/// # let mut leaf = rcgen::CertificateParams::new(vec!["db.example.com".into()]).unwrap();
/// # leaf.not_after = rcgen::date_time_ymd(2040, 1, 1);
/// # leaf.not_before = rcgen::date_time_ymd(2020, 1, 1);
/// # leaf.use_authority_key_identifier_extension = true;
/// # let leaf = leaf.signed_by(&key, &issuer).unwrap().der().to_vec();
/// let anchors = [Anchor::from_der(&root)?];
/// let mut request = PathRequest::new(&leaf, &anchors, Timestamp::from_secs(1_800_000_000));
/// request.usage = Usage::Server;
/// let names = [catalyst_pki::PeerName::Dns("db.example.com".into())];
/// request.names = &names;
/// let path = verify_path(&request)?;
/// assert_eq!(path.chain(), [&leaf[..], &root[..]]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PathRequest<'a> {
    /// The peer's certificate, DER.
    pub leaf: &'a [u8],
    /// What the peer sent along, DER, in any order; not trusted. At most 128.
    pub intermediates: &'a [&'a [u8]],
    /// Whom the caller trusts.
    pub anchors: &'a [Anchor],
    /// The moment for which the path must be valid; its fraction of a second is dropped.
    pub at: Timestamp,
    /// How far this machine's clock and those of the CAs may differ: the beginning and the end of every
    /// validity, and of a list's, are off by as much. None by default.
    pub skew: Duration,
    /// What the certificate is for. A certificate without extended key usage is for everything.
    pub usage: Usage,
    /// Names that the leaf must bear, each of them.
    pub names: &'a [PeerName],
    /// Revocation lists. One that bears the name of a CA of the path, however it is spelled
    /// (RFC 5280 7.1), is held against what that name has issued, and refused if no key of the name
    /// has signed it. The others are not looked at: a pool may hold the lists of many CAs, those of
    /// other anchors with the same name too. All that are current count, whatever their order and
    /// their numbers. What another key of the name has signed under the same anchor adds to the CA's
    /// own lists, and never takes the place of one.
    pub crls: &'a [Crl],
    /// Whether every certificate below the anchor must have a list that is current and speaks of
    /// it; without, a certificate passes for which there is none. False by default. A list whose
    /// issuer is damaged is nobody's: this is how its loss is noticed. One by another key of the
    /// issuer's name will do where there is none by its own, if that other CA has such lists itself
    /// and is valid and not revoked (RFC 5280 6.3.3 (f)).
    pub require_crl: bool,
    /// Kinds of keys and signatures, the leaf's key included.
    pub algorithms: &'a Algorithms,
    /// The most CAs between leaf and anchor, self-issued ones not counted; over 6 there are never.
    pub max_depth: usize,
    /// Rules beyond RFC 5280.
    pub profile: Profile,
}

impl<'a> PathRequest<'a> {
    /// A request without intermediates, names and revocation lists, for [`Usage::Any`], P-384 only.
    #[must_use]
    pub fn new(leaf: &'a [u8], anchors: &'a [Anchor], at: Timestamp) -> Self {
        PathRequest {
            leaf,
            intermediates: &[],
            anchors,
            at,
            skew: Duration::ZERO,
            usage: Usage::Any,
            names: &[],
            crls: &[],
            require_crl: false,
            algorithms: &P384_ONLY,
            max_depth: MAX_DEPTH,
            profile: Profile::Rfc5280,
        }
    }
}

/// A path that has been verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedPath<'a> {
    chain: Vec<&'a [u8]>,
}

impl<'a> VerifiedPath<'a> {
    /// The certificates in DER: the leaf, the CAs above it, the anchor last.
    #[must_use]
    pub fn chain(&self) -> &[&'a [u8]] {
        &self.chain
    }

    /// The certificate of the CA that signed the leaf: an intermediate or the anchor.
    #[must_use]
    pub fn issuer(&self) -> &'a [u8] {
        self.chain.get(1).copied().unwrap_or_default()
    }

    /// The anchor's certificate.
    #[must_use]
    pub fn anchor(&self) -> &'a [u8] {
        self.chain.last().copied().unwrap_or_default()
    }
}

/// Validates a certification path (RFC 5280 6) from `request.leaf` to one of the anchors.
///
/// Names are compared by RFC 5280 7.1, signatures verified by webpki's algorithms, encodings held
/// against webpki's parser. Each path is held against validity, CA flags, key usage, versions, serial
/// numbers, key identifiers, criticality, path lengths without self-issued certificates, name
/// constraints of every form, and revocation lists; the anchor's own certificate too. When a path
/// fails, others are tried.
///
/// Stricter than RFC 5280 asks: a CA certificate is no leaf; certificate policies are not processed,
/// so critical policy extensions are refused; the anchor's certificate must keep the rules too.
///
/// # Errors
///
/// An error of the 500s, by the rule that failed: the one that came nearest to an anchor. A list that
/// can't be used, or is missing though required, is one of them: [`Error::CrlInvalid`],
/// [`Error::RevocationUnknown`].
pub fn verify_path<'a>(request: &PathRequest<'a>) -> Result<VerifiedPath<'a>> {
    if request.intermediates.len() > MAX_INTERMEDIATES {
        return Err(Error::argument("intermediates", "more than 128"));
    }
    let leaf = leaf::from_der(request.leaf)?;
    leaf::check(&leaf, request.algorithms)?;
    if request.profile == Profile::WebPki {
        web::check_certificate(&leaf, Role::Leaf)?;
    }
    rules::check_usage(&leaf, &request.usage)?;
    leaf::check_tls_key_usage(&leaf, &request.usage)?;
    let moment = Moment::new(request.at, request.skew);
    leaf::check_validity(&leaf, &leaf.subject_text(), &moment)?;
    // What can't be read can't be part of a path, but may stand beside one.
    let mut intermediates = Vec::with_capacity(request.intermediates.len());
    let mut unreadable = None;
    for der in request.intermediates {
        match Certificate::parse(der) {
            Ok(certificate) => intermediates.push(certificate),
            Err(error) => unreadable = unreadable.or(Some(error)),
        }
    }
    let search = Search::new(&intermediates, request.anchors, request.algorithms);
    let demands = Demands {
        usage: &request.usage,
        algorithms: request.algorithms,
        profile: request.profile,
        uri_rule: UriRule::Host,
        max_depth: request.max_depth,
        lists: &NoLists,
        require_crl: false,
    };
    let lists = Given {
        search: &search,
        crls: request.crls,
        demands,
        moment,
        require_crl: request.require_crl,
        validating: &[],
    };
    let demands = Demands { lists: &lists, require_crl: request.require_crl, ..demands };
    let found = search.up(&leaf, &|path, _| {
        let cas = path.get(1..).unwrap_or_default();
        CaPath::new(cas, &demands)?.check(&leaf, &moment, &Denied::default())?;
        Ok(path.iter().map(|certificate| certificate.der()).collect())
    });
    match found {
        Ok(chain) => {
            names::check_expected(&leaf, request.names)?;
            Ok(VerifiedPath { chain })
        }
        Err(Error::UntrustedIssuer(why)) => Err(unreadable.unwrap_or(Error::UntrustedIssuer(why))),
        Err(error) => Err(error),
    }
}

/// The lists of a request, and the CAs that it holds besides those of a path.
#[derive(Clone, Copy)]
struct Given<'g, 's, 'a> {
    search: &'g Search<'s, 'a>,
    crls: &'g [Crl],
    /// Without lists.
    demands: Demands<'g>,
    moment: Moment,
    require_crl: bool,
    /// The names whose other keys are being validated: none of them vouches for another.
    validating: &'g [Name],
}

impl<'a> Given<'_, '_, 'a> {
    /// Whether a path that is valid leads up from a CA to this anchor.
    fn is_below(
        &self,
        anchor: &Certificate<'_>,
        ca: &Certificate<'a>,
        demands: &Demands<'_>,
    ) -> bool {
        let accept = |path: &[&Certificate<'_>], _| {
            if path.last().is_none_or(|top| top.der() != anchor.der()) {
                return Err(Error::UntrustedIssuer(ca.issuer_text()));
            }
            CaPath::new(path, demands)?.check_cas(&self.moment, &Denied::default())
        };
        ca.der() == anchor.der() || self.search.up(ca, &accept).is_ok()
    }
}

impl Lists for Given<'_, '_, '_> {
    fn crls(&self) -> &[Crl] {
        self.crls
    }

    /// Only those up from which there is a path to the same anchor (RFC 5280 6.3.3 (f)).
    fn other_keys(&self, ca: &Certificate<'_>, anchor: &Certificate<'_>) -> Vec<OtherKey> {
        let name = ca.subject_name();
        // Nobody asks who is validated where no list is demanded.
        let validates = self.require_crl && !self.validating.contains(name);
        let validating = [self.validating, std::slice::from_ref(name)].concat();
        let lists = Given { validating: &validating, ..*self };
        let demands = Demands { lists: &lists, require_crl: true, ..self.demands };
        let mut keys = Vec::new();
        for other in self.search.named(name) {
            if other.spki() != ca.spki()
                && may_sign(other)
                && self.is_below(anchor, other, &self.demands)
            {
                keys.push(OtherKey {
                    spki: other.spki().into(),
                    is_validated: validates && self.is_below(anchor, other, &demands),
                });
            }
        }
        keys
    }

    /// It may be the one that counts, with a bit flipped; or that of another anchor, which has the
    /// same name and is trusted too (a root's rollover). What a peer has sent along excuses none.
    fn unsigned(&self, crl: &Crl) -> Result<()> {
        let signed = crl.signed()?;
        let mut anchors = self.search.anchors_named(crl.issuer());
        let is_signer = |anchor: &Certificate<'_>| {
            may_sign(anchor) && self.demands.algorithms.verify(&signed, anchor.spki()).is_ok()
        };
        if anchors.any(is_signer) {
            return Ok(());
        }
        Err(Error::CrlInvalid(format!("{} is signed by no key of that name here", crl.text())))
    }
}
