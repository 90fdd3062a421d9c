//! Each call by its name, and whether its answer is the expected one.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    time::Duration,
};

use base64::{Engine, prelude::BASE64_STANDARD};
use catalyst_pki::{
    DEFAULT_TRUST_DOMAIN, Denied, Result, Svid, SvidPolicy, Timestamp, WorkloadId,
    authority::CertificateManager, certificates_from_pem, generate_key_and_csr, verify_svid,
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::{
    Answer,
    file::{Case, CaseFile, Step},
    manager::{self, Config, Managed},
    tokens::{self, Verifier},
};

pub(crate) struct Runner<'a> {
    file: &'a CaseFile,
    /// Those of the file, and those that a sequence makes.
    csrs: BTreeMap<String, String>,
    /// One for each configuration, because making its keys takes a while.
    cas: BTreeMap<Config, CertificateManager>,
}

impl<'a> Runner<'a> {
    pub(crate) fn new(file: &'a CaseFile) -> Self {
        Runner { file, csrs: file.csrs.clone(), cas: BTreeMap::new() }
    }

    /// Why a case fails.
    pub(crate) fn run(&mut self, case: &Case) -> std::result::Result<(), String> {
        let step = &case.step;
        if step.call == "sequence" {
            self.sequence(&step.input)
        } else {
            check(self.call(step), step)
        }
    }

    fn call(&mut self, step: &Step) -> Answer {
        let input = &step.input;
        match step.call.as_str() {
            "buildSpiffeId" => build(read(input)),
            "parseSpiffeId" => parse(read(input)),
            "isValidSpiffeId" => {
                let Uri { uri } = read(input);
                Ok(json!({ "valid": uri.parse::<WorkloadId>().is_ok() }))
            }
            "generateKeyAndCsr" => self.generate(read(input)),
            "createCa" => {
                let CreateCa { config } = read(input);
                let manager = CertificateManager::ephemeral(config.into_core()?)?;
                manager.initialize()?;
                Ok(json!({ "trustDomain": manager.ca_bundle()?.trust_domain }))
            }
            "signCsr" => {
                let mut input = input.clone();
                let config = input.as_object_mut().and_then(|input| input.remove("config"));
                let config: Config = config.as_ref().map(read).unwrap_or_default();
                let manager = match self.cas.entry(config.or_mesh()) {
                    Entry::Occupied(known) => known.into_mut(),
                    Entry::Vacant(unknown) => {
                        let manager =
                            CertificateManager::ephemeral(unknown.key().clone().into_core()?)?;
                        manager.initialize()?;
                        unknown.insert(manager)
                    }
                };
                manager::sign(manager, &self.csrs, &read(&input))
            }
            "verifyPeer" => Ok(serde_json::to_value(self.svid(read(input))?).unwrap()),
            "verifyToken" => self.verify_token(read(input)),
            "thumbprint" => tokens::thumbprint(read(input)),
            unknown => panic!("unknown call {unknown}"),
        }
    }

    fn sequence(&mut self, input: &Value) -> std::result::Result<(), String> {
        let Sequence { config, database, steps } = read(input);
        // The first opening of a database decides on its passphrase.
        let opens_itself = steps.first().is_some_and(|step| step.call == "open");
        let mut managed = Managed::new((!opens_itself).then_some(config), &database);
        for (at, step) in steps.iter().enumerate() {
            let answer = match step.call.as_str() {
                "generateKeyAndCsr" => self.generate(read(&step.input)),
                _ => managed.call(step, &self.csrs),
            };
            check(answer, step).map_err(|why| format!("step {at}, {}: {why}", step.call))?;
        }
        Ok(())
    }

    fn generate(&mut self, input: Generate) -> Answer {
        let trust_domain = input.trust_domain.as_deref().unwrap_or(DEFAULT_TRUST_DOMAIN);
        let id = WorkloadId::build(trust_domain, &input.service_type, &input.instance_id)?;
        let dns: Vec<&str> = input.dns.iter().map(String::as_str).collect();
        let made = generate_key_and_csr(&id, &dns)?;
        assert!(made.private_key_pem.starts_with("-----BEGIN PRIVATE KEY-----\n"));
        assert!(made.csr_pem.starts_with("-----BEGIN CERTIFICATE REQUEST-----\n"));
        assert_ne!(generate_key_and_csr(&id, &dns)?.private_key_pem, made.private_key_pem);
        if let Some(name) = input.name {
            self.csrs.insert(name, made.csr_pem);
        }
        Ok(json!({ "spiffeId": id.as_str() }))
    }

    fn verify_token(&self, input: VerifyToken) -> Answer {
        let VerifyToken { token, verifier, how, peer } = input;
        let verifier = verifier.into_core(&self.file.key_sets)?;
        let peer = peer.map(|peer| self.svid(peer)).transpose()?;
        tokens::verify(&verifier, &self.file.tokens[&token], &how, peer.as_ref())
    }

    fn svid(&self, Verify { chain, policy }: Verify) -> Result<Svid> {
        let policy = self.policy(policy)?;
        let chain = chain.iter().map(|name| certificates_from_pem(&self.file.certificates[name]));
        let chain: Vec<Vec<u8>> = chain.collect::<Result<Vec<_>>>()?.concat();
        verify_svid(&chain, &policy)
    }

