#!/usr/bin/env bash
# Measures a release build and writes bench/RESULTS.md. Start it with `make bench`, which builds what it needs.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo build --release -p tidemark-simulator
export TIDEMARK_PROFILE=release
private() { env -u DATABASE_URL -u TIDEMARK_DATA_DIR target/release/tidemark postgres -- "$@"; }

private npx --prefix end2end playwright test --config end2end/bench.config.ts measure.spec.ts
{
  printf '\n## Files\n\n' && bench/import.sh
  printf '\n## Gaps\n\n' && RUST_LOG=warn private bench/gaps.sh
} >>bench/RESULTS.md
cat bench/RESULTS.md
