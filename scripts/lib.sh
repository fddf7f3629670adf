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

# Installs pinned wheels: install_wheels FILE FOLDER
install_wheels() {
    mkdir -p "$CACHE/tools"
    local fresh
    fresh="$(mktemp -d "$CACHE/tools/.new-XXXXXX")"
    if python3 -m pip install --quiet --disable-pip-version-check --no-input --no-deps --only-binary=:all: \
        --require-hashes --target "$fresh" --requirement "$1" && chmod 755 "$fresh"; then
        # Another run may have been quicker; both folders hold the same.
        mv -T "$fresh" "$2" 2>/dev/null || rm -rf "$fresh"
    else
        rm -rf "$fresh"
    fi
    [[ -d "$2" ]]
}

# Builds the server and the rehearsal providers with PROFILE, and sets `profile` and `target`, where they are.
build_for_drill() {
    profile="${PROFILE:-release}"
    # Two builds, so that each binary is what it is without the other.
    cargo build --quiet --locked --profile "$profile" --package voice-agent
    cargo build --quiet --locked --profile "$profile" --package voice-sim --features servers
    target="${CARGO_TARGET_DIR:-target}/$([[ "$profile" == dev ]] && echo debug || echo "$profile")"
}

# What machine a drill ran on, and of what commit. say_machine LOAD, as it was before.
say_machine() {
    say "- processor: $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1), $(nproc) cores; load average before $1, after $(load_average)"
    say "- commit: $(git describe --always --dirty --abbrev=10 2>/dev/null || echo unknown), $(date -u '+%Y-%m-%d %H:%M UTC')"
}
load_average() { cut -d ' ' -f 1-3 /proc/loadavg; }

# Builds the servers and the rehearsal providers, and runs a script of scripts/operations with Prometheus and its companions; then says what machine
# it was, and what commit. run_with_watchers SCRIPT TOOL… -- ARGUMENT…
run_with_watchers() {
    local script=$1 tool profile target before code=0
    shift
    while [[ "$1" != -- ]]; do
        tool=$1
        have "$tool" || { complain "needs $tool, which is not here (apt-get install redis-server openssl util-linux)"; exit 1; }
        shift
    done
    shift
    scripts/operations.sh install
    build_for_drill
    before="$(load_average)"
    scripts/operations.sh run python3 "scripts/operations/$script" --target "$target" "$@" || code=$?
    say
    say "- command: \`$0 $*\`, a $profile build"
    say_machine "$before"
    exit "$code"
}
