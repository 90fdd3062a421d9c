//! A hierarchy like ours, made by rcgen, that a test can bend at every place.

use catalyst_pki::{
    NameConstraintMode, PeerRole, SERVICE_TYPES_OID, Segment, ServiceType, SvidPolicy,
    SvidPolicyBuilder, Timestamp, TrustDomain,
};
use der::Encode;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CustomExtension,
    DistinguishedName, DnType, DnValue, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod,
    KeyPair, KeyUsagePurpose, PKCS_ECDSA_P384_SHA384, PublicKeyData, RevokedCertParams, SanType,
    SerialNumber, SignatureAlgorithm,
};
use time::{Duration, OffsetDateTime, macros::datetime};

/// The trust domain of all that is made here.
pub const TRUST_DOMAIN: &str = "mesh.example.com";
/// The SPIFFE ID of a node.
pub const NODE: &str = "spiffe://mesh.example.com/node/node-a.mesh.example.com";
/// The SPIFFE ID of the Envoy beside it.
pub const ENVOY: &str = "spiffe://mesh.example.com/envoy/app/node-a.mesh.example.com";

/// When everything is valid.
pub const NOW: OffsetDateTime = datetime!(2026-06-01 12:00 UTC);

/// As the core writes it, in whole seconds.
pub fn timestamp(at: OffsetDateTime) -> Timestamp {
    Timestamp::from_secs(at.unix_timestamp())
}

/// A trust domain of that name.
pub fn trust_domain(name: &str) -> TrustDomain {
    name.parse().unwrap()
}

/// A CA with its key.
pub struct Ca {
    /// What its certificate was made from.
    pub params: CertificateParams,
    /// Its key.
    pub key: KeyPair,
    /// Its certificate.
    pub der: Vec<u8>,
}

impl Ca {
    /// A root as our CA makes it.
    pub fn root(name: &str) -> Ca {
        Ca::root_with(name, &PKCS_ECDSA_P384_SHA384, |_| {})
    }

    /// A root that differs.
    pub fn root_with(
        name: &str,
        algorithm: &'static SignatureAlgorithm,
        bend: impl FnOnce(&mut CertificateParams),
    ) -> Ca {
        let key = KeyPair::generate_for(algorithm).unwrap();
        let mut params = ca_params(name, 1);
        params.use_authority_key_identifier_extension = false;
        bend(&mut params);
        let der = params.self_signed(&key).unwrap().der().to_vec();
        Ca { params, key, der }
    }

    /// A CA below this one, without our extensions.
    pub fn subordinate(&self, name: &str, bend: impl FnOnce(&mut CertificateParams)) -> Ca {
        self.subordinate_on(name, &PKCS_ECDSA_P384_SHA384, bend)
    }

    /// One with a key of another algorithm.
    pub fn subordinate_on(
        &self,
        name: &str,
        algorithm: &'static SignatureAlgorithm,
        bend: impl FnOnce(&mut CertificateParams),
    ) -> Ca {
        let key = KeyPair::generate_for(algorithm).unwrap();
        let mut params = ca_params(name, 0);
        bend(&mut params);
        let der = params.signed_by(&key, &self.issuer()).unwrap().der().to_vec();
        Ca { params, key, der }
    }

    /// An intermediate of a segment, as our CA makes them.
    pub fn intermediate(&self, segment: Segment, mode: &NameConstraintMode) -> Ca {
        self.subordinate(&format!("{segment} CA"), |params| {
            params.custom_extensions.push(service_types(segment.service_types()));
            if let Some(der) = mode.to_der(&trust_domain(TRUST_DOMAIN)).unwrap() {
                params.custom_extensions.push(name_constraints(der));
            }
        })
    }

    /// A leaf as our CA makes them: P-384, both key usages.
    pub fn leaf(&self, id: &str) -> Vec<u8> {
        self.leaf_with(id, |_| {})
    }

