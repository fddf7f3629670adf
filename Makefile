# The two that matter: `make run` and `make test`. Everything is safe to run again.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
SEEDS ?= 10000
BENCH ?=
EVAL ?=
DRILL ?=

.PHONY: help setup models web screenshots build run test test-livekit test-cluster check sim bench drill drill-savings drill-kill drill-deploy drill-redis drill-sentinel drill-alerts drill-rooms drill-regions demo-production eval fuzz clean

help: ## list what can be made
	@awk -F ':.*## ' '/^[a-z -]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: setup models web ## fetch the models, build, start; the server prints the address of the page
	cargo run --release --locked --package voice-agent -- serve

test: ## everything: lints, tests, browser, simulator; installs what it needs where it may
	@scripts/test.sh

test-livekit: ## build the real livekit-server (once, minutes), and test against it; `make test` does too once it is built
	@scripts/livekit.sh test

test-cluster: ## build Kubernetes (once, about an hour), and try the manifests on it, with real processes in the pods; `make test` does too once it is built
	@scripts/cluster.sh test

check: ## the quick half of `make test`: format, lints, licences, spelling
	@scripts/test.sh setup web-build fmt spelling size deny clippy walls

setup: ## check the tools; install what is missing where that is allowed
	@scripts/setup.sh run

models: ## fetch and verify the models of the embedded voice (136 MB, once)
	@scripts/models.py

web: ## build the page into web/dist
	@scripts/web.sh build

screenshots: web ## pictures of every state of the page, three sizes, both themes, in web/e2e/out (ONLY=a pattern)
	@scripts/web.sh screenshots

build: setup web ## build the release binary
	cargo build --release --locked --workspace

sim: ## run the simulator (SEEDS=10000)
	cargo run --release --locked --package voice-sim -- --seeds $(SEEDS)

bench: setup models web ## measure, and print Markdown with a description of the machine (BENCH="--runs 1 --only calls")
	cargo bench --locked --package voice-agent --bench calls -- $(BENCH)

drill: setup models web ## call a release build under every fault of its providers: Markdown (DRILL="--stage llm --only hang --repeat 5")
	@scripts/drill.sh $(DRILL)

drill-savings: setup models web ## hold the same conversation under one setting after the other: what each saves, as Markdown (DRILL="--only whisper")
	@scripts/drill-savings.sh $(DRILL)

drill-kill drill-deploy drill-redis drill-sentinel: setup models web ## end an instance, each in turn, Redis, or its master in the midst of calls: Markdown (DRILL="--calls 50 --phones 50")
	@scripts/drill-survive.sh $(@:drill-%=%) $(DRILL)

drill-alerts: setup models web ## make every alert happen, and look whether it is told: Markdown (DRILL="--only slow,store --keep")
	@scripts/drill-alerts.sh $(DRILL)

drill-rooms: setup models web ## kill processes in the midst of calls in LiveKit rooms: Markdown (ROOM_KILLS=10 ROOM_CALLERS=5)
	@scripts/livekit.sh drill

drill-regions: setup models web ## kill one of two regions in the midst of 50 calls, promote the other, and go back: Markdown (DRILL="--calls 50")
	@scripts/drill-regions.sh $(DRILL)

demo-production: setup models web ## the whole of it on one machine, and `voice-agent validate` run there as a rehearsal (DRILL="--keep")
	@scripts/demo-production.sh $(DRILL)

eval: setup models web ## whether callers get what they ask for, typed and spoken: Markdown (EVAL="--only spoken --voices flite:slt")
	@scripts/eval.sh $(EVAL)

fuzz: ## fuzz every parser that meets the network (FUZZ_SECONDS=60 each)
	@scripts/fuzz.sh

clean: ## remove what was built here; the models and tools in the cache folder stay
	cargo clean
	rm -rf web/dist web/node_modules
