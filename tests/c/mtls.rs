//! Mutual TLS of the C examples, on OpenSSL, with each other and with Bun: everybody refuses an
//! Envoy and a certificate of another trust domain.

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
};

use catalyst_pki::{
    Segment, ServiceType,
    authority::{
        CertificateManager, ManagerConfig,
        signer::{KeyProtection, Passphrase},
        store::SqliteStore,
    },
};
use serde_json::{Value, json};
use testkit::{
    mesh::{FOREIGN_TRUST_DOMAIN, Identity, Mesh, TRUST_DOMAIN},
    tools::{Ended, Folder, bun, finish, tests_folder},
};

use crate::staged::{Compiler, Look, PASSPHRASE, Program, WAYS, Way, example};

const NODE: &str = "spiffe://mesh.example.com/node/node-a";
const NODES: &str = "spiffe://mesh.example.com/node/*";
const AUTH: &str = "spiffe://mesh.example.com/auth/auth-a";
const ENVOY: &str = "spiffe://mesh.example.com/envoy/app/node-a";
const FOREIGN: &str = "spiffe://rogue.example.org/auth/auth-a";
const HELLO: &str = "Hello, node-a\n";

/// A CA in a file, for programs in C and for what the test itself issues.
struct Ca {
    database: PathBuf,
    mesh: Mesh,
}

impl Ca {
    fn new(folder: &Folder, trust_domain: &str) -> Self {
        let database = folder.path().join(trust_domain).with_extension("db");
        let protection = KeyProtection::Passphrase(Passphrase::new(PASSPHRASE).unwrap());
        let store = SqliteStore::open(&database, &protection).unwrap();
        let config = ManagerConfig::new(trust_domain.parse().unwrap());
        let (keys, sealer) = (Arc::new(store.local_keys()), store.sealer().clone());
        let manager = CertificateManager::new(Arc::new(store), keys, config).unwrap();
        Ca { database, mesh: Mesh::of(manager, sealer) }
    }

    fn credentials(&self, identity: &Identity) -> Value {
        let issuer = self.mesh.intermediate_pem(identity.segment);
        json!({ "cert": format!("{}{issuer}", identity.certificate_pem), "key": identity.key_pem })
    }
}

struct World {
    folder: Folder,
    own: Ca,
    foreign: Ca,
}

impl World {
    fn new() -> Self {
        let folder = Folder::new();
        let own = Ca::new(&folder, TRUST_DOMAIN);
        let foreign = Ca::new(&folder, FOREIGN_TRUST_DOMAIN);
        World { folder, own, foreign }
    }

    /// The arguments that say which CA an identity is of, and whom it takes.
    fn side(&self, id: &str, expect: &str, last: &str) -> Vec<String> {
        let path = |ca: &Ca| ca.database.display().to_string();
        let own = if id == FOREIGN { &self.foreign } else { &self.own };
        let mut arguments = vec![path(own), id.to_owned(), expect.to_owned(), last.to_owned()];
        if id == FOREIGN {
            arguments.extend([path(&self.own), TRUST_DOMAIN.to_owned()]);
        }
        arguments
    }

    /// A case of `peer.mjs`; both sides trust our Services CA.
    fn case(&self, server: Value, client: Value) -> Value {
        let anchors = [self.own.mesh.intermediate_pem(Segment::Services)];
        json!({ "server": server, "client": client, "serverTrusts": anchors,
                "clientTrusts": anchors, "host": "auth-a" })
    }

    fn identity(&self, ca: &Ca, service_type: ServiceType, instance: &str) -> Value {
        ca.credentials(&ca.mesh.issue(service_type, instance))
    }
}

fn program(way: Way, name: &str) -> Program {
    let sources = [example(&format!("{name}.c")), example("mtls.c")];
    Program::new(way, &sources, &["-lssl", "-lcrypto"])
}

const PLAIN: Way = (Compiler::Gcc, Look::Nothing);

/// A server that says its port in its first line.
struct Server {
    process: Child,
    output: BufReader<std::process::ChildStdout>,
    first: String,
}

impl Server {
    fn start(command: &mut Command) -> Self {
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(process.stdout.take().unwrap());
        let mut first = String::new();
        output.read_line(&mut first).unwrap();
        Server { process, output, first }
    }

    /// The port of a server in C.
    fn port(&self) -> String {
        self.first.strip_prefix("port ").expect(&self.first).trim().to_owned()
    }

