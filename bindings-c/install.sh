#!/bin/bash
# Installs the libpki that `make libpki` has built, or takes it away again: `make install` and
# `make uninstall` call it. Compiles nothing, so that root can run it.
#
#   install.sh install|uninstall DESTDIR PREFIX LIBDIR
set -euo pipefail

fail() {
    echo "install.sh: $*" >&2
    exit 2
}

[[ $# == 4 && $1 =~ ^(un)?install$ ]] || fail 'install|uninstall DESTDIR PREFIX LIBDIR'
action=$1 prefix=$3 libdir=$4
here=$(cd "$(dirname "$0")" && pwd)
built=${CARGO_TARGET_DIR:-$here/../target}/${CATALYST_PROFILE:-release}

# All that can be wrong is found before anything is copied.
[[ $prefix == /* ]] || fail "PREFIX must begin with /: $prefix"
[[ $libdir == /* ]] || fail "LIBDIR must begin with /: $libdir"
# pkg-config takes these for its own, or for the shell's, whatever quotes there are.
[[ ! $prefix$libdir =~ [[:cntrl:]\"\'\\\$\`\(\)] ]] ||
    fail "no quotes, brackets, backslashes or dollars in PREFIX and LIBDIR: $prefix $libdir"

# From one folder to another, so that what is installed can be moved as a whole.
way() { realpath -m --relative-to="$1" "$2"; }
declare -A values=(
    [VERSION]=$(sed -n 's/^version = "\(.*\)"$/\1/p' "$here/../Cargo.toml" | head -1)
    [ABI]=$(sed -n 's/^pub const PKI_ABI_VERSION: u32 = \([0-9]*\);$/\1/p' "$here/src/version.rs")
    [PC_TO_PREFIX]=$(way "$libdir/pkgconfig" "$prefix")
    [CMAKE_TO_PREFIX]=$(way "$libdir/cmake/libpki" "$prefix")
    [LIBDIR]=$(way "$prefix" "$libdir")
)
for value in "${values[@]}"; do
    [[ $value =~ ^[A-Za-z0-9._/+-]+$ ]] || fail "LIBDIR differs from PREFIX by an odd name: $value"
done

include=$2$prefix/include lib=$2$libdir
shared=libpki.so.${values[VERSION]} soname=libpki.so.${values[ABI]}
filled=("$lib"/pkgconfig/libpki{,-static}.pc "$lib"/cmake/libpki/libpki-config{,-version}.cmake)

# Fills a template in, with nothing that a value could mean to sed.
fill() {
    local text name
    text=$(<"$1")
    for name in "${!values[@]}"; do text=${text//"@$name@"/"${values[$name]}"}; done
    printf '%s\n' "$text" >"$2"
    chmod 644 "$2"
}

case $action in
install)
    [[ -f $built/libpki.so && -f $built/libpki.a ]] || fail 'libpki is not built: make libpki'
    install -d "$include" "$lib/pkgconfig" "$lib/cmake/libpki"
    install -m 644 "$here/include/pki.h" "$here/include/pki.hpp" "$include"
    install -m 755 "$built/libpki.so" "$lib/$shared"
    install -m 644 "$built/libpki.a" "$lib"
    ln -sf "$shared" "$lib/$soname"
    ln -sf "$soname" "$lib/libpki.so"
    for file in "${filled[@]}"; do fill "$here/packaging/${file##*/}.in" "$file"; done
    ;;
uninstall)
    rm -f "$include"/pki.h{,pp} "$lib/$shared" "$lib/$soname" "$lib"/libpki.{so,a} "${filled[@]}"
    # Folders of others stay.
    rmdir --ignore-fail-on-non-empty "$lib/cmake/libpki" "$lib/cmake" "$lib/pkgconfig" 2>/dev/null || true
    ;;
esac
