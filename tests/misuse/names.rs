//! Names that somebody would like to have.

use catalyst_pki::{Error, ErrorCode, ServiceType, authority::SignRequest, certificate_from_pem};
use testkit::{
    mesh::{Mesh, config, stored_leaves},
    requests::{dns, request, san, to_pem, uri},
};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

/// Asks for DNS names; the ones in the certificate.
fn ask(
    mesh: &Mesh,
    service_type: ServiceType,
    instance_id: &str,
    names: &[&str],
) -> catalyst_pki::Result<Vec<String>> {
    let id = format!("spiffe://{}/{service_type}/{instance_id}", mesh.manager.trust_domain());
    let mut all = vec![uri(id)];
    all.extend(names.iter().map(dns));
    let csr = to_pem(&request(&[san(&all)]));
    let signed = mesh.manager.sign_csr(&SignRequest::new(&csr, service_type, instance_id))?;
    let der = certificate_from_pem(&signed.certificate_pem).unwrap();
    let (_, certificate) = X509Certificate::from_der(&der).unwrap();
    let names = certificate.subject_alternative_name().unwrap().unwrap().value;
    Ok(names
        .general_names
        .iter()
        .filter_map(|name| match name {
            GeneralName::DNSName(name) => Some((*name).to_owned()),
            _ => None,
        })
        .collect())
}

fn with_policy(suffixes: &[&str]) -> Mesh {
    let allowed_dns_suffixes = suffixes.iter().map(|suffix| (*suffix).to_owned()).collect();
    let mut config = config();
    config.allowed_dns_suffixes = allowed_dns_suffixes;
    Mesh::new(config)
}

#[test]
fn names_below_an_allowed_suffix_are_granted_and_no_others() {
    let mesh = with_policy(&["svc.example.com", "Apps.Example.NET"]);
    for (asked, granted) in [
        ("api.svc.example.com", "api.svc.example.com"),
        ("a.b.svc.example.com", "a.b.svc.example.com"),
        ("API.SVC.EXAMPLE.COM", "api.svc.example.com"),
        ("x.apps.example.net", "x.apps.example.net"),
        ("node-a", "node-a"),
    ] {
        let names = ask(&mesh, ServiceType::Node, "node-a", &[asked]).unwrap();
        assert!(names.contains(&granted.to_owned()), "{asked}: {names:?}");
        assert_eq!(names[0], "node-a");
    }
    let before = stored_leaves(&mesh.manager);
    let label = format!("{}.svc.example.com", "a".repeat(64));
    let long = format!("{}svc.example.com", "a.".repeat(120));
    for asked in [
        "svc.example.com",
        "evilsvc.example.com",
        "api.svc.example.com.evil.example",
        "*.svc.example.com",
        "a..svc.example.com",
        ".svc.example.com",
        "api.svc.example.com.",
        "-a.svc.example.com",
        "a_b.svc.example.com",
        "a b.svc.example.com",
        "a\0.svc.example.com",
        &label,
        &long,
    ] {
        let error = ask(&mesh, ServiceType::Node, "node-a", &[asked]).unwrap_err();
        assert_eq!(error.code(), ErrorCode::DnsNameNotAllowed, "{asked:?}");
        assert_eq!(
            error.to_string(),
            format!(
                "DNS name not allowed: {asked:?} is granted neither by the profile nor by the policy"
            ),
        );
    }
    assert_eq!(stored_leaves(&mesh.manager), before);
}

#[test]
fn a_name_asked_for_twice_is_granted_once() {
    let mesh = with_policy(&["svc.example.com"]);
    let asked = ["a.svc.example.com", "A.svc.example.com", "node-a", "NODE-A"];
    let names = ask(&mesh, ServiceType::Node, "node-a", &asked).unwrap();
    assert_eq!(names, ["node-a", "a.svc.example.com"]);
}

#[test]
fn a_name_belongs_to_the_first_who_has_it() {
    let mesh = with_policy(&["svc.example.com"]);
    let own = ["api.svc.example.com"];
    assert_eq!(ask(&mesh, ServiceType::Node, "node-a", &own).unwrap(), ["node-a", own[0]]);
    let error = ask(&mesh, ServiceType::Node, "node-b", &own).unwrap_err();
    assert_eq!(error, Error::DnsNameTaken(own[0].into()), "what is asked for is never left out");
    // Its owner keeps it, in whatever service type.
    assert_eq!(ask(&mesh, ServiceType::Node, "node-a", &own).unwrap(), ["node-a", own[0]]);
    assert_eq!(ask(&mesh, ServiceType::Gateway, "node-a", &own).unwrap(), ["node-a", own[0]]);

    // Two nodes with equal first labels, and a node that is called like another's alias.
    let orchestrator = |id| ask(&mesh, ServiceType::Orchestrator, id, &[]).unwrap();
    assert_eq!(orchestrator("node-c.one.example"), ["node-c.one.example", "orch-c"]);
    assert_eq!(orchestrator("node-c.two.example"), ["node-c.two.example"]);
    assert_eq!(ask(&mesh, ServiceType::Node, "orch-c", &[]).unwrap(), [""; 0]);
    assert_eq!(ask(&mesh, ServiceType::Node, "Orch-C", &[]).unwrap(), [""; 0]);
}

#[test]
fn the_alias_auth_is_for_auth_alone() {
    let mesh = with_policy(&["svc.example.com"]);
    for service_type in ServiceType::ALL {
        for id in ["auth", "Auth", "AUTH"] {
            let result = ask(&mesh, service_type, id, &[]);
            if service_type == ServiceType::Auth {
                assert_eq!(result.unwrap(), ["auth"], "{id}");
            } else {
                let error = result.unwrap_err();
                assert_eq!(error.code(), ErrorCode::InvalidArgument, "{service_type} {id}");
                assert_eq!(
                    error.to_string(),
                    "Invalid instance ID: \"auth\" is the alias of the auth service"
                );
            }
        }
        if service_type != ServiceType::Auth {
            let error = ask(&mesh, service_type, "auth-b", &["auth"]).unwrap_err();
            assert_eq!(error.code(), ErrorCode::DnsNameNotAllowed, "{service_type}");
        }
    }
    // All instances of auth share it.
    for id in ["auth-a", "auth-b"] {
        assert_eq!(ask(&mesh, ServiceType::Auth, id, &["auth"]).unwrap(), ["auth", id]);
    }
}
