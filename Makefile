# Everything a contributor types. Each target does its own set-up.
SHELL := bash
.DEFAULT_GOAL := help

KEEP ?=
ORDER_LINES ?=
SCRIPTS ?=

.PHONY: help test test-matrix test-programs test-regress check beside demo bench soak fuzz

help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# Runs a script of the repository, or says which one is missing.
script = @if [ -x $(1) ]; then exec $(1) $(2); else echo "make: $(1) is missing or not executable" >&2; exit 1; fi

test: ## Everything that gates a change; installs what is missing
	$(call script,tests/run)

test-matrix: ## The differential suite on PostgreSQL 14 to 18
	$(call script,tests/matrix)

test-programs: ## Test suites of real programs in a draft; DJANGO="basic update" chooses its modules
	tests/setup.sh && tests/programs/setup.sh && cargo build --workspace && cargo test --workspace --quiet --test programs

test-regress: ## PostgreSQL's own regression scripts in a draft; SCRIPTS="--touched insert update" chooses
	tests/regress/run $(SCRIPTS)

check: ## Formatting, lints, documentation
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	cargo clippy --package pgdraft --all-targets --features otel -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --document-private-items
	$(MAKE) --no-print-directory beside

# The crates that stand beside the workspace, and call it.
beside:
	cargo check --quiet --bins --manifest-path tests/fuzz/Cargo.toml --target-dir target/fuzz-check
	cargo check --quiet --benches --manifest-path tests/bench/phases/Cargo.toml --target-dir target/phases

demo: ## The whole idea on a private PostgreSQL; KEEP=1 leaves it running
	@KEEP="$(KEEP)" ORDER_LINES="$(ORDER_LINES)" tests/demo/run

bench: ## Ratios against direct connections
	$(call script,tests/bench/run)

soak: ## Load under disturbance for MINUTES=60; FORM=active, idle: many undisturbed clients
	$(call script,tests/soak/run)

fuzz: ## Random workloads with fresh seeds; MINUTES=n stops it; TARGET=smith: sqlsmith; split, rewrite, stream: cargo-fuzz
	$(call script,tests/fuzz/run)
