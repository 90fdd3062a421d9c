//! Our TLS with OpenSSL, GnuTLS, Go, Bun and Node: who is taken, what those who are refused are told,
//! and that nobody resumes a session.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread::{self, JoinHandle},
    time::Duration,
};

use catalyst_pki::{
    Error, ErrorCode, PeerRole, Result, Segment, SvidPolicy, SvidPolicyBuilder,
    tls::{TlsClient, TlsGroup, TlsIdentity, TlsServer, TlsSettings, TlsVersion},
};
use serde_json::json;
use testkit::{
    mesh::TRUST_DOMAIN,
    tools::{Ended, Folder, bun, finish, program},
};

use crate::{
    golang,
    javascript::{self, credentials, script},
    world::{Leaf, Mode, World, world},
};

/// A client that hangs ends, and the test with it.
const PATIENCE: Duration = Duration::from_secs(30);

fn tls13() -> TlsSettings {
    TlsSettings::default()
}

fn leaf(at: usize) -> (&'static World, &'static Leaf) {
    let world = world(Mode::TrustDomain);
    (world, &world.leaves[at])
}

fn orchestrator() -> &'static Leaf {
    leaf(0).1
}

fn node() -> &'static Leaf {
    leaf(2).1
}

fn envoy() -> &'static Leaf {
    leaf(4).1
}

fn anchors() -> &'static str {
    leaf(0).0.mesh.intermediate_pem(Segment::Services)
}

fn chain(leaf: &Leaf) -> String {
    let world = world(Mode::TrustDomain);
    let intermediate = world.mesh.intermediate_pem(leaf.identity.segment);
    format!("{}{intermediate}", leaf.identity.certificate_pem)
}

fn identity(leaf: &Leaf) -> TlsIdentity {
    TlsIdentity::from_pem(&chain(leaf), &leaf.identity.key_pem).unwrap()
}

fn policy(role: PeerRole) -> SvidPolicyBuilder {
    let trust_domain = TRUST_DOMAIN.parse().unwrap();
    SvidPolicy::builder(Segment::Services, role, trust_domain).anchors_pem(anchors())
}

fn server(settings: &TlsSettings) -> TlsServer {
    let policy = policy(PeerRole::Client).build().unwrap();
    TlsServer::new(identity(orchestrator()), policy, settings).unwrap()
}

/// For a server that is the orchestrator.
fn client(settings: &TlsSettings) -> TlsClient {
    let expected = orchestrator().sample.spiffe_id();
    let policy = policy(PeerRole::Server).expect_id(&expected).build().unwrap();
    TlsClient::new(identity(node()), policy, settings).unwrap()
}

/// What became of a connection: who came and how, or why not.
type Found = Result<(String, TlsVersion, TlsGroup)>;

/// Our server on a port of its own, for so many connections.
struct Ours {
    address: SocketAddr,
    found: JoinHandle<Vec<Found>>,
}

impl Ours {
    fn serve(server: TlsServer, connections: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let found = thread::spawn(move || {
            (0..connections).map(|_| answer(&server, &listener.accept().unwrap().0)).collect()
        });
        Ours { address, found }
    }

    fn port(&self) -> String {
        self.address.port().to_string()
    }

    fn found(self) -> Vec<Found> {
        self.found.join().unwrap()
    }
}

fn answer(server: &TlsServer, socket: &TcpStream) -> Found {
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let found = server.accept(socket).map(|mut stream| {
        write!(stream, "welcome").unwrap();
        stream.close().unwrap();
        let id = stream.peer().unwrap().svid().spiffe_id.to_string();
        (id, stream.version().unwrap(), stream.group().unwrap())
    });
    // Until the other side has read all of it, or the alert.
    let _ = socket.shutdown(Shutdown::Write);
    let mut rest = socket;
    let _ = rest.read_to_end(&mut Vec::new());
    found
}

