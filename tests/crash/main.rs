//! What a CA is after a crash, on a full disk, on one that can't be written: whole, and clear about
//! what is wrong.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod backup;
mod disk;
mod files;
mod kill;
mod power;
mod replaced;

use std::{path::Path, process::Command};

/// The `issuer`, not yet started.
fn issuer(database: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_issuer"));
    command.arg(database).args(arguments);
    command
}
