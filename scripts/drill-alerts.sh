#!/usr/bin/env bash
# Makes every alert happen and looks whether it is told: a real Prometheus, Alertmanager and blackbox exporter, real servers, rehearsal providers, a
# real Redis, all on loopback. Prints the table of docs/operations.md with the machine it was made on. PROFILE=dev drills a debug build; the arguments
# go to scripts/operations/drill_alerts.py (`--only lagging,slow`, `--keep`).
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

run_with_watchers drill_alerts.py redis-server openssl unshare -- "$@"
