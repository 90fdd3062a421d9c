#!/bin/sh
# Installs the packages of target/npm into an empty project, for one target, and runs the README's
# example: .github/try.sh linux-x64-musl
set -eu
repository=$(pwd)
project=$(mktemp -d)
cp target/npm/catalyst-pki-[0-9]*.tgz "$project/pki.tgz"
cp "target/npm/catalyst-pki-$1"-[0-9]*.tgz "$project/platform.tgz"
sed -n '/^```ts$/,/^```$/p' "$repository/bindings-node/README.md" | sed '/^```/d' >"$project/example.mjs"
cd "$project"
npm init --yes >/dev/null
npm install --no-audit --no-fund ./pki.tgz ./platform.tgz zod@4
node example.mjs | grep 'verified: spiffe://mesh.example.com/auth/auth-a'
