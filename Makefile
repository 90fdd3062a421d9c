# Nothing but calls of what is below.

.PHONY: all build demo test lint deny docs bench fuzz soak setup clean header libpki install uninstall

all: build

# Everything, release: the Rust workspace, the addon, its TypeScript face.
build: node_modules
	cargo build --release --workspace --exclude catalyst-pki-node --locked
	npm run build

# A CA and two services that speak mutual TLS, in Bun. Installs what it needs; keeps its database.
demo: node_modules
	npm run build
	npm run demo

# Everything that shows that it works, from clean. Installs what it needs.
test: setup build lint deny
	cargo test --release --workspace --locked
	cargo test --release -p catalyst-pki --test limbo --locked -- --nocapture
	npm test

# Formatting, lints, documentation, and whether what is generated is what is tracked.
lint: node_modules
	cargo fmt --all --check
	cargo clippy --release --workspace --all-targets --locked -- -D warnings
	cargo clippy --release -p catalyst-pki --no-default-features --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --release --workspace --no-deps --locked
	npm run lint

# bindings-c/include/pki.h and the snapshot of the ABI, from the source. Refuses to break the ABI
# under its present number.
header:
	CATALYST_UPDATE=1 cargo test --release --locked -p catalyst-pki-c --test header
	CATALYST_UPDATE=1 cargo test --release --locked -p catalyst-pki-tests --test c -- abi

# libpki for C and C++.
libpki:
	cargo build --release --locked -p catalyst-pki-c

# Header, libraries, pkg-config and CMake files of the libpki that is built: compiles nothing, so it
# can run as root. `DESTDIR` is put before everything, for packages.
PREFIX ?= /usr/local
LIBDIR ?= $(PREFIX)/lib
install uninstall:
	bindings-c/install.sh $@ '$(DESTDIR)' '$(PREFIX)' '$(LIBDIR)'

# Licences and sources of all that is depended on; pinned, kept in target/tools.
deny: target/tools/bin/cargo-deny
	target/tools/bin/cargo-deny --locked check bans licenses sources

target/tools/bin/cargo-deny:
	cargo install cargo-deny --version 0.20.2 --locked --root target/tools --target-dir target/tools/build

# The reference: target/doc/catalyst_pki/index.html.
docs:
	RUSTDOCFLAGS="-D warnings" cargo doc --release --workspace --no-deps --locked

# Speed, as ratios within one run: a table, and target/bench.json.
bench: build
	cargo bench --locked -p catalyst-pki --bench pki --bench verify -- --noplot
	cargo bench --locked -p catalyst-pki --bench ratios
	npm run bench -- target/bench.json
	npm run load-time --workspace @catalyst/pki

# What the tests use and a new machine may lack: OpenSSL, GnuTLS, Go, pkilint, Bun.
setup:
	tests/setup.sh

# Coverage-guided, a minute a target; needs a nightly toolchain.
fuzz:
	fuzz/run.sh

# The slow suites in full.
soak: setup node_modules
	CATALYST_SOAK=1 cargo test --release --locked -p catalyst-pki-tests
	npm run build
	CATALYST_SOAK=1 npm test -- soak

clean:
	cargo clean
	rm -rf node_modules bindings-node/dist

node_modules: package-lock.json
	npm ci
	touch $@
