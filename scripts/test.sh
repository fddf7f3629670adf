#!/usr/bin/env bash
# Everything that `make test` means, in order, each step named and timed, its log under target/test-logs. A step that fails
# does not stop the others; the last line counts them.
#
#   scripts/test.sh              every step
#   scripts/test.sh fmt clippy   only these
#
# SEEDS=n sets the simulator's seeds. With CI=true a step whose tools are missing fails; otherwise it is skipped, and said so.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

SEEDS="${SEEDS:-10000}"
LOGS="$ROOT/target/test-logs"
only=("$@")
skipped_code=3 # a step's exit code for "its tools are not here"
passed=0 failed=0 skipped=0 number=0
summary=()

# Tests never reach a real provider, whatever the developer's shell holds, and never write their snapshots anew.
unset DEEPGRAM_API_KEY OPENAI_API_KEY CARTESIA_API_KEY ELEVENLABS_API_KEY TWILIO_ACCOUNT_SID TWILIO_AUTH_TOKEN \
    TWILIO_FROM_NUMBER PAGERDUTY_ROUTING_KEY LIVEKIT_URL LIVEKIT_API_KEY LIVEKIT_API_SECRET REDIS_URL VOICE_AGENT_CONFIG
export INSTA_UPDATE=no RUST_BACKTRACE=1 CARGO_TERM_COLOR=never NO_COLOR=1

needs() {
    local tool
    for tool in "$@"; do
        have "$tool" || { complain "needs $tool, which is not here (scripts/setup.sh test says how to get it)"; exit "$skipped_code"; }
    done
}

# The line or two of a log that say what a passed step did, and what it did not do.
highlight() {
    grep -E '^ *SKIPPED ' "$1" | sed 's/^ */    /' || true
    grep -E '^ *(Summary \[|test result: |Ran [0-9]+ tests|Tests  |seeds|.* seeds|the core.s walls|[0-9]+ files are right|[0-9]+ passed, [0-9]+ failed$)' "$1" | tail -n 2 || true
}

report() {
    local name=$1 code=$2 took=$3 log=$4
    case $code in
        0)
            passed=$((passed + 1))
            summary+=("ok       $name  ${took} s")
            highlight "$log"
            say "    ok, ${took} s"
            ;;
        *)
            if [[ $code -eq $skipped_code ]] && ! in_ci; then
                skipped=$((skipped + 1))
                summary+=("SKIPPED  $name: $(tail -n 1 "$log")")
                tail -n 20 "$log"
                say "    SKIPPED"
            else
                failed=$((failed + 1))
                summary+=("FAILED   $name  ${took} s  ${log#"$ROOT"/}")
                excerpt "$log"
                say "    FAILED (exit code $code), ${took} s; the whole log: ${log#"$ROOT"/}"
            fi
            ;;
    esac
}

# The head and the tail of a failed step's log, where the cause mostly stands, and below them what failed, by name: a test that prints much,
# such as a server's log, fills both.
excerpt() {
    if [[ "$(wc -l <"$1")" -le 100 ]]; then
        cat "$1"
    else
        head -n 30 "$1"
        say "    […]"
        tail -n 70 "$1"
        say "    what failed:"
        grep -E -A 1 '^ *(FAIL|TIMEOUT|TMT|SIG[A-Z]*|ABORT) \[|^thread .* panicked at' "$1" | cut -c -400 | awk '!seen[$0]++' | tail -n 40 || true
    fi
}

