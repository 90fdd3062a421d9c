//! Writes inputs to begin with for the fuzz targets: `seeds FOLDER`.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a program for tests")]

use std::{fs, path::Path, sync::Arc};

use catalyst_pki::{
    ManualClock, Segment, Timestamp,
    authority::{
        ManagerConfig,
        signer::{KeySealer, Passphrase},
    },
    certificate_from_pem, generate_key_and_csr,
};
use testkit::{
    mesh::{Mesh, SAMPLES, config},
    requests::from_pem,
};
use x509_parser::prelude::{FromDer, X509Certificate};

fn main() {
    let folder = std::env::args().nth(1).expect("usage: seeds FOLDER");
    let folder = Path::new(&folder);
    let write = |target: &str, name: &str, content: &[u8]| {
        let folder = folder.join(target);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(name), content).unwrap();
    };
    // What the targets' own CA signs.
    let default = Mesh::new(ManagerConfig::default());
    let id = format!("spiffe://{}/node/node-a.somebiz.local.io", default.manager.trust_domain());
    let csr = generate_key_and_csr(&id.parse().unwrap(), &["node-a.somebiz.local.io"]).unwrap();
    write("csr", "pem", csr.csr_pem.as_bytes());
    write("csr", "der", &from_pem(&csr.csr_pem));
    write("certificate", "bundle", default.bundle.services_bundle.concat().as_bytes());

    let clock = Arc::new(ManualClock::new(Timestamp::from_secs(1_800_000_000)));
    let mut config = config();
    config.clock = clock;
    let mesh = Mesh::new(config);
    let intermediate = |segment| certificate_from_pem(mesh.intermediate_pem(segment)).unwrap();
    let root = certificate_from_pem(mesh.root_pem()).unwrap();
    let chain = |certificates: &[&[u8]]| {
        let mut input = vec![0];
        for der in certificates {
            input.extend(u16::try_from(der.len()).unwrap().to_be_bytes());
            input.extend(*der);
        }
        input
    };
    for (at, sample) in SAMPLES.iter().enumerate() {
        write("spiffe_id", &at.to_string(), sample.spiffe_id().as_bytes());
        let identity = mesh.issue(sample.service_type, sample.instance_id);
        let der = identity.der();
        let all = chain(&[&der, &intermediate(identity.segment), &root]);
        write("peer", &format!("chain-{at}"), &all);
        write("peer", &format!("leaf-{at}"), &chain(&[&der]));
        let (_, parsed) = X509Certificate::from_der(&der).unwrap();
        let tbs = [&[1], parsed.tbs_certificate.as_ref()].concat();
        write("peer", &format!("signed-here-{at}"), &tbs);
    }
    let sealer = KeySealer::ephemeral().unwrap();
    let sealed = sealer.seal(&mesh.ca_key(Segment::Services)).unwrap();
    write("sealed", "key", sealed.as_bytes());
    let of_a_passphrase = KeySealer::new(Passphrase::new("correct horse").unwrap()).unwrap();
    write("sealed", "header", of_a_passphrase.header().as_bytes());
    write("ca", "services.der", &intermediate(Segment::Services));
    write("ca", "services.key", &mesh.ca_key(Segment::Services));
}
