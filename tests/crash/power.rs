//! Power cuts: a disk that forgets what it was not told to keep.
//!
//! `strace` writes down what the issuer does to its files. Played back, only what was synced is kept,
//! contents and names of files apart, as POSIX promises no more. At every moment at which something was
//! said to be done, be it a certificate, a denial, a backup or that one was restored, it must be so in
//! what is left then.

use std::{collections::HashMap, fs, process::Command};

use testkit::{
    database::{Contents, Said},
    tools::{Folder, finish, program},
};

/// What a program did, of what matters here.
#[derive(Debug)]
enum Call {
    Open { path: String, fd: String },
    Write { fd: String, bytes: Vec<u8>, at: Option<usize> },
    Truncate { fd: String, len: usize },
    Sync { fd: String },
    Close { fd: String },
    Rename { from: String, to: String },
    Unlink { path: String },
}

/// A line of `strace -xx`, such as `pwrite64(5, "\x00\x01", 2, 32) = 2`.
fn parse(line: &str) -> Option<Call> {
    let (call, result) = line.rsplit_once(" = ")?;
    if result.starts_with('-') {
        return None;
    }
    let (name, arguments) = call.trim_end().strip_suffix(')')?.split_once('(')?;
    let arguments: Vec<&str> = arguments.split(", ").collect();
    let bytes = |at: usize| -> Vec<u8> {
        let text = arguments[at];
        assert!(text.ends_with('"'), "the whole of it is written down: {name}");
        let digits = text.trim_matches('"').split("\\x").skip(1);
        digits.map(|digits| u8::from_str_radix(digits, 16).unwrap()).collect()
    };
    let text = |at| String::from_utf8(bytes(at)).unwrap();
    let fd = || arguments[0].to_owned();
    Some(match name {
        "openat" => Call::Open { path: text(1), fd: result.to_owned() },
        "write" => Call::Write { fd: fd(), bytes: bytes(1), at: None },
        "pwrite64" => {
            Call::Write { fd: fd(), bytes: bytes(1), at: Some(arguments[3].parse().unwrap()) }
        }
        "ftruncate" => Call::Truncate { fd: fd(), len: arguments[1].parse().unwrap() },
        "fsync" | "fdatasync" => Call::Sync { fd: fd() },
        "close" => Call::Close { fd: fd() },
        "rename" => Call::Rename { from: text(0), to: text(1) },
        "renameat" | "renameat2" => Call::Rename { from: text(1), to: text(3) },
        "unlink" => Call::Unlink { path: text(0) },
        _ => return None,
    })
}

#[derive(Default)]
struct File {
    content: Vec<u8>,
    kept: Vec<u8>,
    /// Whether its name is on the disk.
    named: bool,
}

/// A folder on a disk with a cache.
struct Disk {
    folder: String,
    files: HashMap<String, File>,
    open: HashMap<String, String>,
    output: String,
    syncs: usize,
}

impl Disk {
    fn play(&mut self, call: Call) {
        match call {
            Call::Open { path, fd } => {
                if path.starts_with(&format!("{}/", self.folder)) {
                    self.files.entry(path.clone()).or_default();
                }
                self.open.insert(fd, path);
            }
            Call::Write { fd, bytes, at } => match (self.file(&fd), at) {
                (Some(file), Some(at)) => {
                    file.content.resize(file.content.len().max(at + bytes.len()), 0);
                    file.content[at..at + bytes.len()].copy_from_slice(&bytes);
                }
                (None, None) if fd == "1" => self.output += std::str::from_utf8(&bytes).unwrap(),
                (file, _) => assert!(file.is_none(), "a write that is not understood"),
            },
            Call::Truncate { fd, len } => {
                if let Some(file) = self.file(&fd) {
                    file.content.resize(len, 0);
                }
            }
            Call::Sync { fd } => {
                self.syncs += 1;
                if self.open.get(&fd) == Some(&self.folder) {
                    self.files.values_mut().for_each(|file| file.named = true);
                }
                if let Some(file) = self.file(&fd) {
                    file.kept = file.content.clone();
                }
            }
            Call::Close { fd } => {
                self.open.remove(&fd);
            }
            Call::Rename { from, to } => {
                let file = self.files.remove(&from).expect("it was opened before");
                self.files.insert(to, File { named: false, ..file });
            }
            Call::Unlink { path } => {
                self.files.remove(&path);
            }
        }
    }

    fn file(&mut self, fd: &str) -> Option<&mut File> {
        self.files.get_mut(self.open.get(fd)?)
    }

    /// What there is in a database after a power cut now.
    fn cut(&self, database: &str) -> Contents {
        let folder = Folder::new();
        for (path, file) in self.files.iter().filter(|(_, file)| file.named) {
            // The index of the log is made anew after a crash.
            if !path.ends_with("-shm") {
                folder.write(path.rsplit('/').next().unwrap(), &file.kept);
            }
        }
        Contents::read(&folder.path().join(database)).expect("there are tables")
    }
}

#[test]
fn what_was_returned_survives_a_power_cut() {
    let folder = Folder::new();
    let database = folder.path().join("certs.db");
    let log = folder.path().join("strace.txt");
    let mut command = Command::new(program("strace"));
    command.args(["-xx", "-s", "1000000", "-e"]);
    command.arg(
        "trace=openat,write,pwrite64,ftruncate,fsync,fdatasync,close,rename,renameat,renameat2,unlink",
    );
    command.arg("-o").arg(&log).arg(env!("CARGO_BIN_EXE_issuer")).arg(&database).arg("steps");
    let ended = finish(&mut command);
    assert!(ended.success, "{ended:?}");

    let mut disk = Disk {
        folder: folder.path().to_str().unwrap().to_owned(),
        files: HashMap::new(),
        open: HashMap::new(),
        output: String::new(),
        syncs: 0,
    };
    let (mut said, mut syncs) = (String::new(), 0);
    let mut cuts = 0;
    for call in fs::read_to_string(&log).unwrap().lines().filter_map(parse) {
        disk.play(call);
        if disk.output != said {
            said.clone_from(&disk.output);
            let told = Said::read(&said);
            let left = disk.cut("certs.db");
            assert_eq!(left.roots, [told.root.clone().unwrap()], "after {said:?}");
            assert_eq!(left.cas, [1, 1, 1]);
            assert_eq!(left.leaves, told.issued.iter().cloned().collect(), "after {said:?}");
            assert_eq!(left.denied, told.denied, "after {said:?}");
            if let [(_, issued)] = told.backups[..] {
                assert_eq!(disk.cut("certs.backup").leaves.len(), issued);
            }
            assert!(disk.syncs > syncs, "each answer waits for the disk");
            syncs = disk.syncs;
            cuts += 1;
        }
    }
    assert_eq!(said, ended.stdout);
    assert_eq!(cuts, 15, "the hierarchy, eleven certificates, a denial, a backup, a restore");
    // One for each change, a few to make a database and to close it.
    assert!((15..60).contains(&disk.syncs), "{}", disk.syncs);
}
