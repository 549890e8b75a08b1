# Everything that is more than a line or two is a program or a script: crates/mizuumi-stand, stand/.

export MIZUUMI_CACHE ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/mizuumi
# Shared by all clones, so that a fresh one is quick.
export CARGO_TARGET_DIR ?= $(MIZUUMI_CACHE)/target

STAND = $(CARGO_TARGET_DIR)/debug/mizuumi-stand

.DEFAULT_GOAL := help
.PHONY: help up down demo demo-emr test platform dashboards argocd upgrade idle bench bench-sources faults judge check crds controlplane-mod

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

up: ## Start the local stand: Kubernetes and AWS on 127.0.0.1 (builds it the first time)
	cargo build --workspace
	@$(STAND) up

down: ## Stop the local stand; its data stays (`mizuumi-stand down --purge` removes it)
	@stand/demo.sh stop
	cargo build -q --workspace
	@$(STAND) down

demo: ## Start the stand, run Mizuumi on it and show what it does
	cargo build --workspace
	@$(STAND) up
	@stand/demo.sh

demo-emr: ## The same, with a Spark for the step of its EMR cluster; Spark is got the first time (0.4 GB; JDK 17, Maven)
	cargo build --workspace
	@$(STAND) up
	@JUDGE_HOME=$$(tests/judge/engines.sh spark) stand/demo.sh spark

test: ## Run all tests against a stand of their own, which is stopped afterwards
	cargo build --workspace
	cargo test --workspace --no-run
	@$(STAND) --dir .stand/test with --fresh -- stand/test.sh

platform: ## Try the charts and GitOps only: both Helms, two teams' installations, Argo CD, Flux; UPDATE=1 writes what is compared anew
	cargo build --workspace --bins
	@$(STAND) --dir .stand/platform with --fresh -- stand/platform.sh

dashboards: ## Draw the chart's dashboards from a few minutes of load, and see that each panel has something to show
	cargo build --workspace --bins
	@stand/dashboards.sh

argocd: ## Run the tests of health and actions by Argo CD's own engine, which is built the first time
	@stand/argocd.sh

upgrade: ## Upgrade from an earlier version under load, which is built first: make upgrade FROM=REVISION
	@stand/upgrade.sh $(FROM)

idle: ## Measure what 1,000 tables cost while nothing changes: make idle TABLES=1000
	cargo build --workspace
	@$(STAND) --dir .stand/idle with --fresh -- $(CARGO_TARGET_DIR)/debug/idle --tables $(or $(TABLES),1000)

# PROFILE=dev for a try: figures of a debug build say nothing about times.
PROFILE ?= release
BUILT = $(CARGO_TARGET_DIR)/$(patsubst dev,debug,$(PROFILE))

bench: ## Measure B1 to B9, B11 to B13, B19 and B20: make bench SIZES=1k,10k,100k ONLY=B1,B3 (BENCH=--help for more)
	cargo build --workspace --profile $(PROFILE)
	@$(BUILT)/mizuumi-stand --dir .stand/bench with --fresh -- $(BUILT)/bench \
		$(if $(SIZES),--sizes $(SIZES)) $(if $(ONLY),--only $(ONLY)) $(BENCH)

bench-sources: ## Measure rows a second of the images for sources, beside dlt by hand: make bench-sources DOUBLINGS=3
	cargo build -q --workspace
	@$(STAND) build
	@cd images && MIZUUMI_DATABASES=$$(../stand/databases.sh) $(MIZUUMI_CACHE)/venv/bin/python bench.py $(DOUBLINGS)

faults: ## Try every fault of the list and say what came of it: make faults ONLY=F1,F9 SCALE=60 SEED=1
	cargo build --workspace
	@$(STAND) --dir .stand/faults with --fresh -- $(CARGO_TARGET_DIR)/debug/faults \
		$(if $(ONLY),--only $(ONLY)) $(if $(SCALE),--scale $(SCALE)) $(if $(SEED),--seed $(SEED))

judge: ## Have Trino and Spark read every kind of table that Mizuumi makes; engines are got the first time (0.8 GB)
	cargo build --workspace
	@$(STAND) --dir .stand/judge with --fresh -- tests/judge/judge.sh

check: ## Check format and lints
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings

crds: ## Write crds/ anew from the Rust types
	cargo run -q -p mizuumi -- crds --out crds

controlplane-mod: ## Pin the stand's Kubernetes modules anew: make controlplane-mod KUBERNETES=v1.36.3
	stand/controlplane-mod.sh $(KUBERNETES)
