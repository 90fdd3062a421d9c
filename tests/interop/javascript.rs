//! Bun and Node: real processes that speak mutual TLS, with the segment's intermediate as anchor.

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use catalyst_pki::Segment;
use serde_json::{Value, json};
use testkit::{
    mesh::Identity,
    tools::{bun, finish, program, tests_folder},
};

use crate::world::{Mode, World, world};

/// What comes of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Welcome,
    /// The server refuses the client's certificate.
    ServerRefuses,
    /// The client refuses the server's certificate.
    ClientRefuses,
}

use Outcome::{ClientRefuses, ServerRefuses, Welcome};

impl Outcome {
    /// From the script's answer.
    fn read(answer: &str) -> Option<Self> {
        match answer {
            "welcome" => Some(Welcome),
            "server: closed" => Some(ServerRefuses),
            // The first is Bun's and Node's word for an issuer that is not an anchor, the second
            // for a name constraint.
            "client: UNABLE_TO_GET_ISSUER_CERT_LOCALLY" | "client: UNSPECIFIED" => {
                Some(ClientRefuses)
            }
            _ => None,
        }
    }

    fn unless(allowed: bool, otherwise: Self) -> Self {
        if allowed { Welcome } else { otherwise }
    }
}

struct Case {
    what: String,
    content: Value,
    outcome: Outcome,
}

/// A server that is ended with this value.
pub(crate) struct Server {
    process: Child,
    /// A list of them, JSON.
    pub(crate) ports: String,
}

impl Server {
    pub(crate) fn start(runtime: &Path, cases: &Path) -> Self {
        let mut process = Command::new(runtime)
            .arg(script())
            .arg("serve")
            .arg(cases)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut ports = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut ports).unwrap();
        Server { process, ports }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        self.process.wait().unwrap();
    }
}

pub(crate) fn script() -> PathBuf {
    tests_folder().join("interop/js/peer.mjs")
}

pub(crate) fn credentials(world: &World, identity: &Identity) -> Value {
    let intermediate = world.mesh.intermediate_pem(identity.segment);
    json!({ "cert": format!("{}{intermediate}", identity.certificate_pem), "key": identity.key_pem })
}

fn case(
    world: &World,
    what: String,
    (server, host): (&Identity, &str),
    client: &Identity,
    anchors: &[&str],
    outcome: Outcome,
) -> Case {
    let content = json!({
        "server": credentials(world, server),
        "client": credentials(world, client),
        "serverTrusts": anchors,
        "clientTrusts": anchors,
        "host": host,
    });
    Case { what: format!("{:?}: {what}", world.mode), content, outcome }
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for mode in Mode::ALL {
        let world = world(mode);
        let services = [world.mesh.intermediate_pem(Segment::Services)];
        for server in &world.leaves {
            let as_server = (&server.identity, server.sample.dns_names[0]);
            for client in &world.leaves {
                let what =
                    format!("{} to {}", client.sample.service_type, server.sample.service_type);
                let segment = server.identity.segment;
                let accepted = client.identity.segment == segment && client.sample.is_client;
                let anchors = [world.mesh.intermediate_pem(segment)];
                let outcome = Outcome::unless(accepted, ServerRefuses);
                cases.push(case(world, what, as_server, &client.identity, &anchors, outcome));
            }
        }
        let node = &world.leaves[2];
        let host = node.sample.dns_names[0];
        for forged in world.forged("javascript") {
            let allowed = forged.has_allowed_names;
            cases.push(case(
                world,
                format!("client with {}", forged.what),
                (&node.identity, host),
                &forged.identity,
                &services,
                Outcome::unless(allowed, ServerRefuses),
            ));
            let host = if forged.what == "foreign DNS name" { "shop.example.net" } else { host };
            cases.push(case(
                world,
                format!("server with {}", forged.what),
                (&forged.identity, host),
                &node.identity,
                &services,
                Outcome::unless(allowed, ClientRefuses),
            ));
        }
        // An Envoy that poses as a server of the control plane.
        let envoy = &world.leaves[4];
        cases.push(case(
            world,
            "node to envoy on the control plane".into(),
            (&envoy.identity, envoy.sample.dns_names[0]),
            &node.identity,
            &services,
            ClientRefuses,
        ));
        // Why the root is never an anchor: with it, an Envoy brings its own way to it along.
        let with_root = [services[0], world.mesh.root_pem()];
        let (what, as_server) = ("envoy to node with the root as anchor", (&node.identity, host));
        cases.push(case(world, what.into(), as_server, &envoy.identity, &with_root, Welcome));
    }
    cases
}

fn speak(server: &Path, client: &Path) {
    let cases = cases();
    let name = |runtime: &Path| runtime.file_name().unwrap().display().to_string();
    let (server_name, client_name) = (name(server), name(client));
    let file = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join(format!("interop-{client_name}-to-{server_name}.json"));
    let contents: Vec<&Value> = cases.iter().map(|case| &case.content).collect();
    std::fs::write(&file, serde_json::to_vec(&contents).unwrap()).unwrap();

    let server = Server::start(server, &file);
    let ended =
        finish(Command::new(client).arg(script()).arg("connect").arg(&file).arg(&server.ports));
    assert!(ended.success, "{ended:?}");
    let answers: Vec<String> = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(answers.len(), cases.len());
    for (case, answer) in cases.iter().zip(answers) {
        let what = format!("{client_name} to {server_name}, {}: {answer}", case.what);
        assert_eq!(Outcome::read(&answer), Some(case.outcome), "{what}");
    }
}

#[test]
fn bun_with_bun() {
    speak(&bun(), &bun());
}

#[test]
fn bun_with_node() {
    speak(&program("node"), &bun());
    speak(&bun(), &program("node"));
}

#[test]
fn node_with_node() {
    speak(&program("node"), &program("node"));
}
