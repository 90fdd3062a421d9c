//! libpki as C and C++ programs see it: installed into a folder of its own, compiled against there
//! by gcc and clang, run as it is, under valgrind and with sanitizers.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod abi;
mod bundle;
mod cases;
mod cpp;
mod files;
mod guide;
mod header;
mod history;
mod install;
mod misuse;
mod mtls;
mod plugins;
mod programs;
mod staged;
mod threads;
