//! The files of a database in a C host: their paths, and an SQLite of the host's own.

use std::{collections::BTreeSet, fs};

use testkit::tools::{Folder, finish};

use crate::staged::{Compiler, Look, Program, source};

const WAY: (Compiler, Look) = (Compiler::Gcc, Look::Nothing);

#[test]
fn a_relative_path_is_that_of_the_folder_where_it_is_given() {
    let relative = Program::new(WAY, &[source("relative.c")], &[]);
    let [home, data, elsewhere] = [Folder::new(), Folder::new(), Folder::new()];
    home.write("passphrase", "correct horse battery staple\n");
    let folders = [&home, &data, &elsewhere].map(Folder::path);
    let ended = finish(relative.command().args(folders));
    assert!(ended.success, "{ended:?}");
    assert_eq!(ended.stdout, "spiffe://catalyst.example.com/node/node-a\n");
    assert!(data.path().join("certs.db").is_file());
    assert_eq!(fs::read_dir(elsewhere.path()).unwrap().count(), 0);
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1);
}

#[test]
fn what_is_answered_beside_an_sqlite_of_the_host_is_there() {
    let host = Program::new(WAY, &[source("other_sqlite.c")], &["-lsqlite3"]);
    let folder = Folder::new();
    let database = folder.path().join("certs.db");
    let serials = |turns: &[&str]| -> BTreeSet<String> {
        let ended = finish(host.command().arg(&database).args(turns));
        assert!(ended.success, "{ended:?}");
        ended.stdout.lines().map(str::to_owned).collect()
    };
    let answered = serials(&["30"]);
    assert_eq!(answered.len(), 30);
    assert_eq!(serials(&[]), answered);
}
