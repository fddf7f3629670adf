#!/usr/bin/env bash
# The image of deploy/image on a machine that reaches no registry of images: its last stage is built as it stands, on a base that debootstrap
# makes, of a binary and models that are here; then it is inspected. Needs root, buildah and debootstrap; a few minutes, a gigabyte meanwhile.
#
#   scripts/image.sh BINARY
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

binary="${1:?usage: scripts/image.sh BINARY}"
for tool in buildah debootstrap; do
    have "$tool" || { complain "needs $tool, which is not here (apt-get install buildah debootstrap)"; exit 3; }
done
[[ $EUID -eq 0 ]] || { complain "debootstrap needs root"; exit 3; }

folder="$(mktemp -d)"
store=(--root "$folder/store" --runroot "$folder/run" --storage-driver vfs)
finish() { buildah "${store[@]}" rm --all >/dev/null 2>&1 || true; rm -rf "$folder"; }
trap finish EXIT

make_base() {
    local container
    # What Debian's slim images leave out, too.
    debootstrap --variant=minbase bookworm "$folder/base" >"$folder/log"
    rm -rf "$folder"/base/var/{cache/apt,lib/apt/lists}/* "$folder"/base/usr/share/{doc,man,locale}/*
    container="$(buildah "${store[@]}" from scratch)"
    buildah "${store[@]}" add --quiet "$container" "$folder/base" / >/dev/null
    buildah "${store[@]}" commit --quiet "$container" docker.io/library/debian:bookworm-slim >/dev/null
    buildah "${store[@]}" rm "$container" >/dev/null
    rm -rf "$folder/base"
}

build() {
    mkdir -p "$folder/binary/src/target/release" "$folder/models"
    cp "$binary" "$folder/binary/src/target/release/voice-agent"
    strip --strip-debug "$folder/binary/src/target/release/voice-agent"
    MODELS_DIR="$folder/models/models" python3 scripts/models.py >>"$folder/log"
    { say "ARG DEBIAN=bookworm"; tac deploy/image/Containerfile | sed '/^FROM /q' | tac; } >"$folder/Containerfile"
    buildah "${store[@]}" bud --quiet --isolation chroot --pull=never --file "$folder/Containerfile" \
        --build-context "binary=$folder/binary" --build-context "models=$folder/models" \
        --tag localhost/task-manager-voice:v1.0.0 . >>"$folder/log" 2>&1 || { tail -n 30 "$folder/log"; exit 1; }
}

mega() { du -sm "$1" | cut -f1; }
fail() { complain "the image is not as it should be: $*"; exit 1; }

inspect() {
    local container root config
    container="$(buildah "${store[@]}" from --pull=never localhost/task-manager-voice:v1.0.0)"
    root="$(buildah "${store[@]}" mount "$container")"
    config="$(buildah "${store[@]}" inspect --type image localhost/task-manager-voice:v1.0.0 \
        --format '{{.OCIv1.Config.User}} {{.OCIv1.Config.Entrypoint}} {{.OCIv1.Config.StopSignal}}')"
    [[ "$config" == "65532:65532 [/usr/local/bin/voice-agent] SIGTERM" ]] || fail "$config"
    [[ "$(buildah "${store[@]}" run --isolation chroot "$container" -- id -u)" == 65532 ]] || fail "its user"
    say "size: $(mega "$root") MB, of which the binary $(mega "$root/usr/local/bin"), the models $(mega "$root/usr/share/voice-agent")"
    say "version: $(buildah "${store[@]}" run --isolation chroot "$container" -- /usr/local/bin/voice-agent --version)"
    say "belongs to its user: $(find "$root" -xdev -user 65532 -printf '/%P ')"
    [[ -z "$(find "$root" -xdev -type f -perm /6000)" ]] || fail "a program changes its user"
    local tool
    for tool in curl wget python3 gcc nc ssh; do [[ ! -e "$root/usr/bin/$tool" ]] || fail "it has $tool"; done
}

make_base
build
inspect