    /// Waits for its end; one in Bun ends with its standard input.
    fn end(mut self) -> Ended {
        drop(self.process.stdin.take());
        let stdout: Vec<String> = self.output.lines().map_while(Result::ok).collect();
        let output = self.process.wait_with_output().unwrap();
        Ended {
            success: output.status.success(),
            stdout: stdout.join("\n"),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

fn peer(mode: &str, cases: &Path) -> Command {
    let mut command = Command::new(bun());
    command.arg(tests_folder().join("interop/js/peer.mjs")).arg(mode).arg(cases);
    command
}

#[test]
fn c_server_with_c_client() {
    for way in WAYS {
        serve_and_call(&program(way, "mtls_server"), &program(way, "mtls_client"));
    }
}

fn serve_and_call(server: &Program, client: &Program) {
    let world = World::new();
    let server = Server::start(server.command().args(world.side(AUTH, NODES, "2")));
    let call = |id: &str| finish(client.command().args(world.side(id, AUTH, &server.port())));
    let answer = call(NODE);
    assert!(answer.success, "{answer:?}");
    assert_eq!(answer.stdout, format!("reached {AUTH}\n{HELLO}"));
    let refused = call(ENVOY);
    assert!(refused.stdout.ends_with("refused\n"), "{refused:?}");
    assert!(!refused.stderr.contains("=="), "valgrind, or a sanitizer: {refused:?}");
    let ended = server.end();
    assert!(ended.success, "{ended:?}");
    assert_eq!(ended.stdout, format!("called by {NODE}\nrefused"));
}

#[test]
fn c_server_with_bun_client() {
    let (world, server) = (World::new(), program(PLAIN, "mtls_server"));
    let (own, foreign) = (&world.own, &world.foreign);
    let none = json!({});
    let cases: Vec<Value> = [
        world.identity(own, ServiceType::Node, "node-a"),
        world.identity(own, ServiceType::EnvoyApp, "node-a"),
        world.identity(foreign, ServiceType::Node, "node-a"),
        world.identity(own, ServiceType::Auth, "auth-b"),
    ]
    .into_iter()
    .map(|client| world.case(none.clone(), client))
    .collect();
    let file = world.folder.write("clients.json", serde_json::to_vec(&cases).unwrap());
    let server = Server::start(server.command().args(world.side(AUTH, NODES, "4")));
    let ports = format!("[{0},{0},{0},{0}]", server.port());
    let ended = finish(peer("connect", &file).arg(&ports));
    let answers: Vec<String> = serde_json::from_str(&ended.stdout).expect(&ended.stderr);
    assert_eq!(answers[0], HELLO);
    for answer in &answers[1..] {
        assert!(!answer.contains("Hello") && answer != "timeout", "{answers:?}");
    }
    let ended = server.end();
    assert_eq!(ended.stdout, format!("called by {NODE}\nrefused\nrefused\nrefused"));
    let codes: Vec<&str> =
        ended.stderr.lines().filter_map(|line| line.split(": ").nth(1)).collect();
    assert_eq!(
        codes,
        ["PKI_ERR_UNTRUSTED_ISSUER", "PKI_ERR_FOREIGN_TRUST_DOMAIN", "PKI_ERR_UNEXPECTED_PEER"]
    );
}

#[test]
fn bun_client_refuses_c_servers() {
    let (world, server) = (World::new(), program(PLAIN, "mtls_server"));
    let node = world.identity(&world.own, ServiceType::Node, "node-a");
    let case = [world.case(json!({}), node)];
    let file = world.folder.write("client.json", serde_json::to_vec(&case).unwrap());
    for id in [ENVOY, FOREIGN] {
        let server = Server::start(server.command().args(world.side(id, NODES, "1")));
        let ended = finish(peer("connect", &file).arg(format!("[{}]", server.port())));
        let answer = ended.stdout.trim();
        assert_eq!(answer, r#"["client: UNABLE_TO_GET_ISSUER_CERT_LOCALLY"]"#, "{id}");
        assert_eq!(server.end().stdout, "refused");
    }
}

#[test]
fn bun_server_with_c_client() {
    let (world, client) = (World::new(), program(PLAIN, "mtls_client"));
    let cases: Vec<Value> = [
        world.identity(&world.own, ServiceType::Auth, "auth-a"),
        world.identity(&world.own, ServiceType::EnvoyApp, "node-a"),
        world.identity(&world.foreign, ServiceType::Auth, "auth-a"),
        world.identity(&world.own, ServiceType::Auth, "auth-b"),
    ]
    .into_iter()
    .map(|server| world.case(server, json!({})))
    .collect();
    let file = world.folder.write("servers.json", serde_json::to_vec(&cases).unwrap());
    let server = Server::start(&mut peer("serve", &file));
    let ports: Vec<u16> = serde_json::from_str(&server.first).unwrap();
    let call = |id: &str, at: usize| {
        finish(client.command().args(world.side(id, AUTH, &ports[at].to_string())))
    };
    let answer = call(NODE, 0);
    assert!(answer.success, "{answer:?}");
    assert_eq!(answer.stdout, format!("reached {AUTH}\nwelcome"));
    for (at, code) in [
        (1, "PKI_ERR_UNTRUSTED_ISSUER"),
        (2, "PKI_ERR_FOREIGN_TRUST_DOMAIN"),
        (3, "PKI_ERR_UNEXPECTED_PEER"),
    ] {
        let refused = call(NODE, at);
        assert!(!refused.success && refused.stderr.contains(code), "{at}: {refused:?}");
        assert_eq!(refused.stdout, "refused\n");
    }
    // Those whom the server refuses have reached it, and hear nothing.
    for id in [ENVOY, FOREIGN] {
        let refused = call(id, 0);
        assert!(!refused.success, "{id}: {refused:?}");
        assert_eq!(refused.stdout, format!("reached {AUTH}\nrefused\n"), "{id}");
    }
    assert!(server.end().success);
}
