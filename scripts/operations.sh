#!/usr/bin/env bash
# What deploy/ holds, checked: rules, dashboards, runbooks, manifests, the image recipe.
#
#   scripts/operations.sh install   fetch the tools into the cache folder (nothing of the machine is touched)
#   scripts/operations.sh check     run every check; exit code 3 when the tools are not here
#   scripts/operations.sh run CMD…  run a command with them
#
# Prometheus and Alertmanager are taken out of Debian's packages, not installed: an installed one starts a server on 9090,
# which is where this one has its metrics.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

TYPES="deploy/grafana/types"
PACKAGES=(prometheus prometheus-alertmanager prometheus-blackbox-exporter)
PROGRAMS=(promtool amtool prometheus prometheus-alertmanager prometheus-blackbox-exporter)
fetch_python() {
    python3 -m pip install --quiet --disable-pip-version-check --no-input --no-deps --only-binary=:all: --require-hashes \
        --target "$1/python" --requirement scripts/tools-operations.txt
}

fetch_programs() {
    local folder=$1 package program
    mkdir -p "$folder/bin" "$folder/debian"
    for package in "${PACKAGES[@]}"; do
        (cd "$folder/debian" && apt-get download -qq "$package" 2>/dev/null) || complain "apt-get cannot download $package"
    done
    for package in "$folder"/debian/*.deb; do dpkg-deb --extract "$package" "$folder/debian"; done
    for program in "${PROGRAMS[@]}"; do mv "$folder/debian/usr/bin/$program" "$folder/bin/"; done
    # Alertmanager's own templates, which it looks for below /usr/share.
    mkdir "$folder/share" && mv "$folder/debian/usr/share/prometheus" "$folder/share/"
    rm -rf "$folder/debian"
}

fetch_types() {
    cp "$TYPES/package.json" "$TYPES/package-lock.json" "$1/"
    npm ci --prefix "$1" --ignore-scripts --no-audit --no-fund --silent
}

# kubectl has kustomize built in; where there is neither, it is compiled.
fetch_kustomize() {
    if have kubectl || have kustomize || ! have go; then return; fi
    say "compiling kustomize, once"
    GOBIN="$1/bin" GOFLAGS=-mod=mod go install sigs.k8s.io/kustomize/kustomize/v5@v5.8.1
}

# A folder for each set of tools, and each way to fetch them.
state="$({
    cat scripts/tools-operations.txt "$TYPES/package-lock.json"
    declare -p PACKAGES PROGRAMS
    declare -f fetch_python fetch_programs fetch_types fetch_kustomize
} | sha256sum | cut -c1-16)"
FOLDER="$CACHE/operations/$state-$(python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')"
export PATH="$FOLDER/bin:$FOLDER/python/bin:$PATH"

# A folder that exists is whole, because it was renamed into its place.
install() {
    if [[ -d "$FOLDER" ]]; then return; fi
    mkdir -p "$CACHE/operations"
    fresh="$(mktemp -d "$CACHE/operations/.new-XXXXXX")"
    trap 'rm -rf "$fresh"' EXIT
    fetch_python "$fresh"
    fetch_programs "$fresh"
    fetch_types "$fresh"
    fetch_kustomize "$fresh"
    chmod 755 "$fresh"
    mv -T "$fresh" "$FOLDER" 2>/dev/null || [[ -d "$FOLDER" ]]
}

check_files() {
    # prometheus.yaml is checked in scripts/operations/test_scrape.py: Debian's promtool is built without Kubernetes.
    promtool check config --lint=all --lint-fatal deploy/prometheus/prometheus-local.yaml
    promtool check rules --lint=all --lint-fatal deploy/prometheus/rules/*.yaml
    promtool test rules deploy/prometheus/tests/*.yaml
    amtool check-config deploy/prometheus/alertmanager.yaml
    prometheus-blackbox-exporter --config.check --config.file=deploy/prometheus/blackbox.yaml
    hadolint deploy/image/Containerfile
}

check() {
    if [[ ! -d "$FOLDER" ]]; then
        complain "needs the tools of scripts/tools-operations.txt, which are not here (scripts/operations.sh install)"
        exit 3
    fi
    have kustomize || have kubectl || { complain "needs kustomize or kubectl, and has no Go to compile the first"; exit 3; }
    check_files
    export PYTHONPATH="$FOLDER/python" OPERATIONS_FOLDER="$FOLDER"
    python3 -m unittest discover -s scripts/operations
}

# The alert drill needs the same tools (scripts/drill-alerts.sh).
run() {
    export PYTHONPATH="$FOLDER/python" OPERATIONS_FOLDER="$FOLDER"
    exec "$@"
}

case "${1:-check}" in
    install) install ;;
    check) check ;;
    run) shift && run "$@" ;;
    *) complain "usage: scripts/operations.sh install|check|run COMMAND…"; exit 64 ;;
esac
