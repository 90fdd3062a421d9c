#!/bin/bash
# Fuzzes each target for a bounded time, two minutes unless FUZZ_SECONDS says otherwise; or the
# targets that are named. Inputs that were found and worth keeping stay under target/fuzz/.
set -euo pipefail
cd "$(dirname "$0")"
seconds=${FUZZ_SECONDS:-120}
targets=("$@")
[ $# -gt 0 ] || targets=(csr certificate spiffe_id peer sealed)

if ! rustup run nightly rustc --version >/dev/null 2>&1; then
    echo "Fuzzing needs a nightly toolchain: rustup toolchain install nightly" >&2
    exit 1
fi
cargo fuzz --version >/dev/null 2>&1 || cargo install cargo-fuzz --locked --version 0.13.2

# The compiler's target is named, since cargo-fuzz's own guess needs its standard library for musl.
host=$(rustup run nightly rustc -vV | sed -n 's/^host: //p')
work=../target/fuzz
mkdir -p "$work"
export CARGO_TARGET_DIR=$PWD/$work/build

# Made once: what is kept of earlier runs is signed by the same CA.
if [ ! -d "$work/seeds" ]; then
    CARGO_TARGET_DIR=../target cargo run --quiet --release --locked --manifest-path ../Cargo.toml \
        -p catalyst-pki-tests --bin seeds -- "$work/seeds"
fi
export CATALYST_FUZZ_CA=$PWD/$work/seeds/ca
for target in "${targets[@]}"; do
    echo "== $target, $seconds s"
    mkdir -p "$work/corpus/$target" "$work/seeds/$target" "$work/artifacts/$target"
    cargo +nightly fuzz run --fuzz-dir . --target "$host" --sanitizer address "$target" \
        "$work/corpus/$target" "$work/seeds/$target" -- \
        -max_total_time="$seconds" -max_len=20000 -timeout=20 -rss_limit_mb=4096 -print_final_stats=1 \
        -artifact_prefix="$work/artifacts/$target/" 2>&1 |
        grep -vE '^(#|\s+Compiling|INFO:)' || { echo "$target: see $work/artifacts/$target" >&2; exit 1; }
done
