//! Disks that are full, or can't be written.

use std::{
    fs::{self, Permissions},
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    process::Command,
};

use testkit::{
    database::{Contents, Said},
    tools::{Ended, Folder, finish, program},
};

use crate::issuer;

fn is_root() -> bool {
    fs::metadata("/proc/self").unwrap().uid() == 0
}

/// A file system of its own in a name space of its own, both gone with the process: `script` runs
/// in it as a shell's, `$1` being the folder where it is mounted, `$2` the issuer, `$3` a folder
/// outside. `None` where this user may mount nothing.
fn on_own_disk(size: &str, script: &str, outside: &Path) -> Option<Ended> {
    let unshare = program("unshare");
    let folder = Folder::new();
    let mount = format!("mount -t tmpfs -o size={size},mode=755 none \"$1\"");
    let run = |script: &str| {
        let mut command = Command::new(&unshare);
        command.args(["--mount", "sh", "-euc", script, "sh"]);
        command.arg(folder.path()).arg(env!("CARGO_BIN_EXE_issuer")).arg(outside);
        finish(&mut command)
    };
    if !run(&mount).success {
        assert!(!is_root() || std::env::var_os("CI").is_none(), "root may mount in CI");
        println!("this user may not mount: only the limit on the size of files is tried");
        return None;
    }
    Some(run(&format!("{mount}; {script}")))
}

/// Everything that was returned is stored, and nothing else but what the error was about.
fn check(said: &Said, database: &Path) {
    let contents = Contents::read(database).unwrap();
    assert_eq!(contents.cas, [1, 1, 1]);
    let returned: std::collections::HashSet<_> = said.issued.iter().cloned().collect();
    assert_eq!(contents.leaves, returned);
}

#[test]
fn a_full_disk_is_a_clear_error_and_nothing_is_returned_that_is_not_stored() {
    let outside = Folder::new();
    let Some(ended) = on_own_disk(
        "8m",
        "head -c 3000000 /dev/zero > \"$1/filler\"
         \"$2\" \"$1/certs.db\" fill \"$1/filler\"
         cp \"$1\"/certs.db* \"$3\"",
        outside.path(),
    ) else {
        return;
    };
    assert!(ended.success, "it works again when there is space: {ended:?}");
    let said = Said::read(&ended.stdout);
    let [(code, message)] = said.errors.as_slice() else { panic!("{:?}", said.errors) };
    assert_eq!(code, "PKI_STORE_UNAVAILABLE");
    assert!(message.starts_with("Store unavailable: no space left for the database "), "{message}");
    assert!(message.ends_with("certs.db: free some disk space; nothing was stored"), "{message}");
    assert!(said.issued.len() > 30, "some were issued before: {}", said.issued.len());
    check(&said, &outside.path().join("certs.db"));
}

#[test]
fn a_disk_that_is_full_from_the_beginning_is_a_clear_error() {
    let outside = Folder::new();
    let script = "head -c 9999999 /dev/zero > \"$1/filler\" 2>/dev/null || true
         \"$2\" \"$1/certs.db\" once || true
         rm \"$1/filler\"
         \"$2\" \"$1/certs.db\" once
         cp \"$1\"/certs.db* \"$3\"";
    let Some(ended) = on_own_disk("1m", script, outside.path()) else { return };
    assert!(ended.success, "it works when there is space: {ended:?}");
    let said = Said::read(&ended.stdout);
    let [(code, message)] = said.errors.as_slice() else { panic!("{:?}", said.errors) };
    assert_eq!(code, "PKI_STORE_UNAVAILABLE");
    assert!(message.contains("no space left"), "{message}");
    check(&said, &outside.path().join("certs.db"));
}

/// Where nobody may mount: a limit on the size of files, which the operating system reports as an
/// error of writing.
#[test]
fn a_file_that_may_not_grow_is_a_clear_error_and_nothing_is_returned_that_is_not_stored() {
    let folder = Folder::new();
    let path = folder.path().join("certs.db");
    let filler = folder.write("filler", "");
    // Without the signal, the write fails.
    let ended = finish(
        Command::new(program("prlimit"))
            .args(["--fsize=3000000:3000000", "env", "--ignore-signal=XFSZ"])
            .arg(env!("CARGO_BIN_EXE_issuer"))
            .arg(&path)
            .args(["fill", filler.to_str().unwrap()]),
    );
    let said = Said::read(&ended.stdout);
    let (code, message) = &said.errors[0];
    assert_eq!(code, "PKI_STORE_UNAVAILABLE", "{ended:?}");
    assert!(message.starts_with("Store unavailable: "), "{message}");
    assert!(message.contains("certs.db"), "{message}");
    assert!(said.issued.len() > 30, "some were issued before: {}", said.issued.len());
    check(&said, &path);
    // With room again, it goes on.
    let again = Said::read(&finish(&mut issuer(&path, &["once"])).stdout);
    assert_eq!((again.issued.len(), again.root), (1, said.root));
}

