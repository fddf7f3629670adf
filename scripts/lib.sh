# shellcheck shell=bash
# What the other scripts share. Sourced, never run.

ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
CACHE="${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/voice-agent"
# Given by a script that uses these: everything below works from the root of the tree.
cd "$ROOT" || exit 1

say() { printf '%s\n' "$*"; }
complain() { printf '%s\n' "$*" >&2; }
have() { command -v "$1" >/dev/null 2>&1; }
in_ci() { [[ "${CI:-}" == true || "${CI:-}" == 1 ]]; }

# at_least 1.95.0 1.95: whether the first version is the second or newer.
at_least() { [[ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1)" == "$2" ]]; }

# The pinned developer tools live outside the tree, one folder for each content of tools.txt: a folder that exists is whole,
# because it was renamed into its place.
TOOLS_DIR="$CACHE/tools/$(sha256sum "$ROOT/scripts/tools.txt" | cut -c1-16)"
# The S3 server of the tests likewise.
STORAGE_DIR="$CACHE/tools/storage-$(sha256sum "$ROOT/scripts/tools-storage.txt" | cut -c1-16)"
export PATH="$TOOLS_DIR/bin:$STORAGE_DIR/bin:$PATH"
