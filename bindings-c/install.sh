#!/bin/bash
# Installs libpki, or takes it away again: `make install` and `make uninstall` call it.
#
#   install.sh install|uninstall DESTDIR PREFIX
set -euo pipefail
action=$1 root=$2$3 prefix=$3
here=$(cd "$(dirname "$0")" && pwd)
built=${CARGO_TARGET_DIR:-$here/../target}/release

abi=$(sed -n 's/^pub const PKI_ABI_VERSION: u32 = \([0-9]*\);$/\1/p' "$here/src/version.rs")
version=$(sed -n 's/^version = "\(.*\)"$/\1/p' "$here/../Cargo.toml" | head -1)
lib=$root/lib
files=(
    "$root/include/pki.h" "$root/include/pki.hpp"
    "$lib/libpki.so.$version" "$lib/libpki.so.$abi" "$lib/libpki.so" "$lib/libpki.a"
    "$lib/pkgconfig/libpki.pc"
    "$lib/cmake/libpki/libpki-config.cmake" "$lib/cmake/libpki/libpki-config-version.cmake"
)

fill() {
    sed -e "s|@PREFIX@|$prefix|g" -e "s|@VERSION@|$version|g" -e "s|@ABI@|$abi|g" "$1" >"$2"
    chmod 644 "$2"
}

case $action in
install)
    install -d "$root/include" "$lib/pkgconfig" "$lib/cmake/libpki"
    install -m 644 "$here/include/pki.h" "$here/include/pki.hpp" "$root/include"
    install -m 755 "$built/libpki.so" "$lib/libpki.so.$version"
    install -m 644 "$built/libpki.a" "$lib/libpki.a"
    ln -sf "libpki.so.$version" "$lib/libpki.so.$abi"
    ln -sf "libpki.so.$abi" "$lib/libpki.so"
    fill "$here/packaging/libpki.pc.in" "$lib/pkgconfig/libpki.pc"
    fill "$here/packaging/libpki-config.cmake.in" "$lib/cmake/libpki/libpki-config.cmake"
    fill "$here/packaging/libpki-config-version.cmake.in" "$lib/cmake/libpki/libpki-config-version.cmake"
    ;;
uninstall)
    rm -f "${files[@]}"
    # Folders of others stay.
    rmdir --ignore-fail-on-non-empty "$lib/cmake/libpki" "$lib/cmake" "$lib/pkgconfig" 2>/dev/null || true
    ;;
*)
    echo "install.sh install|uninstall DESTDIR PREFIX" >&2
    exit 2
    ;;
esac