/// What our client hears of a server, and how.
fn hear(client: &TlsClient, address: &str, say: &str) -> (String, TlsVersion, TlsGroup) {
    let socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut stream = client.connect(socket).unwrap();
    let id = stream.peer().unwrap().svid().spiffe_id.to_string();
    assert_eq!(id, orchestrator().sample.spiffe_id());
    stream.write_all(say.as_bytes()).unwrap();
    stream.close().unwrap();
    let mut heard = String::new();
    stream.read_to_string(&mut heard).unwrap();
    (heard, stream.version().unwrap(), stream.group().unwrap())
}

fn came(leaf: &Leaf, version: TlsVersion, group: TlsGroup) -> Found {
    Ok((leaf.sample.spiffe_id(), version, group))
}

fn codes(found: Vec<Found>) -> Vec<ErrorCode> {
    found.into_iter().map(|found| found.unwrap_err().code()).collect()
}

/// Certificates, key and anchors of a leaf as files.
struct Files {
    folder: Folder,
    chain: PathBuf,
    key: PathBuf,
    anchors: PathBuf,
}

fn files(leaf: &Leaf) -> Files {
    let folder = Folder::new();
    Files {
        chain: folder.write("chain.pem", chain(leaf)),
        key: folder.write("key.pem", &leaf.identity.key_pem),
        anchors: folder.write("anchors.pem", anchors()),
        folder,
    }
}

fn s_client(files: &Files, port: &str, more: &[&str]) -> Ended {
    let [chain, key, anchors] =
        [&files.chain, &files.key, &files.anchors].map(|path| path.to_str().unwrap());
    let address = format!("127.0.0.1:{port}");
    let arguments = [
        "s_client",
        "-connect",
        &address,
        "-cert",
        chain,
        "-cert_chain",
        chain,
        "-key",
        key,
        "-CAfile",
        anchors,
        "-no-CApath",
        "-no-CAstore",
        "-partial_chain",
        "-verify_return_error",
        "-ign_eof",
    ];
    let mut command = Command::new(program("openssl"));
    finish(command.args(arguments).args(more).stdin(Stdio::null()))
}

#[test]
fn openssl_connects_and_is_told_why_when_it_is_refused() {
    let ours = Ours::serve(server(&tls13()), 1);
    let ended = s_client(&files(node()), &ours.port(), &[]);
    assert!(ended.stdout.contains("welcome"), "{ended:?}");
    assert!(ended.stdout.contains("Verify return code: 0 (ok)"), "{ended:?}");
    assert_eq!(ours.found(), [came(node(), TlsVersion::Tls13, TlsGroup::X25519)]);

    let denying = policy(PeerRole::Client).expect_id(&envoy().sample.spiffe_id());
    let denying =
        TlsServer::new(identity(orchestrator()), denying.build().unwrap(), &tls13()).unwrap();
    let strict = || server(&tls13());
    for (what, server, leaf, more, code, alert) in [
        ("envoy", strict(), envoy(), &[][..], ErrorCode::UntrustedIssuer, 48),
        ("gateway", strict(), leaf(3).1, &[], ErrorCode::UsageNotAllowed, 43),
        ("unexpected", denying, node(), &[], ErrorCode::UnexpectedPeer, 49),
        ("TLS 1.2", strict(), node(), &["-tls1_2"], ErrorCode::TlsHandshakeFailed, 70),
        ("no group", server(&tls13().require_pq()), node(), &[], ErrorCode::TlsHandshakeFailed, 40),
    ] {
        let ours = Ours::serve(server, 1);
        let ended = s_client(&files(leaf), &ours.port(), more);
        let number = format!("SSL alert number {alert}");
        assert!(ended.stderr.contains(&number), "{what}: {ended:?}");
        assert_eq!(codes(ours.found()), [code], "{what}");
    }
}

