# Thin: each target names one script or one command. `make help` lists them.

CARGO_HOME ?= $(HOME)/.cargo
export PATH := $(CURDIR)/node_modules/.bin:$(CARGO_HOME)/bin:$(PATH)
export LEPTOS_SITE_ROOT ?= target/site
# What a release serves: hashed, compressed, with the service worker.
PACKED = target/site-packed

WASM = --target wasm32-unknown-unknown

.DEFAULT_GOAL := help
.PHONY: help setup setup-test assets build run dev test lint bench bench-page bench-transfer bench-queue clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s%s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Install what building and running need; prints what it does, never asks
	@scripts/setup.sh

setup-test: ## The same, and the browser that the tests drive
	@scripts/setup.sh test

assets: setup
	@npm run --silent build

build: assets
	cargo leptos build --release
	@node scripts/pack.js $(LEPTOS_SITE_ROOT) $(PACKED)

run: build ## Build and start everything; prints the address. Ctrl-C stops it
	@LEPTOS_SITE_ROOT=$(PACKED) exec target/release/tidemark serve

dev: assets ## Build, start, and do it again at every change
	cargo leptos watch

test: ## Every test there is; the last line tells how many passed and failed
	@scripts/test.sh

lint: setup-test ## Formatting, Clippy for the server and for the browser, types of the tests
	cargo fmt --all --check
	cargo clippy --workspace --exclude tidemark-frontend --all-targets -- -D warnings
	cargo clippy -p tidemark-frontend $(WASM) -- -D warnings
	cargo clippy -p tidemark-app --features hydrate --all-targets $(WASM) -- -D warnings
	end2end/node_modules/.bin/tsc -p end2end

bench: setup-test assets build ## Measure, beside a floor; writes bench/RESULTS.md
	@LEPTOS_SITE_ROOT=$(PACKED) bench/run.sh

bench-page: setup-test build ## Measure the page beside lightweight-charts and Lighthouse's rules; writes bench/PAGE.md
	@LEPTOS_SITE_ROOT=$(PACKED) bench/page.sh

bench-transfer: build ## Weigh what the chart page loads; writes bench/TRANSFER.md
	@node bench/transfer.mjs $(PACKED)

bench-queue: build ## Measure the queue beside others and a floor; writes bench/QUEUE.md
	cargo build --release -p tidemark-server --example bench_queue
	@BENCH_QUEUE_OURS=target/release/examples/bench_queue env -u DATABASE_URL -u TIDEMARK_DATA_DIR RUST_LOG=warn target/release/tidemark postgres -- bench/queue/run.sh

clean: ## Remove what was built and the npm packages; the data directory stays
	cargo clean
	rm -rf node_modules bench/page/node_modules bench/queue/node_modules end2end/node_modules end2end/test-results end2end/playwright-report public/vendor
