#!/usr/bin/env bash
# The manifests of deploy/k8s on a real API server with its controllers, and pods that are our real process.
#
#   scripts/cluster.sh tools         builds and fetches what it needs, once (about an hour of a core, 3 GB of disk meanwhile)
#   scripts/cluster.sh cached        exit code 3 if something of that is not here
#   scripts/cluster.sh test [NAME…]  runs the tests of scripts/cluster (NAME: a module of it, or one test)
#   scripts/cluster.sh steady        all of them but the calls into pods, which need a machine of their own
#   scripts/cluster.sh run CMD…      runs a command with the tools on its path
#
# Everything is kept outside the tree, in the cache folder: a folder for each program and version, with the digest of what was
# built beside it. One that was altered or cut short is built anew. Nothing is installed, and nothing outside of loopback is met.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

GO_NEEDED=1.26
HOME_OF_ALL="$CACHE/cluster"
MODULE="scripts/cluster/go"
# All but kustomize and kube-score come of the module scripts/cluster/go, so that what they share is compiled once; its go.mod says the
# versions. The adapter is of our own.
KUBERNETES=v1.37.2
OURS="$(cat "$MODULE"/go.mod "$MODULE"/go.sum "$MODULE"/adapter/*.go | sha256sum | cut -c1-16)"
# PROGRAM VERSION PACKAGE
GO_PROGRAMS="
kustomize v5.8.1 sigs.k8s.io/kustomize/kustomize/v5
kube-score v1.20.0 github.com/zegl/kube-score/cmd/kube-score
kube-apiserver $KUBERNETES k8s.io/kubernetes/cmd/kube-apiserver
kubectl $KUBERNETES k8s.io/kubernetes/cmd/kubectl
kube-controller-manager $KUBERNETES k8s.io/kubernetes/cmd/kube-controller-manager
kube-scheduler $KUBERNETES k8s.io/kubernetes/cmd/kube-scheduler
kwok v0.8.0 sigs.k8s.io/kwok/cmd/kwok
adapter $OURS voice-agent/scripts/cluster/go/adapter
prometheus v0.313.0 github.com/prometheus/prometheus/cmd/prometheus
metrics-server v0.9.0 sigs.k8s.io/metrics-server/cmd/metrics-server
"
# Prometheus with one kind of discovery: the other thirty are a hundred modules. Debian's is built without this one.
TAGS=remove_all_sd,enable_kubernetes_sd
DEBIAN_PROGRAMS="etcd etcd-server"

is_whole() { [[ -d "$HOME_OF_ALL/$1" ]] && (cd "$HOME_OF_ALL/$1" && sha256sum --quiet --check digest) >/dev/null 2>&1; }

# put FRESH NAME: a folder that was filled becomes the cached one. Until then nothing is seen of it.
put() {
    (cd "$1" && find . -type f -exec sha256sum {} + >"$1.digest")
    mv "$1.digest" "$1/digest"
    chmod 755 "$1"
    rm -rf "${HOME_OF_ALL:?}/$2"
    # Another run may have been quicker; both hold the same.
    mv -T "$1" "$HOME_OF_ALL/$2" 2>/dev/null || rm -rf "$1"
}

# Kubernetes asks its own programs for their versions; they know them from the linker only.
stamp() {
    local package flags='-s -w'
    for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
        flags+=" -X $package.gitVersion=$KUBERNETES -X $package.gitMajor=1 -X $package.gitMinor=37"
    done
    printf '%s' "$flags"
}

# What a node of kwok's does with its pods is said in files of its module.
add_stages() {
    local folder
    folder="$(go list -C "$MODULE" -m -f '{{.Dir}}' sigs.k8s.io/kwok)"
    cp -r "$folder/kustomize" "$1/kustomize"
    chmod -R u+w "$1/kustomize"
}

