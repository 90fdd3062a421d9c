//! The CA's revocation lists as other people's programs see them: what they name is refused by all, what
//! they don't is taken, and pkilint has nothing to say.

use std::{path::PathBuf, sync::Arc};

use catalyst_pki::{
    NameConstraintMode, Segment, ServiceType,
    authority::{CaName, DenySerial, IssuedCrl},
};
use rustls::{
    CertificateError, Error, RootCertStore, client::WebPkiServerVerifier, crypto::aws_lc_rs,
};
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer, UnixTime, pem::PemObject};
use serde_json::{Value, json};
use testkit::{
    mesh::{Identity, Mesh, config},
    tools::{Ended, Folder, program, python_environment, run, tests_folder},
};

/// A services CA with three leaves: one that is fine, one of a denied identity, one whose key leaked.
struct Revoked {
    mesh: Mesh,
    folder: Folder,
    good: Identity,
    held: Identity,
    stolen: Identity,
    services: IssuedCrl,
    root: IssuedCrl,
}

impl Revoked {
    fn new() -> Self {
        let mut config = config();
        // Stock webpki takes no constraints on URIs.
        config.name_constraints = NameConstraintMode::None;
        let mesh = Mesh::new(config);
        let issue = |name| mesh.issue(ServiceType::Node, name);
        let (good, held, stolen) = (issue("good"), issue("held"), issue("stolen"));
        let manager = &mesh.manager;
        let id = format!("spiffe://{}/node/held", manager.trust_domain());
        manager.deny_identity(&id, "stolen").unwrap();
        let fingerprint = catalyst_pki::fingerprint(&stolen.der());
        let record = manager.store().find_by_fingerprint(&fingerprint).unwrap().unwrap();
        manager.deny_serial(&DenySerial::new(&record.serial, "its key leaked")).unwrap();
        let list = |name: &str| manager.crl(&name.parse::<CaName>().unwrap()).unwrap();
        let (services, root) = (list("services"), list("root"));
        Revoked { folder: Folder::new(), good, held, stolen, services, root, mesh }
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        self.folder.write(name, content).to_str().unwrap().to_owned()
    }

