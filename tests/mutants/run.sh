#!/bin/bash
# Changes the core in every place that .cargo/mutants.toml names, one after another, and runs the tests
# of the core against each: `make mutants`. A change that no test notices survives.
#
# Fails where one survives that survivors.txt doesn't explain, and where one that it explains is no
# longer there or is noticed. Takes hours for all; arguments go to cargo-mutants, to choose:
#
#   tests/mutants/run.sh --re 'verify/(path|known)'    --shard 0/8     --in-diff CHANGES.diff
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
repository=$here/../..
tools=$repository/target/tools work=$repository/target/mutants
version=27.1.0
export PATH=$tools/bin:$tools/venv/bin:$PATH

[ "$(cargo mutants --version 2>/dev/null)" = "cargo-mutants $version" ] ||
    nice cargo install cargo-mutants --version "$version" --locked --force --root "$tools" --target-dir "$tools/build"
cargo-nextest --version >/dev/null || "$repository/tests/setup.sh"

# In a clone of what is committed, always at the same place: nothing changes under a developer's hands,
# and cargo builds what is changed again and no more.
tree=$work/tree
[ -d "$tree/.git" ] || git init --quiet "$tree"
git -C "$tree" fetch --quiet "$repository" HEAD
git -C "$tree" checkout --quiet --force FETCH_HEAD

# Each test is a process of its own there, and gathering true randomness at each start would take longer
# than most of them.
export AWS_LC_SYS_NO_JITTER_ENTROPY=1

# Its own verdict is of no interest, only whether it ran: 2 and 3 are of survivors and endless loops.
result=0
CARGO_TARGET_DIR=$tree/target cargo mutants --dir "$tree" --in-place --output "$work" \
    --colors never "$@" || result=$?
case $result in 0 | 2 | 3) ;; *) exit "$result" ;; esac

# Without the place in the file, which changes with every edit.
names() { sed -E '/^(#|$)/d; s/^([^:]+):[0-9]+:[0-9]+: /\1: /' "$@" | sort; }
explained=$here/survivors.txt out=$work/mutants.out
unexplained=$(comm -23 <(names "$out/missed.txt") <(names "$explained"))
noticed=$(comm -12 <(names "$out/caught.txt" | uniq) <(names "$explained" | uniq))
# One name may stand for several changes in one function, of which some are noticed.
noticed=$(comm -23 <(echo "$noticed") <(names "$out/missed.txt" | uniq))
gone=$(comm -13 <(cd "$tree" && cargo mutants --list | names | uniq) <(names "$explained" | uniq))

tell() { [ -z "$2" ] || { printf '\n%s:\n%s\n' "$1" "$2"; result=1; }; }
result=0
tell 'No test notices, and survivors.txt has no reason' "$unexplained"
tell 'survivors.txt explains what a test notices' "$noticed"
tell 'survivors.txt explains what is not there' "$gone"
echo "mutants: $(wc -l <"$out/caught.txt") noticed, $(wc -l <"$out/timeout.txt") endless," \
    "$(names "$out/missed.txt" | comm -12 - <(names "$explained") | wc -l) explained," \
    "$(echo -n "$unexplained" | grep -c '' || true) unexplained"
exit "$result"
