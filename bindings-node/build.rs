//! Linker arguments of an addon, and the folder for its types.

use std::{env, fs, io};

fn main() -> io::Result<()> {
    napi_build::setup();
    // As .cargo/config.toml says; napi-derive makes no folder.
    env::var_os("NAPI_TYPE_DEF_TMP_FOLDER").map_or(Ok(()), fs::create_dir_all)
}