#[test]
fn openssl_without_certificate_is_refused() {
    let ours = Ours::serve(server(&tls13()), 1);
    let address = ours.address.to_string();
    let arguments = ["s_client", "-connect", &address, "-ign_eof"];
    let mut command = Command::new(program("openssl"));
    let ended = finish(command.args(arguments).stdin(Stdio::null()));
    assert!(ended.stderr.contains("SSL alert number 116"), "{ended:?}");
    assert_eq!(codes(ours.found()), [ErrorCode::ClientCertificateMissing]);
}

/// Connects twice, the second time with the session of the first if it was given one.
fn twice(files: &Files, port: &str, version: &str) -> [Ended; 2] {
    let session = files.folder.path().join(format!("session{version}"));
    let session = session.to_str().unwrap();
    let first = s_client(files, port, &[version, "-sess_out", session]);
    let resume = ["-sess_in", session];
    let more = if Path::new(session).exists() { &resume[..] } else { &[] };
    let second = s_client(files, port, &[&[version][..], more].concat());
    [first, second]
}

#[test]
fn openssl_resumes_no_session() {
    for (version, ours_is) in [("-tls1_3", TlsVersion::Tls13), ("-tls1_2", TlsVersion::Tls12)] {
        let files = files(node());
        let ours = Ours::serve(server(&tls13().allow_tls12()), 2);
        for ended in twice(&files, &ours.port(), version) {
            assert!(ended.stdout.contains("welcome"), "{ended:?}");
            assert!(ended.stdout.contains("\nNew, TLSv1"), "{ended:?}");
            assert!(!ended.stdout.contains("Reused"), "{ended:?}");
        }
        let expected = came(node(), ours_is, TlsGroup::X25519);
        assert_eq!(ours.found(), [expected.clone(), expected]);
    }
    // The same commands do resume where a server lets them.
    let files = files(node());
    let theirs = Openssl::start(&self::files(orchestrator()), 2);
    let port = theirs.address.rsplit(':').next().unwrap();
    let session = files.folder.path().join("session");
    let session = session.to_str().unwrap();
    // Its status page is what makes it end the connection.
    for (more, words) in
        [(["-sess_out", session], "New, TLSv1.3"), (["-sess_in", session], "Reused, TLSv1.3")]
    {
        let ended = page(&files, port, &more);
        assert!(ended.stdout.contains(words), "{words}: {ended:?}");
    }
}

