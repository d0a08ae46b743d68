# paymesh: `make help` lists what can be done here.
# Everything needs a Rust toolchain and a C compiler; scripts/need.sh says what is missing.

# rustup's directory, for shells that have not read its profile; cargo-deny may live in .tools.
cargo_bin := $(wildcard $(or $(CARGO_HOME),$(HOME)/.cargo)/bin)
ifeq ($(filter $(cargo_bin),$(subst :, ,$(PATH))),)
export PATH := $(if $(cargo_bin),$(cargo_bin):)$(PATH)
endif
export PATH := $(PATH):$(CURDIR)/.tools/bin

built := $(or $(CARGO_TARGET_DIR),target)
paymesh := $(built)/debug/paymesh

.PHONY: help demo run up-split demo-split build test check fmt bench-store bench-flood bench-mesh chart test-chart tools clean need
.DEFAULT_GOAL := help

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

demo: build ## build, then drive 500 orders through the whole mesh and print what became of them
	@$(paymesh) demo

run: build ## build, then run the whole mesh on ./data until Ctrl-C
	@$(paymesh) up --data-dir data

up-split: build ## build, then run every role as processes of their own on MariaDB until Ctrl-C
	@scripts/with-servers.sh $(paymesh) up-split

demo-split: build ## the demo on that, with each role killed (SIGKILL) and each frozen for 10 s
	@scripts/with-servers.sh $(paymesh) demo --split --kill-each --freeze-each

build: need ## build target/debug/paymesh
	@start=$$(date +%s); cargo build --locked -p paymesh && echo "built in $$(($$(date +%s) - start)) s"

test: need ## run every test on SQLite, MariaDB and Redis; ARGS='-- name' picks some
	@scripts/with-servers.sh scripts/test.sh $(ARGS)

check: need ## formatting, lints, licences and bans, documentation
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --features kubernetes,otlp --locked -- -D warnings
	@command -v cargo-deny >/dev/null || { echo "paymesh: 'cargo-deny' was not found; install it with: make tools" >&2; exit 1; }
	cargo deny --all-features --locked check bans licenses sources
	RUSTDOCFLAGS=-Dwarnings cargo doc --workspace --features kubernetes,otlp --no-deps --locked

fmt: need ## format the source
	cargo fmt --all

bench-store: need ## the committer against a transaction per write, on SQLite and MariaDB
	@scripts/with-servers.sh cargo bench --locked -p store --bench committer

bench-flood: need ## orders with and without a storm of orders for shops that do not exist
	cargo build --locked --release -p paymesh
	$(built)/release/paymesh bench

bench-mesh: need ## the mesh's client beside bare tonic and tower's balancer; writes docs/benchmarks/mesh.md
	cargo build --locked --release -p mesh-bench
	$(built)/release/mesh-bench --write docs/benchmarks/mesh.md

chart: ## render the chart into k8s/, for kubectl apply
	@scripts/chart-render.sh

test-chart: ## lint, schema, rendered manifests, unit tests of the chart, the Dockerfile (fetches helm into ./.tools)
	@scripts/chart-test.sh

tools: need ## install cargo-deny into ./.tools
	cargo install --root .tools --locked cargo-deny

clean: ## remove what was built, fetched and stored here
	rm -rf target .servers .tools data

need:
	@scripts/need.sh
