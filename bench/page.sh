#!/usr/bin/env bash
# Measures the page of a release build and writes bench/PAGE.md. Start it with `make bench-page`, which builds what it needs.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo build --release -p tidemark-simulator
npm ci --prefix bench/page --ignore-scripts --no-audit --no-fund --loglevel=error
export TIDEMARK_PROFILE=release
env -u DATABASE_URL -u TIDEMARK_DATA_DIR target/release/tidemark postgres -- \
  npx --prefix end2end playwright test --config end2end/bench.config.ts page.spec.ts
cat bench/PAGE.md
