#!/usr/bin/env bash
# Installs what building and running need, and with `test` also what the tests need. Prints one line for each thing,
# asks nothing, goes on after a failure and ends with status 1 where something is missing.
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH="${CARGO_HOME:-$HOME/.cargo}/bin:$PATH"
export PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD=1
# Built once and used seldom: a quick build rather than a quick tool.
export CARGO_PROFILE_RELEASE_OPT_LEVEL=1 CARGO_PROFILE_RELEASE_LTO=off
export CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 CARGO_PROFILE_RELEASE_DEBUG=0

want=${1:-run}
log=$(mktemp)
trap 'rm -f "$log"' EXIT
missing=0

say() { printf 'setup: %-20s %s\n' "$1" "$2"; }
has() { command -v "$1" >/dev/null 2>&1; }

# fail NAME COMMAND: COMMAND is what the user should run.
fail() {
  missing=1
  say "$1" "FAILED; run: $2"
  [[ ! -s $log ]] || tail -n 15 "$log" | sed 's/^/setup:     | /'
}

# install NAME HINT COMMAND…: runs COMMAND quietly, tells now and then how far it is, and says how long it took.
install() {
  local name=$1 hint=$2 start=$SECONDS ticker
  shift 2
  say "$name" "installing: $hint"
  while sleep 30 >/dev/null 2>&1; do say "$name" "… $((SECONDS - start)) s: $(tail -n 1 "$log" | cut -c -80)"; done &
  ticker=$!
  if "$@" </dev/null >"$log" 2>&1; then
    say "$name" "installed in $((SECONDS - start)) s"
  else
    fail "$name" "$hint"
  fi
  kill "$ticker"
  wait "$ticker" 2>/dev/null || true
}

as_root() {
  if [[ $(id -u) == 0 ]]; then "$@"; else sudo -n "$@"; fi
}

can_apt() { has apt-get && { [[ $(id -u) == 0 ]] || { has sudo && sudo -n true 2>/dev/null; }; }; }

apt() {
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@" && return
  as_root apt-get update && as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@"
}

rust_toolchain() {
  local channel
  channel=$(sed -n 's/^channel = "\(.*\)"/\1/p' rust-toolchain.toml)
  if ! has rustup; then
    fail "Rust $channel" "curl --proto '=https' -sSf https://sh.rustup.rs | sh -s -- -y"
  elif rustup target list --toolchain "$channel" --installed 2>/dev/null | grep -qx wasm32-unknown-unknown &&
    cargo "+$channel" clippy --version >/dev/null 2>&1 && cargo "+$channel" fmt --version >/dev/null 2>&1; then
    say "Rust $channel" "present, with the WASM target"
  else
    install "Rust $channel" "rustup toolchain install $channel -c clippy,rustfmt -t wasm32-unknown-unknown" \
      rustup toolchain install "$channel" --no-self-update --profile minimal -c clippy,rustfmt -t wasm32-unknown-unknown
  fi
}

# cargo_tool NAME VERSION CRATE FLAGS…: a prebuilt one where cargo-binstall has it soon, else built.
cargo_tool() {
  local name=$1 version=$2 crate=$3
  shift 3
  build() {
    if has cargo-binstall && timeout 60 cargo binstall --no-confirm "$crate@$version"; then return; fi
    cargo install "$crate" --version "$version" "$@"
  }
  if [[ $("$name" --version 2>/dev/null) == *" $version"* ]]; then
    say "$name $version" "present"
  else
    install "$name $version" "cargo install $crate --version $version $*" build "$@"
  fi
}

# npm_packages FOLDER: what its lock file says.
npm_packages() {
  if ! has npm; then
    fail "npm packages in $1" "apt-get install -y nodejs npm (Node 20 or later)"
  elif [[ $1/node_modules/.package-lock.json -nt $1/package-lock.json ]]; then
    say "npm packages in $1" "present"
  else
    install "npm packages in $1" "npm ci --prefix $1" npm ci --prefix "$1" --no-audit --no-fund --loglevel=error
    touch -c "$1/node_modules/.package-lock.json"
  fi
}

postgres() {
  local installed
  installed=$(find /usr/lib/postgresql/*/bin/postgres -maxdepth 0 2>/dev/null | sort -V | tail -n 1)
  if [[ -n ${DATABASE_URL:-} ]]; then
    say "Postgres" "the one of DATABASE_URL"
  elif [[ -n $installed ]]; then
    say "Postgres" "present: $installed"
  elif has pg_config && [[ -x $(pg_config --bindir)/postgres ]]; then
    say "Postgres" "present: $(pg_config --bindir)/postgres"
  elif can_apt; then
    install "Postgres" "apt-get install -y postgresql" apt postgresql
  else
    say "Postgres" "none here: the server downloads a private one; or run: sudo apt-get install -y postgresql"
  fi
}

browser() {
  if has chromium && has chromedriver; then
    say "Chromium, its driver" "present: $(chromium --version --no-sandbox 2>/dev/null || echo 'version unknown')"
  elif can_apt; then
    install "Chromium, its driver" "apt-get install -y chromium chromium-driver" apt chromium chromium-driver
  else
    : >"$log"
    fail "Chromium, its driver" "sudo apt-get install -y chromium chromium-driver"
  fi
}

offers() { apt-cache show "$1" || { as_root apt-get update && apt-cache show "$1"; }; }

# Not every distribution has it. The tests say how many they skipped where there is none.
second_browser() {
  if has firefox-esr; then
    say "Firefox" "present: $(firefox-esr --version 2>/dev/null || echo 'version unknown')"
  elif can_apt && offers firefox-esr >/dev/null 2>&1; then
    install "Firefox" "apt-get install -y firefox-esr" apt firefox-esr
  else
    say "Firefox" "none here; its tests are skipped"
  fi
}

wasm_bindgen_version() { awk '/^name = "wasm-bindgen"$/ { getline; gsub(/version = |"/, ""); print }' Cargo.lock; }

rust_toolchain
cargo_tool wasm-bindgen "$(wasm_bindgen_version)" wasm-bindgen-cli
cargo_tool cargo-leptos 0.3.10 cargo-leptos --locked
npm_packages .
postgres
if [[ $want == test ]]; then
  npm_packages end2end
  browser
  second_browser
fi
exit "$missing"
