#!/usr/bin/env bash
# Proves that the core's purity is kept by the compiler: a copy of the core that breaks a rule must not pass clippy, for every
# rule tried here, and the core has no dependency that could bring the world in.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

allowed="serde serde_json thiserror"
actual="$(cargo tree --locked --package voice-core --edges normal --depth 1 --prefix none --format '{p}' | tail -n +2 | cut -d' ' -f1 | sort -u | xargs)"
if [[ "$actual" != "$allowed" ]]; then
    complain "voice-core may depend on: $allowed"
    complain "it depends on:            $actual"
    exit 1
fi

# A workspace of its own, so that neither the tree nor the real build's fingerprints are touched.
walls="${CARGO_TARGET_DIR:-$ROOT/target}/walls"
rm -rf "$walls/tree"
mkdir -p "$walls/tree/crates"
cp Cargo.toml Cargo.lock clippy.toml rust-toolchain.toml "$walls/tree/"
cp -R crates/voice-core "$walls/tree/crates/"
cd "$walls/tree"

cat >>crates/voice-core/src/lib.rs <<'RUST'

/// Breaks every wall once.
pub mod breach {
    /// A clock.
    pub fn clock() -> u64 { u64::from(std::time::Instant::now().elapsed().subsec_millis()) }
    /// The wall's clock.
    pub fn date() -> std::time::SystemTime { std::time::SystemTime::now() }
    /// An order that differs from run to run.
    pub fn map() -> std::collections::HashMap<u8, u8> { std::collections::HashMap::new() }
    /// The same for sets.
    pub fn set() -> std::collections::HashSet<u8> { std::collections::HashSet::new() }
    /// The environment.
    pub fn environment() -> Option<String> { std::env::var("HOME").ok() }
    /// A disk.
    pub fn disk() -> Option<String> { std::fs::read_to_string("x").ok() }
    /// A file.
    pub fn file() -> bool { std::fs::File::open("x").is_ok() }
    /// A thread.
    pub fn thread() { drop(std::thread::spawn(|| ())); }
    /// A nap.
    pub fn nap() { std::thread::sleep(std::time::Duration::ZERO); }
    /// A socket.
    pub fn socket() -> bool { std::net::TcpStream::connect("localhost:1").is_ok() }
    /// A process.
    pub fn process() -> bool { std::process::Command::new("true").spawn().is_ok() }
}
RUST

# Not -D warnings: every finding is wanted, not only the first ones.
output="$(CARGO_TARGET_DIR="$walls/target" cargo clippy --offline --quiet --package voice-core --color never 2>&1)" || true
failed=0
for rule in Instant::now Instant::elapsed SystemTime::now HashMap HashSet std::env::var std::fs::read_to_string std::fs::File \
    std::thread::spawn std::thread::sleep std::net::TcpStream std::process::Command; do
    if ! grep -Eq "use of a disallowed (method|type) .*$rule" <<<"$output"; then
        complain "the core may use $rule, and clippy says nothing"
        failed=1
    fi
done
if [[ $failed -ne 0 ]]; then
    complain "$output"
    exit 1
fi
# The lints are on, but do they stop a build? One rule, as the real check runs it.
if CARGO_TARGET_DIR="$walls/target" cargo clippy --offline --quiet --package voice-core -- -D warnings >/dev/null 2>&1; then
    complain "a core that breaks its walls passes clippy -D warnings"
    exit 1
fi
rm -rf "$walls/tree"
say "the core's walls hold: 12 rules tried, 3 dependencies"
