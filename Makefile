# What people and CI run. `make help` lists the targets.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

CARGO ?= cargo
CACHE ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/flowctl
TOOLS := $(CACHE)/tools
DENY_VERSION := 0.20.2
DENY := $(TOOLS)/bin/cargo-deny
FLOWCTL := target/release/flowctl
# Runs of the lab and of phase3 keep their state beside the lab's cache, not in the user's own.
export FLOWCTL_STATE ?= $(CACHE)/state

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):.*## /  \1\t/' | expand -t 14

.PHONY: build
build: ## the release binary, target/release/flowctl
	$(CARGO) build --release --locked -p flowctl

.PHONY: test
test: ## all tests that need no lab; no network beyond crates
	$(CARGO) test --workspace --locked

.PHONY: check
check: fmt clippy test crash-sample doc deny durable ## what CI checks before it starts the lab

.PHONY: scale
scale: build ## ten thousand steps in under 64 MB, and a hundred thousand that are killed, with the release binary
	FLOWCTL_SCALE_STEPS=100000 FLOWCTL_TEST_BINARY=$(abspath $(FLOWCTL)) $(CARGO) test --locked -p flowctl --test durability -- scale --test-threads 1 --nocapture

FUZZ_SECONDS ?= 60
FUZZ_SEED ?= 1
FUZZED := expression inject kubernetes language prometheus s3_select state_import template trino

.PHONY: fuzz
fuzz: ## read inputs made out of fuzz/corpus: FUZZ_SECONDS for each target, FUZZ_SEED says which
	$(CARGO) build --locked -p flowctl-fuzz --example fuzz
	cd $${CARGO_TARGET_DIR:-target} && for target in $(FUZZED); do ./debug/examples/fuzz $$target $(FUZZ_SECONDS) $(FUZZ_SEED); done

CRASH := $(CARGO) test --locked -p flowctl --features crash-points --test crash --

.PHONY: crash-sample
crash-sample: ## the crash suite at some of its points, and each of its mutants until it is seen
	$(CRASH)

.PHONY: crash
crash: ## the crash suite at every point, and the resume killed as well; its tables go to target/crash.md
	rm -f target/crash.md
	FLOWCTL_CRASH_POINTS=all FLOWCTL_CRASH_TABLE=$(abspath target/crash.md) $(CRASH) --nocapture

.PHONY: kills
kills: ## a thousand times kill -9 at random
	FLOWCTL_KILL_ROUNDS=1000 $(CARGO) test --locked -p flowctl --test durability -- kill --nocapture

.PHONY: soak
soak: ## ten thousand runs in one process, in simulated time
	FLOWCTL_SOAK_RUNS=10000 $(CARGO) test --release --locked -p flowctl --test durability -- soak --nocapture

.PHONY: bench
bench: build ## flowctl beside make, ninja, xargs and bare loops; writes docs/benchmarks.md and .json
	@for peer in make ninja xargs; do command -v $$peer >/dev/null || apt-get install -y --no-install-recommends make ninja-build findutils; done
	FLOWCTL_BIN=$(abspath $(FLOWCTL)) $(CARGO) bench --locked -p flowctl-tests --bench processes -- --write $(abspath docs/benchmarks)

.PHONY: bench-parts
bench-parts: ## the parts of flowctl one by one, beside their last time
	$(CARGO) bench --locked -p flowctl --bench parts

.PHONY: durable
durable: ## strace: nothing is acknowledged before its fdatasync
	@command -v strace >/dev/null || apt-get install -y --no-install-recommends strace
	state/tests/fdatasync.sh

.PHONY: hard
hard: ## power cuts, damages and stopped collections by the hundred; make check has a sample of each
	FLOWCTL_POWER_CUTS=100 FLOWCTL_POWER_EVERY=2 FLOWCTL_DAMAGES=400 $(CARGO) test --locked -p flowctl-state --test state -- power_loss damage --nocapture

.PHONY: browser
browser: ## the HTML report in Chromium: both widths, both colours, on paper
	@command -v chromium >/dev/null || apt-get install -y --no-install-recommends chromium
	$(CARGO) test --locked -p flowctl --features browser --lib browser

.PHONY: fmt
fmt: ## formatting
	$(CARGO) fmt --all --check

.PHONY: clippy
clippy: ## lints
	$(CARGO) clippy --workspace --all-targets --all-features --locked -- -D warnings

.PHONY: doc
doc: ## documentation builds without warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps --locked --quiet

.PHONY: deny
deny: $(DENY) ## dependencies: bans, licences, sources; advisories where their database can be reached
	$(DENY) --locked check --hide-inclusion-graph bans licenses sources
	@if git ls-remote --quiet https://github.com/RustSec/advisory-db HEAD >/dev/null 2>&1; \
	then $(DENY) check advisories; \
	else echo "advisories were NOT checked: their database cannot be reached from here"; fi

$(DENY):
	$(CARGO) install cargo-deny --locked --version $(DENY_VERSION) --root $(TOOLS) --quiet

.PHONY: lab
lab: build ## start the lab: a real platform on this machine (needs root)
	$(FLOWCTL) run lab

.PHONY: lab-down
lab-down: build ## stop the lab and leave the machine as it was
	$(FLOWCTL) run lab-down

.PHONY: phase3
phase3: lab ## start the lab and run phase3 on it
	# 3 says that some criteria are INCONCLUSIVE: the lab has no ten gigabytes and no Grafana, and only people can judge documentation.
	$(FLOWCTL) run phase3 --target lab || test $$? -eq 3

.PHONY: full
full: check rehearsal crash kills soak e2e ## all that CI runs, then what takes too long for it: every crash point, the toggle that is killed, and phase3 on Trino 368
	$(FLOWCTL) run lab --param trino=368
	FLOWCTL_BIN=$(abspath $(FLOWCTL)) $(CARGO) test --locked -p flowctl-tests --features lab --test e2e -- long_

.PHONY: rehearsal
rehearsal: ## phase3 on doubles to its end, with nothing beside it: no step fails, each alert goes its whole way
	FLOWCTL_REHEARSAL=undisturbed $(CARGO) test --release --locked -p flowctl --test cli -- phase3_runs_without --nocapture

.PHONY: contract
contract: lab ## what the doubles of a rehearsal are held to, asked of the lab
	# 3: these steps alone decide few criteria.
	$(FLOWCTL) run phase3 --target lab --only nodes s3_credentials release trino_ready create_schema || test $$? -eq 3
	$(CARGO) test --locked -p flowctl-tests --features lab --test contract

.PHONY: e2e
e2e: lab ## end-to-end tests on the lab; about 20 minutes
	FLOWCTL_BIN=$(abspath $(FLOWCTL)) $(CARGO) test --locked -p flowctl-tests --features lab --test e2e