# step NAME FUNCTION: runs it in a shell of its own, so that a failing command ends the step and nothing else.
step() {
    local name=$1 function=$2 log code started=$SECONDS
    number=$((number + 1))
    if [[ ${#only[@]} -gt 0 && " ${only[*]} " != *" $name "* ]]; then return; fi
    log="$LOGS/$(printf '%02d' $number)-$name.log"
    say "==> $name"
    set +e
    (
        set -euo pipefail
        "$function"
    ) >"$log" 2>&1 </dev/null
    code=$?
    set -e
    report "$name" "$code" $((SECONDS - started)) "$log"
}

finish() {
    say
    printf '%s\n' "${summary[@]}"
    say "logs: target/test-logs"
    if [[ $skipped -gt 0 ]]; then
        say "$passed passed, $failed failed, $skipped skipped"
    else
        say "$passed passed, $failed failed"
    fi
    [[ $failed -eq 0 && $passed -gt 0 ]]
}

setup() { scripts/setup.sh test; }
models() { scripts/models.py; }
scripts() {
    needs shellcheck
    shellcheck --external-sources --source-path=SCRIPTDIR scripts/*.sh scripts/tests/*.sh .ci/run
    python3 -m unittest discover -s scripts/tests
}
operations() { scripts/operations.sh check; }
web_install() { scripts/web.sh install; }
web_check() { scripts/web.sh check; }
web_test() { scripts/web.sh test; }
web_build() { scripts/web.sh build; }
web_smoke() {
    needs chromium
    scripts/web.sh smoke
}
fmt() { cargo fmt --all --check; }
clippy() { cargo clippy --workspace --all-targets --locked -- -D warnings; }
walls() { scripts/tests/core_walls.sh; }
deny() {
    needs cargo-deny
    # Not `advisories`: their database is fetched from a place that a build machine may not reach.
    cargo deny --locked --all-features check --hide-inclusion-graph bans licenses sources
}
# A source file that outgrows one reading is two files.
size() {
    local long
    long="$(git ls-files -z --cached --others --exclude-standard -- '*.rs' '*.ts' '*.tsx' '*.py' '*.sh' | xargs -0 -r wc -l |
        awk '$2 != "total" && $1 > 500 { print $2 ": " $1 " lines" }')"
    if [[ -n "$long" ]]; then
        printf 'longer than 500 lines:\n%s\n' "$long"
        return 1
    fi
}
spelling() {
    needs typos
    typos
}
tests() {
    if have cargo-nextest; then
        # Those against the real livekit-server are a step of their own.
        local wanted='not binary(livekit) and not test(/^real::livekit/)'
        # The other tests that need one say so themselves.
        have redis-server || wanted+=' and not test(store::redis::tests)'
        cargo nextest run --workspace --locked --no-fail-fast -E "$wanted"
    else
        in_ci && needs cargo-nextest
        cargo test --workspace --locked --lib --bins --tests --no-fail-fast
    fi
}
livekit() {
    if ! scripts/livekit.sh cached >/dev/null 2>&1; then
        say "SKIPPED the tests against the real livekit-server: it was not built here (make test-livekit builds it, in minutes)"
        return
    fi
    scripts/livekit.sh test
}
cluster() {
    if ! scripts/cluster.sh cached >/dev/null 2>&1; then
        say "SKIPPED the manifests on a real API server: Kubernetes was not built here (make test-cluster builds it, in an hour)"
        return
    fi
    PROFILE=dev scripts/cluster.sh steady
    # They fail where the machine is starved (docs/kubernetes.md).
    say "SKIPPED the calls into pods that are killed, rolled and scaled: make test-cluster tries them"
}
doctests() { cargo test --workspace --locked --doc; }
sim() {
    cargo run --release --locked --package voice-sim -- --seeds "$SEEDS"
    # More than 10,000 kills, and so many at every point of a turn: about two for each seed.
    cargo run --release --locked --package voice-sim -- --seeds 12000 --kill --least 1000
}

main() {
    mkdir -p "$LOGS"
    if [[ ${#only[@]} -eq 0 ]]; then rm -f "$LOGS"/*.log; fi
    # A Ctrl-C ends the step that runs; the summary still says what was done before.
    trap 'say; say "interrupted"; failed=$((failed + 1)); finish; exit 130' INT TERM

    step setup setup
    step models models
    step scripts scripts
    step web-install web_install
    step operations operations
    step web-check web_check
    step web-test web_test
    step web-build web_build
    step web-smoke web_smoke
    step fmt fmt
    step spelling spelling
    step size size
    step deny deny
    step clippy clippy
    step walls walls
    step tests tests
    step livekit livekit
    step cluster cluster
    step doctests doctests
    step sim sim
    finish
}

main
