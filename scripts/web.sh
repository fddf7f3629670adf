#!/usr/bin/env bash
# The page: scripts/web.sh install|check|test|build|smoke|screenshots. `build` installs first; the result is web/dist, which the binary embeds.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd web

# The stamp is written last: an installation that was interrupted has none, and is done again from nothing.
install() {
    local state
    state="$(node --version) $(sha256sum package-lock.json)"
    if [[ "$(cat node_modules/.installed 2>/dev/null || true)" == "$state" ]]; then return; fi
    # Its warnings are about others' packages (which Node they are developed with), not about this one.
    npm ci --no-audit --no-fund --loglevel error
    printf '%s' "$state" >node_modules/.installed
}

# The page is only built when something in it has changed: a new web/dist makes the server be compiled again.
build() {
    local state
    state="$(git ls-files -z --cached --others --exclude-standard . | sort -z | xargs -0 sha256sum 2>/dev/null | sha256sum) $(node --version)"
    if [[ -f dist/index.html && "$(cat node_modules/.built 2>/dev/null || true)" == "$state" ]]; then return; fi
    npm run --silent build
    printf '%s' "$state" >node_modules/.built
}

case "${1:-build}" in
    install | check | test | build | smoke | screenshots) ;;
    *) complain "usage: scripts/web.sh install|check|test|build|smoke|screenshots"; exit 64 ;;
esac
# Two at once would take each other's packages away. The kernel frees the lock when a run dies.
exec 8<package-lock.json
flock 8
install
if [[ "${1:-build}" == build ]]; then build; fi
exec 8<&-
case "${1:-build}" in
    build) ;;
    check) npm run --silent check ;;
    test) npm test --silent ;;
    smoke) npm run --silent smoke ;;
    screenshots) npm run --silent screenshots ;;
esac
