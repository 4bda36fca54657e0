#!/usr/bin/env bash
# Every test there is. Stages go on after a failure; the very last line is `N passed, N failed`, and the status is 1
# where anything failed, a stage that does not build or a runner that crashes included.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
export PATH="$PWD/node_modules/.bin:${CARGO_HOME:-$HOME/.cargo}/bin:$PATH"
# A folder of its own: `make run` and `make dev` may serve theirs meanwhile.
export LEPTOS_SITE_ROOT=target/site-test
export WASM_BINDGEN_TEST_WEBDRIVER_JSON="$PWD/scripts/webdriver.json"
export CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER=wasm-bindgen-test-runner
# Tests make databases: never on one that someone uses.
unset DATABASE_URL TIDEMARK_DATA_DIR

log=$(mktemp)
trap 'rm -f "$log"' EXIT
passed=0 failed=0 skipped=0

# Counters print: passed failed skipped.
no_counts() { echo 0 0 0; }

# A test that misses its fixtures passes and prints `skipped: …`.
cargo_counts() {
  awk '/^test result: / { for (i = 1; i < NF; i++) { n[$(i + 1)] += $i } }
    /^skipped: / { missing++ }
    END { print n["passed;"] - missing, n["failed;"] + 0, n["ignored;"] + missing }' "$log"
}

playwright_counts() {
  node -p 'const s = require("./end2end/test-results/results.json").stats;
    `${s.expected + s.flaky} ${s.unexpected} ${s.skipped}`' 2>/dev/null || no_counts
}

# stage NAME COUNTER COMMAND…
stage() {
  local name=$1 counter=$2 start=$SECONDS status good bad missing
  shift 2
  printf '\n== %s: %s\n' "$name" "$*"
  "$@" </dev/null 2>&1 | tee "$log"
  status=${PIPESTATUS[0]}
  read -r good bad missing < <("$counter")
  if [[ $status != 0 && $bad == 0 ]]; then
    bad=1
    printf '== %s: ended with status %s\n' "$name" "$status"
  elif [[ $status == 0 && $counter != no_counts && $good == 0 ]]; then
    bad=1
    printf '== %s: no test ran\n' "$name"
  fi
  passed=$((passed + good)) failed=$((failed + bad)) skipped=$((skipped + missing))
  printf '== %s: %s passed, %s failed, %s skipped in %s s\n' "$name" "$good" "$bad" "$missing" $((SECONDS - start))
}

with_postgres() { target/debug/tidemark postgres -- "$@"; }

playwright() {
  rm -rf end2end/test-results
  with_postgres npm --prefix end2end test
}

stage "set-up" no_counts scripts/setup.sh test
stage "assets" no_counts npm run --silent build
stage "page and server" no_counts cargo leptos build
stage "simulator" no_counts cargo build -p tidemark-simulator
stage "market" cargo_counts cargo test --no-fail-fast -p tidemark-market -- --show-output
stage "simulator's tests" cargo_counts cargo test --no-fail-fast -p tidemark-simulator -- --show-output
stage "app" cargo_counts cargo test --no-fail-fast -p tidemark-app --features ssr -- --show-output
stage "server" cargo_counts with_postgres cargo test --no-fail-fast -p tidemark-server -- --show-output
stage "browser parts" cargo_counts \
  cargo test --no-fail-fast -p tidemark-app --features hydrate --target wasm32-unknown-unknown --target-dir target/front
stage "end to end" playwright_counts playwright

printf '\n%s passed, %s failed%s\n' "$passed" "$failed" "$([[ $skipped == 0 ]] || echo ", $skipped skipped")"
[[ $failed == 0 ]]