    /// A leaf that differs.
    pub fn leaf_with(&self, id: &str, bend: impl FnOnce(&mut CertificateParams)) -> Vec<u8> {
        self.leaf_on(id, &PKCS_ECDSA_P384_SHA384, bend)
    }

    /// A leaf that differs, with a key of another algorithm.
    pub fn leaf_on(
        &self,
        id: &str,
        algorithm: &'static SignatureAlgorithm,
        bend: impl FnOnce(&mut CertificateParams),
    ) -> Vec<u8> {
        self.leaf_for(id, &KeyPair::generate_for(algorithm).unwrap(), bend)
    }

    /// A leaf that differs, for any public key.
    pub fn leaf_for(
        &self,
        id: &str,
        key: &impl PublicKeyData,
        bend: impl FnOnce(&mut CertificateParams),
    ) -> Vec<u8> {
        let mut params = CertificateParams::default();
        params.distinguished_name = name("node-a");
        params.serial_number = Some(SerialNumber::from_slice(&SERIAL));
        params.not_before = NOW - Duration::seconds(30);
        params.not_after = params.not_before + Duration::HOUR;
        params.is_ca = IsCa::ExplicitNoCa;
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        params.subject_alt_names = vec![uri(id)];
        bend(&mut params);
        params.signed_by(key, &self.issuer()).unwrap().der().to_vec()
    }

    /// A list of revoked serial numbers, valid for a day.
    pub fn crl(&self, number: u64, serials: &[&[u8]]) -> Vec<u8> {
        self.crl_with(|list, _| {
            list.crl_number = SerialNumber::from(number);
            list.revoked_certs = revoked(serials);
        })
    }

    /// A list that differs from an empty one, or is signed as if this CA's certificate were another.
    pub fn crl_with(
        &self,
        bend: impl FnOnce(&mut CertificateRevocationListParams, &mut CertificateParams),
    ) -> Vec<u8> {
        let mut list = CertificateRevocationListParams {
            this_update: NOW - Duration::HOUR,
            next_update: NOW + 23 * Duration::HOUR,
            crl_number: SerialNumber::from(1_u64),
            issuing_distribution_point: None,
            revoked_certs: Vec::new(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        let mut params = self.params.clone();
        bend(&mut list, &mut params);
        list.signed_by(&Issuer::from_params(&params, &self.key)).unwrap().der().to_vec()
    }

    /// The same CA, its subject in another string type, case and white space (RFC 5280 7.1).
    pub fn spelt_otherwise(&self) -> Ca {
        let mut params = self.params.clone();
        let Some((_, DnValue::Utf8String(text))) = params.distinguished_name.iter().next() else {
            panic!("a name of another kind");
        };
        let text = text.to_uppercase().replace(' ', "   ");
        let mut name = DistinguishedName::new();
        name.push(DnType::CommonName, DnValue::PrintableString(text.try_into().unwrap()));
        params.distinguished_name = name;
        let key = KeyPair::from_pem(&self.key.serialize_pem()).unwrap();
        Ca { params, key, der: self.der.clone() }
    }

    /// Its serial number.
    pub fn serial(&self) -> Vec<u8> {
        self.params.serial_number.as_ref().unwrap().to_bytes()
    }

    /// Its subject key identifier, in hex.
    pub fn key_id_hex(&self) -> String {
        hex(&self.params.key_identifier(&self.key))
    }

    /// Its certificate, PEM.
    pub fn pem(&self) -> String {
        catalyst_pki::certificate_to_pem(&self.der)
    }

    /// What certificates that it signs are made with.
    pub fn issuer(&self) -> Issuer<'_, &KeyPair> {
        Issuer::from_params(&self.params, &self.key)
    }
}

/// The entries of a revocation list that revokes these serial numbers.
pub fn revoked(serials: &[&[u8]]) -> Vec<RevokedCertParams> {
    let entry = |serial: &&[u8]| RevokedCertParams {
        serial_number: SerialNumber::from_slice(serial),
        revocation_time: NOW - Duration::HOUR,
        reason_code: None,
        invalidity_date: None,
    };
    serials.iter().map(entry).collect()
}

/// The serial number of every leaf that is not given another.
pub const SERIAL: [u8; 4] = [0x5e, 0x12, 0x1a, 0x01];

/// Root, Services CA, Transport CA.
pub struct Pki {
    /// The root.
    pub root: Ca,
    /// The intermediate of the control plane.
    pub services: Ca,
    /// The intermediate of the Envoys.
    pub transport: Ca,
}

impl Pki {
    /// With name constraints by trust domain.
    #[allow(clippy::new_without_default, reason = "each has other keys")]
    pub fn new() -> Pki {
        Pki::with(&NameConstraintMode::TrustDomain)
    }

