#!/usr/bin/env bash
# Runs every fuzz target for FUZZ_SECONDS (default 60) each. Needs cargo-fuzz and a nightly Rust: a tool for a developer, not
# a part of `make test`.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

have cargo-fuzz || { complain "cargo-fuzz is missing: cargo install cargo-fuzz"; exit 1; }
[[ -d fuzz/fuzz_targets ]] || { complain "there are no fuzz targets in fuzz/fuzz_targets"; exit 1; }
for target in fuzz/fuzz_targets/*.rs; do
    name="$(basename "$target" .rs)"
    say "==> $name"
    cargo +nightly fuzz run "$name" -- -max_total_time="${FUZZ_SECONDS:-60}"
done