    fn policy(&self, policy: Policy) -> Result<SvidPolicy> {
        let pem = |name: &String| self.file.certificates[name].as_str();
        let crl = |name: &String| BASE64_STANDARD.decode(&self.file.crls[name]).unwrap();
        let mut denied = Denied::default();
        for id in &policy.denied.identities {
            denied.deny_identity(id)?;
        }
        for one in &policy.denied.serials {
            denied.deny_serial(&one.issuer_key_id, &one.serial)?;
        }
        let (segment, role) = (policy.segment.parse()?, policy.role.parse()?);
        let mut builder = SvidPolicy::builder(segment, role, policy.trust_domain.parse()?)
            .denied(denied)
            .at(Timestamp::from_millis(policy.at))
            .skew(Duration::from_secs(policy.skew_seconds));
        for name in &policy.anchors {
            builder = builder.anchors_pem(pem(name));
        }
        for (key_id, types) in &policy.anchor_service_types {
            let types = types.iter().map(|name| name.parse()).collect::<Result<Vec<_>, _>>()?;
            builder = builder.anchor_service_types(key_id, &types);
        }
        for name in &policy.roots {
            builder = builder.pinned_roots_pem(pem(name));
        }
        for name in &policy.algorithms {
            builder = builder.allow_algorithm(name.parse()?);
        }
        if policy.require_crl {
            builder = builder.require_crl();
        }
        for pattern in &policy.expect {
            builder = builder.expect_id(pattern);
        }
        for domain in &policy.federated {
            let roots: String = domain.roots.iter().map(pem).collect();
            builder = builder.federate(domain.trust_domain.parse()?, &roots, &domain.allow);
        }
        for name in &policy.crls {
            builder = builder.crl_der(&crl(name));
        }
        let built = builder.build()?;
        match policy.with_crls {
            Some(names) => built.with_crls(names.iter().map(crl)),
            None => Ok(built),
        }
    }
}

/// The input of a call; one that doesn't fit is a fault of the file.
pub(crate) fn read<T: DeserializeOwned>(input: &Value) -> T {
    serde_json::from_value(input.clone()).unwrap_or_else(|error| panic!("{error}: {input}"))
}

/// Whether an answer has every expected field, or the expected code and words.
fn check(answer: Answer, step: &Step) -> std::result::Result<(), String> {
    let expect = step.expect.as_object().expect("what is expected is an object");
    match (answer, expect.get("error")) {
        (Ok(answer), None) => {
            for (field, value) in expect {
                if answer.get(field) != Some(value) {
                    return Err(format!("{field}: {:?}, not {value}", answer.get(field)));
                }
            }
            Ok(())
        }
        (Err(error), Some(code)) => {
            let message = expect.get("message").and_then(Value::as_str).unwrap_or_default();
            if error.code().as_str() != code || !error.to_string().contains(message) {
                return Err(format!("{} {error}, not {code} {message}", error.code()));
            }
            Ok(())
        }
        (Ok(answer), Some(code)) => Err(format!("{answer}, not {code}")),
        (Err(error), None) => Err(format!("{} {error}", error.code())),
    }
}

fn build(Build { trust_domain, service_type, instance_id }: Build) -> Answer {
    let id = WorkloadId::build(&trust_domain, &service_type, &instance_id)?;
    Ok(json!({ "spiffeId": id.as_str() }))
}

fn parse(Uri { uri }: Uri) -> Answer {
    let id: WorkloadId = uri.parse()?;
    Ok(json!({
        "uri": id.as_str(),
        "trustDomain": id.trust_domain(),
        "serviceType": id.service_type(),
        "instanceId": id.instance_id(),
    }))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Build {
    trust_domain: String,
    service_type: String,
    instance_id: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Uri {
    uri: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Generate {
    service_type: String,
    instance_id: String,
    trust_domain: Option<String>,
    #[serde(default)]
    dns: Vec<String>,
    #[serde(rename = "as")]
    name: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CreateCa {
    config: Config,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sequence {
    config: Config,
    /// `true` for a file of its own, or the file's path in a folder of its own.
    #[serde(default)]
    database: Value,
    steps: Vec<Step>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct VerifyToken {
    token: String,
    verifier: Verifier,
    how: String,
    peer: Option<Verify>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Verify {
    chain: Vec<String>,
    policy: Policy,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Policy {
    anchors: Vec<String>,
    /// By the anchor's subject key identifier, hex.
    #[serde(default)]
    anchor_service_types: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    roots: Vec<String>,
    trust_domain: String,
    segment: String,
    role: String,
    /// Milliseconds since the epoch.
    at: i64,
    #[serde(default)]
    skew_seconds: u64,
    #[serde(default)]
    expect: Vec<String>,
    #[serde(default)]
    denied: DeniedNames,
    #[serde(default)]
    crls: Vec<String>,
    #[serde(default)]
    require_crl: bool,
    /// Those that take the place of `crls` once the policy is made.
    with_crls: Option<Vec<String>>,
    #[serde(default)]
    federated: Vec<Federated>,
    #[serde(default)]
    algorithms: Vec<String>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct DeniedNames {
    identities: Vec<String>,
    serials: Vec<DeniedSerial>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct DeniedSerial {
    issuer_key_id: String,
    serial: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Federated {
    trust_domain: String,
    roots: Vec<String>,
    allow: Vec<String>,
}