    /// With name constraints of a mode.
    pub fn with(mode: &NameConstraintMode) -> Pki {
        let root = Ca::root("Root CA");
        Pki {
            services: root.intermediate(Segment::Services, mode),
            transport: root.intermediate(Segment::Transport, mode),
            root,
        }
    }

    /// For clients of the control plane, with a pinned root.
    pub fn policy(&self) -> SvidPolicyBuilder {
        policy(&self.services).pinned_root_der(&self.root.der)
    }
}

/// For clients under one Services CA, at [`NOW`].
pub fn policy(anchor: &Ca) -> SvidPolicyBuilder {
    empty_policy().anchor_der(&anchor.der)
}

/// The same, without an anchor.
pub fn empty_policy() -> SvidPolicyBuilder {
    SvidPolicy::builder(Segment::Services, PeerRole::Client, trust_domain(TRUST_DOMAIN))
        .at(timestamp(NOW))
}

/// A URI in a SAN.
pub fn uri(id: &str) -> SanType {
    SanType::URI(id.try_into().unwrap())
}

/// A DNS name in a SAN.
pub fn dns(name: &str) -> SanType {
    SanType::DnsName(name.try_into().unwrap())
}

/// Our extension that names what an intermediate may sign for.
pub fn service_types(types: &[ServiceType]) -> CustomExtension {
    let names: Vec<String> = types.iter().map(ToString::to_string).collect();
    let oid: Vec<u64> = SERVICE_TYPES_OID.split('.').map(|arc| arc.parse().unwrap()).collect();
    CustomExtension::from_oid_content(&oid, names.to_der().unwrap())
}

/// Name constraints, critical.
pub fn name_constraints(der: Vec<u8>) -> CustomExtension {
    let mut extension = CustomExtension::from_oid_content(&[2, 5, 29, 30], der);
    extension.set_criticality(true);
    extension
}

/// Name constraints that permit these URIs, in whatever form.
pub fn permitted_uris(uris: &[&str]) -> CustomExtension {
    let subtrees: Vec<u8> = uris.iter().flat_map(|u| tlv(0x30, &tlv(0x86, u.as_bytes()))).collect();
    name_constraints(tlv(0x30, &tlv(0xa0, &subtrees)))
}

/// A SAN of these names: context tag and content.
pub fn san(names: &[(u8, &[u8])]) -> CustomExtension {
    let names: Vec<u8> = names.iter().flat_map(|(tag, name)| tlv(0x80 | tag, name)).collect();
    CustomExtension::from_oid_content(&[2, 5, 29, 17], tlv(0x30, &names))
}

/// In lower-case hex.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = match u8::try_from(content.len()).unwrap() {
        short @ 0..0x80 => vec![short],
        long => vec![0x81, long],
    };
    [&[tag], &length[..], content].concat()
}

fn name(common_name: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    name
}

fn ca_params(common_name: &str, path_length: u8) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = name(common_name);
    let serial: [u8; 8] = std::array::from_fn(|i| {
        0x40 | common_name.as_bytes().get(i).copied().unwrap_or_default() & 0x3f
    });
    params.serial_number = Some(SerialNumber::from_slice(&serial));
    params.not_before = datetime!(2026-01-01 0:00 UTC);
    params.not_after = datetime!(2028-01-01 0:00 UTC);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(path_length));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.use_authority_key_identifier_extension = true;
    params
}