/// Runs the issuer as a user that isn't root, in a folder that this user can reach.
fn as_nobody(folder: &Folder, database: &Path) -> Said {
    let helper = folder.path().join("issuer");
    fs::copy(env!("CARGO_BIN_EXE_issuer"), &helper).unwrap();
    let mut command = if is_root() {
        let mut command = Command::new(program("setpriv"));
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(&helper);
        command
    } else {
        Command::new(&helper)
    };
    let ended = finish(command.arg(database).arg("once"));
    assert!(!ended.success && ended.stderr.is_empty(), "{ended:?}");
    Said::read(&ended.stdout)
}

/// A folder with a database in it, both with these permissions; what somebody else can do with it.
fn with_permissions(file: u32, folder_mode: u32) -> String {
    let folder = Folder::new();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
    let data = folder.path().join("data");
    fs::create_dir(&data).unwrap();
    let database = data.join("certs.db");
    assert!(finish(&mut issuer(&database, &["once"])).success);
    let before = Contents::read(&database).unwrap();
    for entry in fs::read_dir(&data).unwrap() {
        let path = entry.unwrap().path();
        if path != database {
            fs::remove_file(path).unwrap();
        }
    }
    fs::set_permissions(&database, Permissions::from_mode(file)).unwrap();
    fs::set_permissions(&data, Permissions::from_mode(folder_mode)).unwrap();

    let said = as_nobody(&folder, &database);
    let [(code, message)] = said.errors.as_slice() else { panic!("{said:?}") };
    assert_eq!((code.as_str(), said.issued.len()), ("PKI_STORE_UNAVAILABLE", 0), "{message}");

    fs::set_permissions(&data, Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(&database, Permissions::from_mode(0o644)).unwrap();
    assert_eq!(Contents::read(&database).unwrap().leaves, before.leaves, "unchanged");
    let path = database.display().to_string();
    message.replace(&path, "DB").replace(&data.display().to_string(), "FOLDER")
}

#[test]
fn a_database_that_this_user_may_not_write_is_a_clear_error() {
    assert_eq!(
        with_permissions(0o444, 0o755),
        "Store unavailable: the database DB is read-only: give this user write permission on the \
         file and its folder, and check that the disk is mounted for writing"
    );
    assert_eq!(
        with_permissions(0o666, 0o555),
        "Store unavailable: the database DB is read-only: give this user write permission on the \
         file and its folder, and check that the disk is mounted for writing"
    );
    assert_eq!(
        with_permissions(0o000, 0o777),
        "Store unavailable: the database DB can't be opened: give this user read and write \
         permission on the file"
    );
    assert_eq!(
        with_permissions(0o666, 0o000),
        "Store unavailable: the database DB can't be opened: permission denied: give this user \
         read and write permission on it and on the folder FOLDER"
    );
}

#[test]
fn a_folder_that_this_user_may_not_write_is_a_clear_error() {
    let folder = Folder::new();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o555)).unwrap();
    let helper_folder = Folder::new();
    fs::set_permissions(helper_folder.path(), Permissions::from_mode(0o755)).unwrap();
    let database: PathBuf = folder.path().join("certs.db");
    let said = as_nobody(&helper_folder, &database);
    let expected = format!(
        "Store unavailable: the database {} can't be opened: permission denied: give this user \
         read and write permission on it and on the folder {}",
        database.display(),
        folder.path().display()
    );
    assert_eq!(said.errors, [("PKI_STORE_UNAVAILABLE".to_owned(), expected)]);
    assert!(!database.exists());
}

#[test]
fn a_disk_mounted_read_only_is_a_clear_error() {
    let outside = Folder::new();
    let script = "\"$2\" \"$1/certs.db\" once >/dev/null
         mount -o remount,ro \"$1\"
         \"$2\" \"$1/certs.db\" once || true
         \"$2\" \"$1/other.db\" once || true";
    let Some(ended) = on_own_disk("8m", script, outside.path()) else { return };
    let said = Said::read(&ended.stdout);
    assert!(said.issued.is_empty() && said.errors.len() == 2, "{ended:?}");
    let [existing, new] = &said.errors[..] else { panic!("{said:?}") };
    for (code, message) in [existing, new] {
        assert_eq!(code, "PKI_STORE_UNAVAILABLE");
        assert!(message.contains("read-only"), "{message}");
    }
}
