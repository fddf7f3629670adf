#!/usr/bin/env bash
# Makes every alert happen and looks whether it is told: a real Prometheus, Alertmanager and blackbox exporter, real servers, rehearsal providers, a
# real Redis, all on loopback. Prints the table of docs/operations.md with the machine it was made on. PROFILE=dev drills a debug build; the arguments
# go to scripts/operations/drill_alerts.py (`--only lagging,slow`, `--keep`).
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

profile="${PROFILE:-release}"
for tool in redis-server openssl unshare; do
    have "$tool" || { complain "needs $tool, which is not here (apt-get install redis-server openssl util-linux)"; exit 1; }
done
scripts/operations.sh install
# Two builds, so that each binary is what it is without the other.
cargo build --quiet --locked --profile "$profile" --package voice-agent
cargo build --quiet --locked --profile "$profile" --package voice-sim --features servers
target="${CARGO_TARGET_DIR:-target}/$([[ "$profile" == dev ]] && echo debug || echo "$profile")"

load="$(cut -d ' ' -f 1-3 /proc/loadavg)"
code=0
scripts/operations.sh run python3 scripts/operations/drill_alerts.py --target "$target" "$@" || code=$?
say
say "- command: \`scripts/drill-alerts.sh $*\`, a $profile build"
say "- processor: $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1), $(nproc) cores; load average before $load, after $(cut -d ' ' -f 1-3 /proc/loadavg)"
say "- commit: $(git describe --always --dirty --abbrev=10 2>/dev/null || echo unknown), $(date -u '+%Y-%m-%d %H:%M UTC')"
exit "$code"
