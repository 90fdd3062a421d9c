//! Go's crypto/x509, in a small program.

use std::{path::PathBuf, process::Command, sync::LazyLock};

use catalyst_pki::Segment;
use serde_json::{Value, json};
use testkit::tools::{finish, python_environment, tests_folder};

use crate::world::{Mode, World, world};

/// The Go program, built once; from Go's cache where `setup.sh` has built it before.
pub(crate) static PROGRAM: LazyLock<PathBuf> = LazyLock::new(|| {
    let target = tests_folder().join("../target/tools");
    let program = target.join("verify-go");
    // No module is asked for, so nothing is ever fetched.
    let built = finish(
        Command::new(python_environment("go"))
            .args(["build", "-o", program.to_str().unwrap(), "."])
            .current_dir(tests_folder().join("interop/go"))
            .env("GOCACHE", target.join("go-cache"))
            .env("GOPATH", target.join("go-path"))
            .env("GOPROXY", "off")
            .env("GOFLAGS", "-mod=mod")
            .env("GOTOOLCHAIN", "local")
            .env("CGO_ENABLED", "0"),
    );
    assert!(built.success, "{built:?}");
    program
});

/// Gives cases to the Go program; what it answers: for each the error, or an empty text.
fn verify(name: &str, cases: &[Value]) -> Vec<String> {
    let file = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("go-{name}.json"));
    std::fs::write(&file, serde_json::to_vec(cases).unwrap()).unwrap();
    let ended = finish(Command::new(&*PROGRAM).arg(file));
    assert!(ended.success, "{ended:?}");
    let answers: Vec<String> = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(answers.len(), cases.len());
    answers
}

/// The same leaf to the root and to its intermediate.
fn cases(world: &World, segment: Segment, leaf: &str, usage: &str) -> [Value; 2] {
    let intermediate = world.mesh.intermediate_pem(segment);
    [
        json!({ "leaf": leaf, "roots": world.mesh.root_pem(), "intermediates": intermediate, "usage": usage }),
        json!({ "leaf": leaf, "roots": intermediate, "intermediates": "", "usage": usage }),
    ]
}

#[test]
fn go_accepts_every_chain() {
    let (mut all, mut expected) = (Vec::new(), Vec::new());
    for mode in Mode::ALL {
        let world = world(mode);
        for leaf in &world.leaves {
            for (usage, accepted) in [("server", true), ("client", leaf.sample.is_client)] {
                let pem = &leaf.identity.certificate_pem;
                all.extend(cases(world, leaf.identity.segment, pem, usage));
                let what = format!("{mode:?} {} {usage}", leaf.sample.service_type);
                expected.extend([(what.clone(), accepted), (what, accepted)]);
            }
        }
    }
    for (answer, (what, accepted)) in verify("accepts", &all).iter().zip(expected) {
        assert_eq!(answer.is_empty(), accepted, "{what}: {answer}");
        assert!(accepted || answer.contains("incompatible key usage"), "{what}: {answer}");
    }
}

#[test]
fn go_enforces_the_name_constraints() {
    let (mut all, mut expected) = (Vec::new(), Vec::new());
    for mode in Mode::ALL {
        let world = world(mode);
        for forged in world.forged("go") {
            let pem = &forged.identity.certificate_pem;
            all.extend(cases(world, Segment::Services, pem, "server"));
            let what = format!("{mode:?} {}", forged.what);
            expected.extend([
                (what.clone(), forged.has_allowed_names),
                (what, forged.has_allowed_names),
            ]);
        }
    }
    for (answer, (what, accepted)) in verify("enforces", &all).iter().zip(expected) {
        assert_eq!(answer.is_empty(), accepted, "{what}: {answer}");
        assert!(
            accepted || answer.contains("is not permitted by any constraint"),
            "{what}: {answer}"
        );
    }
}
