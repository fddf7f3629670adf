#!/usr/bin/env bash
# Holds the same conversation with the server under one setting after the other, and prints the table of docs/cost.md with the machine it was
# made on. The arguments go to `voice-sim savings` (--help). LATENCY=stt=100,llm=150,tts=80 sets how quick the rehearsal servers are. PROFILE=dev
# measures a debug build: costs do not depend on it.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

build_for_drill

before="$(load_average)"
code=0
"$target/voice-sim" savings --binary "$target/voice-agent" --prices "$ROOT/scripts/drill-prices.toml" --latency "${LATENCY:-stt=100,llm=150,tts=80}" "$@" ||
    code=$?
say "- command: \`make drill-savings DRILL=\"$*\"\`, latencies ${LATENCY:-stt=100,llm=150,tts=80} ms, a $profile build"
say_machine "$before"
exit "$code"
