//! A CA and the services of a small mesh.

use std::sync::Arc;

use catalyst_pki::{
    CaBundle, Segment, ServiceType, WorkloadId,
    authority::{
        CertificateManager, ManagerConfig, SignRequest,
        signer::{KeySealer, LocalKeys},
        store::{CertificateQuery, CertificateRecord, CertificateType, MemoryStore},
    },
    certificate_from_pem, certificate_to_pem, generate_key_and_csr,
};
use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P384_SHA384, SanType,
};

/// The trust domain of every mesh here.
pub const TRUST_DOMAIN: &str = "mesh.example.com";
/// One that no CA here may sign for.
pub const FOREIGN_TRUST_DOMAIN: &str = "rogue.example.org";

/// A service of each type, with what the profiles' table says of its certificate.
#[derive(Debug)]
pub struct Sample {
    /// The service type.
    pub service_type: ServiceType,
    /// The instance ID.
    pub instance_id: &'static str,
    /// The subject's common name.
    pub common_name: &'static str,
    /// The DNS SANs, in their order.
    pub dns_names: &'static [&'static str],
    /// Whether clientAuth stands beside serverAuth.
    pub is_client: bool,
}

/// One service of each type.
pub const SAMPLES: [Sample; 6] = [
    Sample {
        service_type: ServiceType::Orchestrator,
        instance_id: "node-a.somebiz.local.io",
        common_name: "node-a.somebiz.local.io",
        dns_names: &["node-a.somebiz.local.io", "orch-a"],
        is_client: true,
    },
    Sample {
        service_type: ServiceType::Auth,
        instance_id: "auth-a",
        common_name: "auth-a",
        dns_names: &["auth", "auth-a"],
        is_client: true,
    },
    Sample {
        service_type: ServiceType::Node,
        instance_id: "node-a.somebiz.local.io",
        common_name: "node-a.somebiz.local.io",
        dns_names: &["node-a.somebiz.local.io"],
        is_client: true,
    },
    Sample {
        service_type: ServiceType::Gateway,
        instance_id: "gateway-a",
        common_name: "gateway-a",
        dns_names: &["gateway-a"],
        is_client: false,
    },
    Sample {
        service_type: ServiceType::EnvoyApp,
        instance_id: "node-a.somebiz.local.io",
        common_name: "envoy-proxy-a",
        dns_names: &["envoy-proxy-a"],
        is_client: true,
    },
    Sample {
        service_type: ServiceType::EnvoyTransport,
        instance_id: "node-a.somebiz.local.io",
        common_name: "envoy-transport-a",
        dns_names: &["envoy-proxy-a"],
        is_client: true,
    },
];

impl Sample {
    /// Its SPIFFE ID, written out.
    #[must_use]
    pub fn spiffe_id(&self) -> String {
        format!("spiffe://{TRUST_DOMAIN}/{}/{}", self.service_type, self.instance_id)
    }
}

/// Every domain that the DNS names of [`SAMPLES`] lie below, for name constraint mode `dns`.
#[must_use]
pub fn dns_domains() -> Vec<String> {
    ["somebiz.local.io", "orch-a", "auth", "auth-a", "gateway-a", "envoy-proxy-a"]
        .map(str::to_owned)
        .to_vec()
}

/// The default configuration for [`TRUST_DOMAIN`].
///
/// # Panics
///
/// Never.
#[must_use]
pub fn config() -> ManagerConfig {
    ManagerConfig::new(TRUST_DOMAIN.parse().unwrap())
}

/// A CA in memory.
#[derive(Debug)]
pub struct Mesh {
    /// Its manager.
    pub manager: CertificateManager,
    /// Its certificates.
    pub bundle: CaBundle,
    sealer: KeySealer,
}

/// A key with its certificate.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The private key, PEM.
    pub key_pem: String,
    /// The certificate, PEM.
    pub certificate_pem: String,
    /// The CA that signed it.
    pub segment: Segment,
}

impl Identity {
    /// The certificate, DER.
    ///
    /// # Panics
    ///
    /// If it is none.
    #[must_use]
    pub fn der(&self) -> Vec<u8> {
        certificate_from_pem(&self.certificate_pem).unwrap()
    }
}

impl Mesh {
    /// An initialized CA.
    ///
    /// # Panics
    ///
    /// If it can't be made.
    #[must_use]
    pub fn new(config: ManagerConfig) -> Self {
        let sealer = KeySealer::ephemeral().unwrap();
        let keys = Arc::new(LocalKeys::new(sealer.clone()));
        let store = Arc::new(MemoryStore::new());
        Mesh::of(CertificateManager::new(store, keys, config).unwrap(), sealer)
    }

