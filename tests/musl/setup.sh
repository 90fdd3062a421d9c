#!/bin/bash
# A Bun that is linked with musl, as Alpine's users run it, on a machine with glibc:
# target/tools/musl/bun. There is one for Linux on x64 alone; does nothing elsewhere.
set -euo pipefail
[ "$(uname -sm)" = "Linux x86_64" ] || exit 0
here=$(cd "$(dirname "$0")" && pwd)
musl=$here/../../target/tools/musl
wanted=$(cat "$here"/{package-lock.json,requirements.txt,missing.c,setup.sh} | sha256sum)
[ "$wanted" != "$(cat "$musl/installed" 2>/dev/null)" ] || exit 0

echo "Installing a Bun with musl"
rm -rf "$musl"
mkdir -p "$musl/lib"
musl=$(cd "$musl" && pwd)
[ -e /lib/ld-musl-x86_64.so.1 ] ||
    { apt-get update -qq && apt-get install -y -qq --no-install-recommends musl; }

# npm refuses it on glibc unless it is forced.
cp "$here/package.json" "$here/package-lock.json" "$here/.npmrc" "$musl"
npm ci --prefix "$musl" --force --ignore-scripts --no-audit --no-fund --loglevel=error

python3 -m venv "$musl/venv"
"$musl/venv/bin/pip" download --quiet --disable-pip-version-check --no-deps --require-hashes \
    --only-binary :all: --platform musllinux_1_1_x86_64 --python-version 3.12 \
    --dest "$musl/wheel" -r "$here/requirements.txt"
python3 -m zipfile -e "$musl"/wheel/*.whl "$musl/wheel"
cp "$musl"/wheel/greenlet.libs/libgcc_s-* "$musl/lib"
cp "$musl"/wheel/greenlet.libs/libstdc++-* "$musl/lib/libstdc++.so.6"
cc -shared -nostdlib -fPIC -o "$musl/lib/missing.so" "$here/missing.c"
rm -rf "$musl/wheel" "$musl/venv"

cat >"$musl/bun" <<BUN
#!/bin/sh
export LD_PRELOAD='$musl/lib/missing.so' LD_LIBRARY_PATH='$musl/lib'
exec '$musl/node_modules/@oven/bun-linux-x64-musl/bin/bun' "\$@"
BUN
chmod +x "$musl/bun"
"$musl/bun" --version >/dev/null
echo "$wanted" >"$musl/installed"
