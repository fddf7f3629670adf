#!/usr/bin/env bash
# Brings the whole of it up on one machine (Redis, Prometheus, Alertmanager, blackbox exporter, rehearsal providers, three instances behind a
# balancer), and runs `voice-agent validate` there with a short window, as a rehearsal. Some five minutes. PROFILE=dev takes a debug build; the
# arguments go to scripts/operations/demo_production.py (`--keep`; behind `--` those for validate, like `-- --only browser,phone`).
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

run_with_watchers demo_production.py redis-server unshare -- "$@"
