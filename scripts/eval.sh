#!/usr/bin/env bash
# Evaluates whether callers get what they ask for: docs/evaluation.md. The arguments go to the evaluation (--help).
#
# The voices are other programs' (Debian packages espeak-ng and flite). They are installed as root or through a sudo that
# asks for no password; where that may not be, what is missing is said, and the evaluation leaves those voices out.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

packages=()
for program in espeak-ng flite; do
    have "$program" || packages+=("$program")
done
if [[ ${#packages[@]} -gt 0 ]]; then
    as_root=()
    [[ $EUID -eq 0 ]] || as_root=(sudo -n)
    install=(env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 -y -qq --no-install-recommends install)
    if ! have apt-get || ! { [[ $EUID -eq 0 ]] || { have sudo && sudo -n true 2>/dev/null; }; }; then
        complain "missing: ${packages[*]}; packages may not be installed here: those voices are left out"
    elif ! "${as_root[@]}" "${install[@]}" "${packages[@]}" >/dev/null 2>&1 &&
        ! { "${as_root[@]}" apt-get -qq update && "${as_root[@]}" "${install[@]}" "${packages[@]}" >/dev/null; }; then
        complain "apt-get could not install ${packages[*]}: those voices are left out"
    fi
fi

exec cargo bench --locked --package voice-agent --bench eval -- "$@"
