#!/usr/bin/env bash
# Ends something in the midst of calls, and prints the table of docs/survival.md with the machine it was made on: `kill` an instance, `deploy`
# one after the other, `redis`, or its master under a `sentinel`. Needs redis-server and redis-cli. The arguments go to `voice-sim survive` (--help). PROFILE=dev drills a debug build.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

if ! command -v redis-server >/dev/null; then
    complain "redis-server is missing (apt-get install redis-server)"
    exit 1
fi
build_for_drill

before="$(load_average)"
code=0
"$target/voice-sim" survive --binary "$target/voice-agent" "$@" || code=$?
say "- command: \`scripts/drill-survive.sh $*\`, a $profile build"
say_machine "$before"
exit "$code"
