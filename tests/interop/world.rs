//! One CA for each name constraint mode, with a leaf of every profile and some that no CA should
//! have signed; as values, and as files for programs of other people.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use catalyst_pki::{NameConstraintMode, Segment, ServiceType, authority::ManagerConfig};
use testkit::mesh::{
    FOREIGN_TRUST_DOMAIN, Identity, Mesh, SAMPLES, Sample, TRUST_DOMAIN, config, dns_domains,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    TrustDomain,
    None,
    Dns,
}

impl Mode {
    pub(crate) const ALL: [Mode; 3] = [Mode::TrustDomain, Mode::None, Mode::Dns];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Mode::TrustDomain => "trust-domain",
            Mode::None => "none",
            Mode::Dns => "dns",
        }
    }

    pub(crate) fn constraints(self) -> NameConstraintMode {
        match self {
            Mode::TrustDomain => NameConstraintMode::TrustDomain,
            Mode::None => NameConstraintMode::None,
            Mode::Dns => NameConstraintMode::Dns(dns_domains()),
        }
    }

    pub(crate) fn config(self) -> ManagerConfig {
        let mut config = config();
        config.name_constraints = self.constraints();
        config
    }
}

pub(crate) struct World {
    pub(crate) mode: Mode,
    pub(crate) mesh: Mesh,
    pub(crate) leaves: Vec<Leaf>,
    folder: PathBuf,
}

/// A leaf of a sample, and where its files are.
pub(crate) struct Leaf {
    pub(crate) sample: &'static Sample,
    pub(crate) identity: Identity,
    pub(crate) file: PathBuf,
}

/// A leaf that a thief of the CA's key signed.
pub(crate) struct Forged {
    pub(crate) what: &'static str,
    pub(crate) identity: Identity,
    pub(crate) file: PathBuf,
    /// Whether its names are those that the CA may sign for: then it must pass, which shows that
    /// it is the names that others are refused for.
    pub(crate) has_allowed_names: bool,
}

/// The world of a mode; made once.
pub(crate) fn world(mode: Mode) -> &'static World {
    static WORLDS: [OnceLock<World>; 3] = [OnceLock::new(), OnceLock::new(), OnceLock::new()];
    WORLDS[mode as usize].get_or_init(|| World::new(mode))
}

impl World {
    fn new(mode: Mode) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("interop").join(mode.name());
        fs::create_dir_all(&folder).unwrap();
        let mesh = Mesh::new(mode.config());
        fs::write(folder.join("root.pem"), mesh.root_pem()).unwrap();
        for segment in Segment::ALL {
            fs::write(folder.join(format!("{segment}.pem")), mesh.intermediate_pem(segment))
                .unwrap();
        }
        let leaves = SAMPLES
            .iter()
            .map(|sample| {
                let identity = mesh.issue(sample.service_type, sample.instance_id);
                let file =
                    folder.join(format!("{}.pem", sample.service_type.as_str().replace('/', "-")));
                fs::write(&file, &identity.certificate_pem).unwrap();
                Leaf { sample, identity, file }
            })
            .collect();
        World { mode, mesh, leaves, folder }
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.folder.join("root.pem")
    }

    pub(crate) fn intermediate(&self, segment: Segment) -> PathBuf {
        self.folder.join(format!("{segment}.pem"))
    }

    /// Writes further files beside those that are there.
    pub(crate) fn write(&self, name: &str, content: &str) -> PathBuf {
        let file = self.folder.join(name);
        fs::write(&file, content).unwrap();
        file
    }

    /// Leaves with instance IDs that the CA's DNS constraints permit no name of: by their common
    /// name alone OpenSSL and GnuTLS would refuse them.
    pub(crate) fn named_elsewhere(&self, test: &str) -> Vec<(Identity, PathBuf)> {
        [
            (ServiceType::Node, "node-a.elsewhere.example"),
            (ServiceType::Gateway, "gateway-of-nowhere"),
            (ServiceType::Orchestrator, "node-a.elsewhere.example"),
            (ServiceType::EnvoyTransport, "node-a.elsewhere.example"),
        ]
        .into_iter()
        .map(|(service_type, instance_id)| {
            let identity = self.mesh.issue(service_type, instance_id);
            let name = service_type.as_str().replace('/', "-");
            let name = format!("elsewhere-for-{test}-{name}.pem");
            let file = self.write(&name, &identity.certificate_pem);
            (identity, file)
        })
        .collect()
    }

    /// Leaves of the Services CA for its own names, for another trust domain, and for a DNS name
    /// that is nobody's here.
    pub(crate) fn forged(&self, test: &str) -> Vec<Forged> {
        let own = format!("spiffe://{TRUST_DOMAIN}/node/node-a.somebiz.local.io");
        let foreign = format!("spiffe://{FOREIGN_TRUST_DOMAIN}/node/node-a.somebiz.local.io");
        let dns = "node-a.somebiz.local.io";
        [
            ("own names", &own, dns, true),
            ("foreign trust domain", &foreign, dns, self.mode != Mode::TrustDomain),
            ("foreign DNS name", &own, "shop.example.net", self.mode != Mode::Dns),
        ]
        .into_iter()
        .map(|(what, uri, dns, has_allowed_names)| {
            let identity = self.mesh.forge(Segment::Services, uri, &[dns]);
            let name = format!("forged-for-{test}-{}.pem", what.replace(' ', "-"));
            let file = self.write(&name, &identity.certificate_pem);
            Forged { what, identity, file, has_allowed_names }
        })
        .collect()
    }
}
