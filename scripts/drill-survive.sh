#!/usr/bin/env bash
# Ends something in the midst of calls, and prints the table of docs/survival.md with the machine it was made on: `kill` an instance, `deploy`
# one after the other, `redis`, or its master under a `sentinel`. Needs redis-server and redis-cli. The arguments go to `voice-sim survive` (--help). PROFILE=dev drills a debug build.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

profile="${PROFILE:-release}"
if ! command -v redis-server >/dev/null; then
    complain "redis-server is missing (apt-get install redis-server)"
    exit 1
fi
# Two builds, so that each binary is what it is without the other.
cargo build --quiet --locked --profile "$profile" --package voice-agent
cargo build --quiet --locked --profile "$profile" --package voice-sim --features servers
target="${CARGO_TARGET_DIR:-target}/$([[ "$profile" == dev ]] && echo debug || echo "$profile")"

load="$(cut -d ' ' -f 1-3 /proc/loadavg)"
code=0
"$target/voice-sim" survive --binary "$target/voice-agent" "$@" || code=$?
say "- command: \`scripts/drill-survive.sh $*\`, a $profile build"
say "- processor: $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1), $(nproc) cores; load average before $load, after $(cut -d ' ' -f 1-3 /proc/loadavg)"
say "- commit: $(git describe --always --dirty --abbrev=10 2>/dev/null || echo unknown), $(date -u '+%Y-%m-%d %H:%M UTC')"
exit "$code"
