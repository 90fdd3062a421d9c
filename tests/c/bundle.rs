//! `bundle.c`, which prints the anchors of a segment: every way.

use testkit::tools::{Folder, finish};

use crate::staged::{Compiler, Look, Program, WAYS, example};

const DOMAIN: &str = "mesh.example.com";

#[test]
fn anchors_are_printed_once_there_is_a_hierarchy() {
    let issue = Program::new((Compiler::Gcc, Look::Nothing), &[example("issue.c")], &[]);
    for way in WAYS {
        let bundle = Program::new(way, &[example("bundle.c")], &[]);
        let folder = Folder::new();
        let database = folder.path().join("certs.db");
        let anchors =
            |segment: &str| finish(bundle.command().arg(&database).args([DOMAIN, segment]));
        let none = anchors("services");
        assert!(none.stderr.contains("PKI_ERR_NOT_INITIALIZED"), "{none:?}");
        assert!(!none.stderr.contains("=="), "valgrind, or a sanitizer: {none:?}");

        let id = format!("spiffe://{DOMAIN}/node/a");
        let issued = finish(issue.command().arg(&database).arg(id));
        assert!(issued.stderr.contains("CA initialized trust_domain=mesh.example.com"));
        assert!(issued.stderr.contains("Certificate issued spiffe_id="), "{issued:?}");
        let (services, transport) = (anchors("services"), anchors("transport"));
        assert!(services.success && transport.success, "{services:?} {transport:?}");
        // What the peer sends along with its own.
        assert!(issued.stdout.ends_with(&services.stdout) && !services.stdout.is_empty());
        assert!(!issued.stdout.contains(&transport.stdout));
    }
}