/// As [`s_client`], and asks for the status page of `s_server -www`.
fn page(files: &Files, port: &str, more: &[&str]) -> Ended {
    let mut command = Command::new(program("openssl"));
    let address = format!("127.0.0.1:{port}");
    let mut process = command
        .args(["s_client", "-connect", &address, "-ign_eof", "-cert"])
        .arg(&files.chain)
        .arg("-key")
        .arg(&files.key)
        .args(more)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    process.stdin.take().unwrap().write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
    let output = process.wait_with_output().unwrap();
    Ended {
        success: output.status.success(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// `openssl s_server`, ended with this value.
struct Openssl {
    process: Child,
    address: String,
}

impl Openssl {
    fn start(files: &Files, connections: usize) -> Self {
        let mut process = Command::new(program("openssl"))
            .args(["s_server", "-accept", "127.0.0.1:0", "-www", "-naccept"])
            .arg(connections.to_string())
            .args(["-partial_chain", "-Verify", "3", "-verify_return_error", "-CAfile"])
            .arg(&files.anchors)
            .arg("-cert")
            .arg(&files.chain)
            .arg("-cert_chain")
            .arg(&files.chain)
            .arg("-key")
            .arg(&files.key)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines().map(Result::unwrap);
        let line = lines.find(|line| line.starts_with("ACCEPT ")).unwrap();
        // It goes on to write there.
        thread::spawn(move || lines.count());
        Openssl { process, address: line["ACCEPT ".len()..].to_owned() }
    }
}

impl Drop for Openssl {
    fn drop(&mut self) {
        let _ = self.process.kill();
        self.process.wait().unwrap();
    }
}

#[test]
fn our_client_speaks_with_openssl_and_resumes_no_session() {
    let theirs = Openssl::start(&files(orchestrator()), 2);
    let client = client(&tls13());
    for _ in 0..2 {
        let (heard, version, group) = hear(&client, &theirs.address, "GET / HTTP/1.0\r\n\r\n");
        assert!(heard.contains("New, TLSv1.3") && !heard.contains("Reused"), "{heard}");
        assert_eq!((version, group), (TlsVersion::Tls13, TlsGroup::X25519));
    }

    let theirs = Openssl::start(&files(orchestrator()), 1);
    let pq = self::client(&tls13().require_pq());
    let refused = pq.connect(TcpStream::connect(&theirs.address).unwrap()).unwrap_err();
    assert_eq!(refused, Error::TlsRefusedByPeer("handshake_failure".into()));

    let theirs = Openssl::start(&files(node()), 1);
    let refused = client.connect(TcpStream::connect(&theirs.address).unwrap()).unwrap_err();
    assert_eq!(refused.code(), ErrorCode::UnexpectedPeer);
}

fn gnutls(files: &Files, port: &str, priority: &str) -> Ended {
    let [chain, key, anchors] =
        [&files.chain, &files.key, &files.anchors].map(|path| path.to_str().unwrap());
    let host = orchestrator().sample.dns_names[0];
    let arguments = [
        "--x509certfile",
        chain,
        "--x509keyfile",
        key,
        "--x509cafile",
        anchors,
        "--verify-hostname",
        host,
        "--priority",
        priority,
        "--port",
        port,
        "127.0.0.1",
    ];
    // An end of its input would end it before it has read.
    let mut command = Command::new(program("gnutls-cli"));
    let mut process = command
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let input = process.stdin.take();
    let output = process.wait_with_output().unwrap();
    drop(input);
    Ended {
        success: output.status.success(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

#[test]
fn gnutls_connects_and_is_told_why_when_it_is_refused() {
    for (priority, version) in [
        ("NORMAL:-VERS-ALL:+VERS-TLS1.3", TlsVersion::Tls13),
        ("NORMAL:-VERS-ALL:+VERS-TLS1.2", TlsVersion::Tls12),
    ] {
        let ours = Ours::serve(server(&tls13().allow_tls12()), 1);
        let ended = gnutls(&files(node()), &ours.port(), priority);
        assert!(ended.stdout.contains("Handshake was completed"), "{ended:?}");
        assert!(ended.stdout.contains("welcome"), "{ended:?}");
        let found = ours.found();
        let (id, found_version, _) = found[0].clone().unwrap();
        assert_eq!((id, found_version), (node().sample.spiffe_id(), version));
    }
    // Without extended master secret (RFC 7627) keying material is not the connection's own.
    let ours = Ours::serve(server(&tls13().allow_tls12()), 1);
    let old = "NORMAL:-VERS-ALL:+VERS-TLS1.2:%NO_SESSION_HASH";
    let ended = gnutls(&files(node()), &ours.port(), old);
    assert!(!ended.stdout.contains("welcome"), "{ended:?}");
    assert_eq!(codes(ours.found()), [ErrorCode::TlsHandshakeFailed]);

    let ours = Ours::serve(server(&tls13()), 1);
    let ended = gnutls(&files(envoy()), &ours.port(), "NORMAL");
    assert!(!ended.stdout.contains("welcome"), "{ended:?}");
    assert!((ended.stdout + &ended.stderr).contains("CA is unknown"));
    assert_eq!(codes(ours.found()), [ErrorCode::UntrustedIssuer]);
}

fn go(arguments: &[&str]) -> Command {
    let mut command = Command::new(&*golang::PROGRAM);
    command.args(arguments);
    command
}

fn go_credentials(files: &Files, leaf: &Leaf) -> String {
    let content = json!({
        "cert": chain(leaf), "key": leaf.identity.key_pem, "anchors": anchors(),
        "host": orchestrator().sample.dns_names[0],
    });
    let file = files.folder.write("go.json", content.to_string());
    file.to_str().unwrap().to_owned()
}

#[test]
fn go_connects_with_a_post_quantum_group_and_resumes_no_session() {
    let files = files(node());
    let ours = Ours::serve(server(&tls13().require_pq()), 2);
    let credentials = go_credentials(&files, node());
    let ended = finish(&mut go(&["connect", &credentials, &ours.address.to_string()]));
    let line = "welcome TLS 1.3 X25519MLKEM768 resumed=false\n";
    assert_eq!(ended.stdout, line.repeat(2), "{ended:?}");
    let expected = came(node(), TlsVersion::Tls13, TlsGroup::X25519MlKem768);
    assert_eq!(ours.found(), [expected.clone(), expected]);

    let ours = Ours::serve(server(&tls13()), 2);
    let credentials = go_credentials(&files, envoy());
    let ended = finish(&mut go(&["connect", &credentials, &ours.address.to_string()]));
    assert_eq!(ended.stdout.matches("unknown certificate authority").count(), 2, "{ended:?}");
    assert_eq!(codes(ours.found()), [ErrorCode::UntrustedIssuer; 2]);
}

#[test]
fn our_client_speaks_with_go_and_resumes_no_session() {
    let files = files(orchestrator());
    let credentials = go_credentials(&files, orchestrator());
    let mut command = go(&["listen", &credentials]);
    let mut process = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines().map(Result::unwrap);
    let address = lines.next().unwrap();
    let client = client(&tls13().require_pq());
    for _ in 0..2 {
        let heard = hear(&client, &address, "hello");
        assert_eq!(heard.0, "welcome");
        assert_eq!(lines.next().unwrap(), "hello TLS 1.3 X25519MLKEM768 resumed=false");
    }
    assert!(process.wait().unwrap().success());
}

#[test]
fn bun_and_node_connect_to_ours_and_ours_to_them() {
    let world = world(Mode::TrustDomain);
    for runtime in [bun(), program("node")] {
        let name = runtime.file_name().unwrap().display().to_string();
        let case = |client: &Leaf| {
            json!({
                "server": credentials(world, &orchestrator().identity),
                "client": credentials(world, &client.identity),
                "serverTrusts": [anchors()],
                "clientTrusts": [anchors()],
                "host": orchestrator().sample.dns_names[0],
            })
        };
        let folder = Folder::new();
        let cases = json!([case(node()), case(envoy())]).to_string();
        let cases = folder.write("cases.json", cases);
        let ours = Ours::serve(server(&tls13()), 2);
        let ports = json!([ours.address.port(), ours.address.port()]).to_string();
        let mut command = Command::new(&runtime);
        let ended = finish(command.arg(script()).arg("connect").arg(&cases).arg(ports));
        let answers: Vec<String> = serde_json::from_str(&ended.stdout).unwrap();
        assert_eq!(answers[0], "welcome", "{name}: {ended:?}");
        assert_ne!(answers[1], "welcome", "{name}");
        let found = ours.found();
        assert_eq!(found[0].as_ref().unwrap().0, node().sample.spiffe_id(), "{name}");
        assert_eq!(found[1].as_ref().unwrap_err().code(), ErrorCode::UntrustedIssuer, "{name}");

        let theirs = javascript::Server::start(&runtime, &cases);
        let ports: Vec<u16> = serde_json::from_str(&theirs.ports).unwrap();
        let socket = TcpStream::connect(("127.0.0.1", ports[0])).unwrap();
        // Node's servers look at intermediates as anchors for clients with SNI alone.
        let client = client(&tls13()).sni(orchestrator().sample.dns_names[0]).unwrap();
        let mut stream = client.connect(socket).unwrap();
        let mut heard = String::new();
        // Node's servers end a connection without close_notify.
        let _ = stream.read_to_string(&mut heard);
        assert_eq!(heard, "welcome", "{name}");
    }
}