    /// Name, certificate, and whether it is to be refused.
    fn leaves(&self) -> [(&'static str, &Identity, bool); 3] {
        [("good", &self.good, false), ("held", &self.held, true), ("stolen", &self.stolen, true)]
    }

    fn list_pem(list: &IssuedCrl) -> String {
        pem::encode(&pem::Pem::new("X509 CRL", list.der.as_slice()))
    }

    fn lists_pem(&self) -> String {
        [&self.services, &self.root].map(Self::list_pem).concat()
    }
}

fn openssl(arguments: &[&str]) -> Ended {
    run(&program("openssl"), arguments)
}

#[test]
fn openssl_refuses_what_is_revoked() {
    let made = Revoked::new();
    let root = made.write("root.pem", made.mesh.root_pem());
    let services = made.write("services.pem", made.mesh.intermediate_pem(Segment::Services));
    let lists = made.write("lists.pem", made.lists_pem());
    for (name, list, ca) in [("services", &made.services, &services), ("root", &made.root, &root)] {
        let der = made.write(&format!("{name}.crl"), &list.der);
        let read = ["crl", "-inform", "DER", "-in", &der, "-noout", "-CAfile", ca, "-text"];
        let ended = openssl(&read);
        assert!(ended.success && ended.stderr.contains("verify OK"), "{name}: {ended:?}");
    }
    for (name, identity, is_revoked) in made.leaves() {
        let leaf = made.write(&format!("{name}.pem"), &identity.certificate_pem);
        for anchored in [
            ["-crl_check_all", "-CAfile", &root, "-untrusted", &services],
            ["-crl_check", "-partial_chain", "-trusted", &services, "-x509_strict"],
        ] {
            let mut arguments = vec!["verify", "-x509_strict", "-no-CApath", "-no-CAstore"];
            arguments.extend(anchored);
            arguments.extend(["-CRLfile", &lists, &leaf]);
            let ended = openssl(&arguments);
            assert_eq!(ended.success, !is_revoked, "{name}: {ended:?}");
            assert_eq!(ended.stderr.contains("certificate revoked"), is_revoked, "{ended:?}");
        }
    }
}

#[test]
fn gnutls_refuses_what_is_revoked() {
    let made = Revoked::new();
    let certtool = |arguments: &[&str]| run(&program("certtool"), arguments);
    let root = made.write("root.pem", made.mesh.root_pem());
    let services = made.write("services.pem", made.mesh.intermediate_pem(Segment::Services));
    let lists = made.write("lists.pem", made.lists_pem());
    for (list, ca) in [(&made.services, &services), (&made.root, &root)] {
        let list = made.write("list.pem", Revoked::list_pem(list));
        let ended = certtool(&["--verify-crl", "--load-ca-certificate", ca, "--infile", &list]);
        assert!(ended.success && ended.stdout.contains("Verified"), "{ended:?}");
    }
    for (name, identity, is_revoked) in made.leaves() {
        let intermediate = made.mesh.intermediate_pem(Segment::Services);
        let chain = format!("{}{intermediate}", identity.certificate_pem);
        let chain = made.write(&format!("{name}.pem"), chain);
        let ended = certtool(&[
            "--verify",
            "--load-ca-certificate",
            &root,
            "--load-crl",
            &lists,
            "--infile",
            &chain,
        ]);
        let is_taken =
            ended.success && ended.stdout.contains("Verified. The certificate is trusted.");
        assert_eq!(is_taken, !is_revoked, "{name}: {ended:?}");
        assert_eq!(ended.stdout.contains("revoked"), is_revoked, "{name}: {ended:?}");
    }
}

#[test]
fn stock_rustls_refuses_what_is_revoked() {
    let made = Revoked::new();
    let certificate = |pem: &str| CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(certificate(made.mesh.root_pem())).unwrap();
    let lists = [&made.services, &made.root]
        .map(|list| CertificateRevocationListDer::from(list.der.clone()));
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
        .with_crls(lists)
        .enforce_revocation_expiration()
        .build()
        .unwrap();
    let intermediate = [certificate(made.mesh.intermediate_pem(Segment::Services))];
    for (name, identity, is_revoked) in made.leaves() {
        let leaf = certificate(&identity.certificate_pem);
        let host = name.try_into().unwrap();
        let verdict = rustls::client::danger::ServerCertVerifier::verify_server_cert(
            &*verifier,
            &leaf,
            &intermediate,
            &host,
            &[],
            UnixTime::now(),
        );
        let revoked = Error::InvalidCertificate(CertificateError::Revoked);
        assert_eq!(verdict.err(), is_revoked.then_some(revoked), "{name}");
    }
}

#[test]
fn pkilint_has_nothing_to_say_of_them() {
    let made = Revoked::new();
    let runs: Vec<Value> = [("services", &made.services), ("root", &made.root)]
        .into_iter()
        .map(|(name, list)| {
            let file: PathBuf = made.folder.write(&format!("{name}.crl"), &list.der);
            // An ARL is a list of CAs.
            let kind = if name == "root" { "ARL" } else { "CRL" };
            json!([
                "lint_crl",
                "lint",
                "-t",
                kind,
                "-p",
                "PKIX",
                "-s",
                "ALL",
                "-f",
                "JSON",
                "--document-format",
                "DER",
                file
            ])
        })
        .collect();
    let file = made.folder.write("runs.json", json!(runs).to_string());
    let ended =
        run(&python_environment("python"), [&tests_folder().join("interop/lint.py"), &file]);
    assert!(ended.success, "{ended:?}");
    let answers: Vec<Value> = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(answers.len(), 2);
    for answer in &answers {
        let findings: Vec<_> = answer["results"]
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|result| result["finding_descriptions"].as_array().unwrap())
            .collect();
        assert!(findings.is_empty(), "{findings:#?}");
    }
}