build() {
    local program=$1 version=$2 package=$3 fresh flags='-s -w'
    local place=() target="$package@$version"
    case "$package" in
        *kustomize* | *kube-score*) ;;
        *) place=(-C "$MODULE") target=$package flags="$(stamp)" ;;
    esac
    fresh="$(mktemp -d "$HOME_OF_ALL/.new-XXXXXX")"
    complain "building $program $version"
    if GOBIN="$fresh" GOTOOLCHAIN=local CGO_ENABLED=0 go install "${place[@]}" -tags "$TAGS" -trimpath -ldflags "$flags" "$target"; then
        [[ -e "$fresh/$program" ]] || mv "$fresh"/* "$fresh/$program"
        [[ "$program" != kwok ]] || add_stages "$fresh"
        put "$fresh" "$program-$version"
    fi
    rm -rf "$fresh"
}

fetch() {
    local program=$1 package=$2 fresh
    fresh="$(mktemp -d "$HOME_OF_ALL/.new-XXXXXX")"
    if (cd "$fresh" && apt-get download -qq "$package" 2>/dev/null && dpkg-deb --extract ./*.deb . && mv "usr/bin/$program" .); then
        find "$fresh" -mindepth 1 -maxdepth 1 ! -name "$program" -exec rm -rf {} +
        put "$fresh" "$program-debian"
    fi
    rm -rf "$fresh"
}

# names: every folder that must be there.
names() {
    local program version package
    while read -r program version package; do
        [[ -n "$program" ]] && say "$program-$version"
    done <<<"$GO_PROGRAMS"
    while read -r program package; do say "$program-debian"; done <<<"$DEBIAN_PROGRAMS"
}

missing() {
    local name
    for name in $(names); do is_whole "$name" || say "$name"; done
}

install_tools() {
    [[ -n "$(missing)" ]] || return 0
    if ! have go || ! at_least "$(go env GOVERSION | sed 's/^go//')" "$GO_NEEDED"; then
        complain "Kubernetes is built with Go $GO_NEEDED or newer, which is not here (https://go.dev/dl)"
        exit 3
    fi
    mkdir -p "$HOME_OF_ALL"
    # A cache of their own, which goes when all is built: it would be gigabytes.
    export GOCACHE="$HOME_OF_ALL/.build-cache"
    local program version package left
    while read -r program package; do
        is_whole "$program-debian" || fetch "$program" "$package"
    done <<<"$DEBIAN_PROGRAMS"
    while read -r program version package; do
        [[ -z "$program" ]] || is_whole "$program-$version" || build "$program" "$version" "$package" </dev/null
    done <<<"$GO_PROGRAMS"
    left="$(missing)"
    if [[ -n "$left" ]]; then
        complain "could not be built or fetched: ${left//$'\n'/, }"
        exit 3
    fi
    rm -rf "$GOCACHE"
}

put_on_path() {
    local name
    for name in $(names); do PATH="$HOME_OF_ALL/$name:$PATH"; done
    export PATH
}

# What the pods run, and the rehearsal's providers: two builds, so that each binary is what it is without the other.
build_binaries() {
    local profile="${PROFILE:-release}"
    cargo build --quiet --locked --profile "$profile" --package voice-agent
    cargo build --quiet --locked --profile "$profile" --package voice-sim --features servers
    CLUSTER_TARGET="${CARGO_TARGET_DIR:-target}/$([[ "$profile" == dev ]] && echo debug || echo "$profile")"
    export CLUSTER_TARGET
}

# In namespaces of its own: the pods' network is none of the machine's, and nothing that was started outlives the command.
enter() {
    put_on_path
    export PYTHONPATH="$PYTHONPATH:$ROOT/scripts/operations:$ROOT/scripts/cluster"
    # shellcheck disable=SC2016 # The inner shell's arguments.
    local inner='ip link set lo up && mount -t tmpfs run /run && exec "$@"'
    if [[ $EUID -ne 0 ]]; then
        complain "SKIPPED pods that are processes: they need root, for namespaces"
        exec "$@"
    fi
    exec unshare --net --mount --pid --fork --kill-child --mount-proc sh -c "$inner" sh "$@"
}

# In namespaces of its own, with the tools on its path.
unittest() { exec scripts/operations.sh run scripts/cluster.sh enter python3 -W ignore::ResourceWarning -m unittest --verbose "$@"; }

# Every module but the one that is named at the same time, each with a control plane of its own: most of it is waiting.
run_modules() {
    local file process name ran logs count=0 failed=() running=() of=()
    logs="$(mktemp -d)"
    for file in scripts/cluster/test_*.py; do
        name="$(basename "$file" .py)"
        [[ "$name" != "${1:-}" ]] || continue
        unittest "$name" >"$logs/$name" 2>&1 &
        running+=("$!")
        of["$!"]="$name"
    done
    # Nothing less ends unshare, and what it started ends with it.
    trap 'kill -KILL "${running[@]}" 2>/dev/null; exit 130' INT TERM
    for process in "${running[@]}"; do
        name="${of[$process]}"
        wait "$process" || failed+=("$name")
        say "== $name" && cat "$logs/$name"
        ran="$(sed -n 's/^Ran \([0-9]*\) tests\? in .*/\1/p' "$logs/$name")"
        count=$((count + ${ran:-0}))
    done
    rm -rf "$logs"
    [[ ${#failed[@]} -eq 0 ]] || complain "failed: ${failed[*]}"
    say "Ran $count tests in $SECONDS s, builds included"
    [[ ${#failed[@]} -eq 0 ]]
}

prepare() {
    install_tools
    scripts/operations.sh install
    [[ -n "${CLUSTER_TARGET:-}" ]] || build_binaries
}

run_tests() {
    prepare
    if [[ $# -gt 0 ]]; then unittest "$@"; else run_modules; fi
}

case "${1:-}" in
    tools) install_tools ;;
    cached) [[ -z "$(missing)" ]] || { complain "Kubernetes was not built here (make test-cluster builds it, in an hour)"; exit 3; } ;;
    test) shift && run_tests "$@" ;;
    steady) prepare && run_modules test_calls ;;
    run) shift && exec scripts/operations.sh run scripts/cluster.sh enter "$@" ;;
    # For the two above only.
    enter) shift && enter "$@" ;;
    *) complain "usage: scripts/cluster.sh tools|cached|test [NAME…]|steady|run CMD…"; exit 64 ;;
esac
