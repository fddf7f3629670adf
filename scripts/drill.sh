#!/usr/bin/env bash
# Calls a release build under every fault of the matrix, and prints the table of docs/failover.md with the machine it was made
# on. The arguments go to `voice-sim drill` (--help). LATENCY=stt=100,llm=150,tts=80 sets how quick the rehearsal servers are;
# PROFILE=dev drills a debug build. `--again 5` asks the same question five times more instead: what the caches save.
#
# The server is as it is shipped but for this: no chain has the embedded models behind it, so that a fault is met by the providers
# or by nobody; nobody is greeted; no voice comes from the cache; a single failure is a reason to rest, and a rest, whatever its
# reason, lasts for half a second (with Retry-After: one at most), so that the next fault finds everybody well; and providers
# without a known price cost what the first of their stage costs (scripts/drill-prices.toml).
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

folder="$(mktemp -d)"
started=()
# shellcheck disable=SC2317,SC2329 # the trap calls it
finish() {
    local process
    for process in "${started[@]}"; do kill "$process" 2>/dev/null || true; done
    wait
    rm -rf "$folder"
}
trap finish EXIT

build_for_drill

# wait_for FILE PATTERN: until a line of a log says so.
wait_for() {
    local _
    for _ in $(seq 300); do
        grep -qs "$2" "$1" && return
        sleep 0.1
    done
    complain "never: $2"
    tail -n 20 "$1" >&2
    exit 1
}

"$target/voice-sim" providers --latency "${LATENCY:-stt=100,llm=150,tts=80}" >"$folder/env" &
started+=($!)
wait_for "$folder/env" '^# control'
# What was said before would be played again, and no voice be asked.
cache=0
[[ " $* " == *" --again "* ]] && cache=300
control="$(sed -n 's|^# control: \(http://[^/]*\)/.*|\1|p' "$folder/env")"
# Nobody telephones here.
grep -v TWILIO "$folder/env" | sed -n 's/^export //p' >"$folder/settings"
mapfile -t settings <"$folder/settings"
env -i HOME="${HOME:-/root}" PATH="$PATH" ${XDG_CACHE_HOME:+XDG_CACHE_HOME="$XDG_CACHE_HOME"} "${settings[@]}" \
    DATA_DIR="$folder/data" HTTP_ADDR=127.0.0.1:0 METRICS_ADDR=127.0.0.1:0 LOG_FORMAT=json GREETING= \
    STT_CHAIN=deepgram,whisper LLM_CHAIN=openai TTS_CHAIN=cartesia,elevenlabs PRICES_FILE="$ROOT/scripts/drill-prices.toml" \
    COST_VOICE_CACHE_S="$cache" FAILOVER_BLIP_MS=0 FAILOVER_COOL_DOWN_MS=500 FAILOVER_MAX_COOL_DOWN_MS=500 FAILOVER_ACCOUNT_REST_MS=500 \
    FAILOVER_MAX_RETRY_AFTER_MS=1000 \
    "$target/voice-agent" serve 2>"$folder/log" &
started+=($!)
wait_for "$folder/log" '"message":"ready"'
address() { sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p" "$folder/log" | head -n 1; }

before="$(load_average)"
code=0
"$target/voice-sim" drill --url "http://$(address http_addr)" --metrics "http://$(address metrics_addr)" --control "$control" "$@" || code=$?
say "- command: \`make drill\`, latencies ${LATENCY:-stt=100,llm=150,tts=80} ms, a $profile build"
say_machine "$before"
exit "$code"
