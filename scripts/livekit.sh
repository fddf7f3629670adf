#!/usr/bin/env bash
# The real livekit-server and LiveKit's official Python SDK, and the tests of crates/livekit-rtc against them.
#
#   scripts/livekit.sh server    builds the server once (about three minutes of a core) and prints where it is
#   scripts/livekit.sh cached    prints where it is; exit code 3 if it was not built
#   scripts/livekit.sh test      builds it if need be, and runs the tests; more arguments go to the test runner
#   scripts/livekit.sh drill     kills processes in the midst of calls in rooms; ROOM_KILLS and ROOM_CALLERS, and Markdown
#
# Both are kept outside the tree, in the cache folder. What was built has its digest beside it: a server that was altered or
# cut short is built anew. Without Go, or without the SDK's wheels, what needs them is left out, and that is said.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

VERSION=v1.13.5 # Later ones need forks of libraries that only their own repositories have.
GO_NEEDED=1.26
FOLDER="$CACHE/livekit/server-$VERSION"
PYTHON="$CACHE/livekit/python-$(sha256sum scripts/livekit-python.txt | cut -c1-16)"

is_whole() { [[ -x "$FOLDER/livekit-server" ]] && (cd "$FOLDER" && sha256sum --quiet --check digest) >/dev/null 2>&1; }

build_server() {
    if ! have go || ! at_least "$(go env GOVERSION | sed 's/^go//')" "$GO_NEEDED"; then
        complain "livekit-server $VERSION is built with Go $GO_NEEDED or newer, which is not here (https://go.dev/dl)"
        exit 3
    fi
    local fresh
    mkdir -p "$CACHE/livekit"
    fresh="$(mktemp -d "$CACHE/livekit/.new-XXXXXX")"
    complain "building livekit-server $VERSION (once)"
    # From here to the renaming nothing is seen of it, so whatever is in its place is whole, or was altered later.
    if (cd "$fresh" && GOBIN="$fresh" GOTOOLCHAIN=local go install -trimpath -ldflags '-s -w' \
        "github.com/livekit/livekit-server/cmd/server@$VERSION"); then
        mv "$fresh/server" "$fresh/livekit-server"
        (cd "$fresh" && sha256sum livekit-server >digest)
        chmod 755 "$fresh"
        rm -rf "$FOLDER"
        # Another run may have been quicker; both folders hold the same.
        mv -T "$fresh" "$FOLDER" 2>/dev/null || rm -rf "$fresh"
    else
        rm -rf "$fresh"
    fi
    is_whole || { complain "livekit-server $VERSION could not be built (its sources come through Go's module proxy)"; exit 3; }
}

# The SDK is a folder that is whole because it was renamed into its place.
install_python() {
    [[ -d "$PYTHON" ]] && return
    have python3 || return 1
    mkdir -p "$CACHE/livekit"
    install_wheels scripts/livekit-python.txt "$PYTHON"
}

run_tests() {
    export LIVEKIT_SERVER="$FOLDER/livekit-server"
    if install_python; then
        export LIVEKIT_PYTHON="$PYTHON"
    else
        complain "SKIPPED what needs LiveKit's Python SDK: its wheels could not be installed"
    fi
    if have cargo-nextest; then
        # The whole workspace, as `make test` builds it: nothing is compiled twice.
        cargo nextest run --workspace --locked --no-fail-fast \
            -E 'binary(livekit) or (binary(it) and test(/^real::livekit/))' "$@"
    else
        cargo test --package livekit-rtc --locked --test livekit -- --test-threads 2 "$@"
        cargo test --package voice-agent --locked --test it -- --test-threads 2 real::livekit "$@"
    fi
}

run_drill() {
    export LIVEKIT_SERVER="$FOLDER/livekit-server"
    cargo test --package voice-agent --locked --test it -- --ignored --exact --nocapture \
        real::livekit::drill::killed_processes_rooms_are_taken_over
}

case "${1:-}" in
    server) is_whole || build_server; say "$FOLDER/livekit-server" ;;
    cached) is_whole || { complain "livekit-server was not built here (make test-livekit builds it)"; exit 3; }; say "$FOLDER/livekit-server" ;;
    test) shift; is_whole || build_server; run_tests "$@" ;;
    drill) is_whole || build_server; run_drill ;;
    *) complain "usage: scripts/livekit.sh server|cached|test|drill"; exit 64 ;;
esac
