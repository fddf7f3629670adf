#!/usr/bin/env bash
# Runs every fuzz target, or those that are named, for FUZZ_SECONDS (default 60) each. A tool for a developer, not a part of
# `make test`. What it finds lies in fuzz/artifacts, and what it learned in fuzz/corpus; both are outside of git.
#
#   scripts/fuzz.sh                          every target
#   FUZZ_SECONDS=600 scripts/fuzz.sh NAME    one, for longer
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

FUZZ_TOOLS="$CACHE/tools/fuzz-$(sha256sum scripts/tools-fuzz.txt | cut -c1-16)"
export PATH="$FUZZ_TOOLS/bin:$PATH"
if ! have cargo-fuzz; then
    install_wheels scripts/tools-fuzz.txt "$FUZZ_TOOLS" || { complain "cargo-fuzz could not be installed: cargo install cargo-fuzz"; exit 1; }
fi
names=("$@")
if [[ ${#names[@]} -eq 0 ]]; then
    for target in fuzz/fuzz_targets/*.rs; do names+=("$(basename "$target" .rs)"); done
fi

# Coverage and the address sanitizer are unstable flags of the compiler; the one that builds the product takes them with this, so what is fuzzed
# is what is shipped.
export RUSTC_BOOTSTRAP=1
failed=()
for name in "${names[@]}"; do
    say "==> $name"
    cargo fuzz run "$name" -- -max_total_time="${FUZZ_SECONDS:-60}" -print_final_stats=1 || failed+=("$name")
done
if [[ ${#failed[@]} -gt 0 ]]; then
    complain "failed: ${failed[*]}; what did it is in fuzz/artifacts"
    exit 1
fi
say "${#names[@]} targets, ${FUZZ_SECONDS:-60} s each: nothing found"
