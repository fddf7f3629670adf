#!/usr/bin/env bash
# Two regions on this machine, a real name server with health checks in front of both, and calls: the primary region is killed, the standby
# promoted, and everything goes back. Prints the table of docs/regions.md with the machine it was made on. Needs redis-server, redis-cli and
# gdnsd, which is taken out of Debian's packages where it is not installed. The arguments go to `voice-sim region` (--help). PROFILE=dev drills a
# debug build.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

PACKAGES=(gdnsd liburcu8 libev4 libmaxminddb0)
have redis-server || { complain "redis-server is missing (apt-get install redis-server)"; exit 1; }

# A folder that exists is whole, because it was renamed into its place.
fetch_gdnsd() {
    local fresh package
    if [[ -d "$1" ]]; then return; fi
    have apt-get || { complain "gdnsd is missing, and there is no apt-get to fetch it with"; exit 1; }
    mkdir -p "$(dirname "$1")"
    fresh="$(mktemp -d "$(dirname "$1")/.new-XXXXXX")"
    (cd "$fresh" && apt-get download -qq "${PACKAGES[@]}" 2>/dev/null) || { complain "apt-get cannot download ${PACKAGES[*]}"; rm -rf "$fresh"; exit 1; }
    for package in "$fresh"/*.deb; do dpkg-deb --extract "$package" "$fresh"; done
    rm -f "$fresh"/*.deb
    mv -T "$fresh" "$1"
}

gdnsd="$(command -v gdnsd || true)"
if [[ -z "$gdnsd" ]]; then
    names="$CACHE/gdnsd/$(printf '%s\n' "${PACKAGES[@]}" | sha256sum | cut -c1-16)"
    fetch_gdnsd "$names"
    gdnsd="$names/usr/sbin/gdnsd"
    libraries="$(printf '%s:' "$names"/usr/lib/*-linux-gnu*)"
fi
build_for_drill

before="$(load_average)"
code=0
env ${libraries:+LD_LIBRARY_PATH="${libraries%:}"} "$target/voice-sim" region --binary "$target/voice-agent" --gdnsd "$gdnsd" "$@" || code=$?
say "- command: \`scripts/drill-regions.sh $*\`, a $profile build"
say_machine "$before"
exit "$code"