    /// The CA of a manager whose keys `sealer` encrypts.
    ///
    /// # Panics
    ///
    /// If it can't be made or loaded.
    #[must_use]
    pub fn of(manager: CertificateManager, sealer: KeySealer) -> Self {
        manager.initialize().unwrap();
        let bundle = manager.ca_bundle().unwrap();
        Mesh { manager, bundle, sealer }
    }

    /// The root, PEM.
    ///
    /// # Panics
    ///
    /// If there is none.
    #[must_use]
    pub fn root_pem(&self) -> &str {
        self.bundle.services_bundle.last().unwrap()
    }

    /// The intermediate of a segment, PEM.
    #[must_use]
    pub fn intermediate_pem(&self, segment: Segment) -> &str {
        &self.bundle.anchors(segment)[0]
    }

    /// Issues as a service is issued to: key and request are made there, signed here.
    ///
    /// # Panics
    ///
    /// If the CA refuses.
    #[must_use]
    pub fn issue(&self, service_type: ServiceType, instance_id: &str) -> Identity {
        let trust_domain = self.manager.trust_domain();
        let id = WorkloadId::new(trust_domain, service_type, instance_id).unwrap();
        let request = generate_key_and_csr(&id, &[]).unwrap();
        let signed = self
            .manager
            .sign_csr(&SignRequest::new(&request.csr_pem, service_type, instance_id))
            .unwrap();
        Identity {
            key_pem: request.private_key_pem.to_string(),
            certificate_pem: signed.certificate_pem,
            segment: service_type.segment(),
        }
    }

    /// The record of an active intermediate.
    fn ca(&self, segment: Segment) -> CertificateRecord {
        let wanted = match segment {
            Segment::Services => CertificateType::ServicesCa,
            Segment::Transport => CertificateType::TransportCa,
        };
        let mut cas = self.manager.store().hierarchy().unwrap().cas;
        cas.retain(|ca| ca.certificate_type == wanted);
        cas.remove(0)
    }

    /// The private key of an intermediate, PKCS#8, as a thief of database and passphrase has it.
    ///
    /// # Panics
    ///
    /// If it isn't there.
    #[must_use]
    pub fn ca_key(&self, segment: Segment) -> Vec<u8> {
        let sealed = self.ca(segment).private_key_pem.unwrap();
        self.sealer.open(&sealed).unwrap().as_bytes().to_vec()
    }

    /// A leaf that the CA would never sign, signed with its own key all the same.
    ///
    /// # Panics
    ///
    /// If it can't be made.
    #[must_use]
    pub fn forge(&self, segment: Segment, uri: &str, dns_names: &[&str]) -> Identity {
        let ca = self.ca(segment);
        let pkcs8 = rustls_pki_types::PrivatePkcs8KeyDer::from(self.ca_key(segment));
        let ca_key =
            KeyPair::from_pkcs8_der_and_sign_algo(&pkcs8, &PKCS_ECDSA_P384_SHA384).unwrap();
        let ca_der = certificate_from_pem(&ca.certificate_pem).unwrap().into();
        let issuer = Issuer::from_ca_cert_der(&ca_der, ca_key).unwrap();

        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, dns_names[0]);
        params.not_before = time_now() - std::time::Duration::from_secs(60);
        params.not_after = time_now() + std::time::Duration::from_secs(3600);
        params.is_ca = IsCa::ExplicitNoCa;
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        params.subject_alt_names.push(SanType::URI(uri.try_into().unwrap()));
        for name in dns_names {
            params.subject_alt_names.push(SanType::DnsName((*name).try_into().unwrap()));
        }
        let key = KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap();
        let certificate = params.signed_by(&key, &issuer).unwrap();
        Identity {
            key_pem: key.serialize_pem(),
            certificate_pem: certificate_to_pem(certificate.der()),
            segment,
        }
    }
}

fn time_now() -> time::OffsetDateTime {
    time::OffsetDateTime::from(std::time::SystemTime::now())
}

/// How many leaves are in the store.
///
/// # Panics
///
/// If it can't be read.
#[must_use]
pub fn stored_leaves(manager: &CertificateManager) -> usize {
    let mut query = CertificateQuery { limit: 1000, ..CertificateQuery::default() };
    let mut count = 0;
    loop {
        let page = manager.store().list_certificates(&query).unwrap();
        count += page.records.len();
        match page.next {
            Some(next) => query.cursor = Some(next),
            None => return count,
        }
    }
}
