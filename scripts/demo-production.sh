#!/usr/bin/env bash
# Brings the whole of it up on one machine (Redis, Prometheus, Alertmanager, blackbox exporter, rehearsal providers, three instances behind a
# balancer), and runs `voice-agent validate` there with a short window, as a rehearsal. Some five minutes. PROFILE=dev takes a debug build; the
# arguments go to scripts/operations/demo_production.py (`--keep`; behind `--` those for validate, like `-- --only browser,phone`).
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

profile="${PROFILE:-release}"
for tool in redis-server unshare; do
    have "$tool" || { complain "needs $tool, which is not here (apt-get install redis-server util-linux)"; exit 1; }
done
scripts/operations.sh install
# Two builds, so that each binary is what it is without the other.
cargo build --quiet --locked --profile "$profile" --package voice-agent
cargo build --quiet --locked --profile "$profile" --package voice-sim --features servers
target="${CARGO_TARGET_DIR:-target}/$([[ "$profile" == dev ]] && echo debug || echo "$profile")"

load="$(cut -d ' ' -f 1-3 /proc/loadavg)"
code=0
scripts/operations.sh run python3 scripts/operations/demo_production.py --target "$target" "$@" || code=$?
say
say "- command: \`scripts/demo-production.sh $*\`, a $profile build"
say "- processor: $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1), $(nproc) cores; load average before $load, after $(cut -d ' ' -f 1-3 /proc/loadavg)"
say "- commit: $(git describe --always --dirty --abbrev=10 2>/dev/null || echo unknown), $(date -u '+%Y-%m-%d %H:%M UTC')"
exit "$code"
