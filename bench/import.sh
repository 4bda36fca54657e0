#!/usr/bin/env bash
# Measures `tidemark import` of 1,000,000 minute bars against COPY of the same rows into the same table, in turns, on a
# Postgres of its own; then a second import of the same file, and exports. Prints a table; medians of ROUNDS (3).
set -euo pipefail
cd "$(dirname "$0")/.."
rows=1000000
rounds=${ROUNDS:-3}

if [[ ${1:-} != inside ]]; then
  cargo build --release -p tidemark-server
  tidemark=$(mktemp -d)/tidemark
  cp "${CARGO_TARGET_DIR:-target}/release/tidemark" "$tidemark"
  export tidemark
  trap 'rm -rf "$(dirname "$tidemark")"' EXIT
  env -u DATABASE_URL -u TIDEMARK_DATA_DIR RUST_LOG=warn "$tidemark" postgres -- "$0" inside
  exit
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
awk -v rows="$rows" 'BEGIN {
  srand(7); price = 30000; print "time,open,high,low,close,volume"
  for (row = 0; row < rows; row++) {
    open = price; price += int((rand() - 0.5) * 2000) / 100
    high = (open > price ? open : price) + int(rand() * 500) / 100; low = (open < price ? open : price) - int(rand() * 500) / 100
    printf "%.0f,%.2f,%.2f,%.2f,%.2f,%.6f\n", (1640995200 + row * 60) * 1000, open, high, low, price, rand() * 10
  }
}' >"$work/bars.csv"
head -3 "$work/bars.csv" >"$work/few.csv"

# took COMMAND…: milliseconds to $work/ms, the peak of its resident memory in KiB to $work/peak.
took() {
  local start pid
  start=$(date +%s%N)
  "$@" >"$work/out" &
  pid=$!
  : >"$work/peak"
  while awk '/^VmHWM/ { print $2 }' "/proc/$pid/status" 2>/dev/null >"$work/now" && [[ -s $work/now ]]; do
    cp "$work/now" "$work/peak"
    sleep 0.05
  done
  wait "$pid" || { cat "$work/out"; exit 1; }
  echo $((($(date +%s%N) - start) / 1000000)) >"$work/ms"
}
median() { sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }
sql() { psql -qAt "$DATABASE_URL" -c "$1"; }

for ((round = 1; round <= rounds; round++)); do
  "$tidemark" import "$work/few.csv" --symbol "X:COPY${round}USD" >/dev/null
  series=$(sql "select id from series where symbol = 'X:COPY${round}USD'")
  sql "delete from ohlc_bars_v2 where series_id = $series"
  awk -F, -v OFS=, -v series="$series" 'NR > 1 {
    print series, "historical", strftime("%Y-%m-%dT%H:%M:%SZ", $1 / 1000, 1), $2, $3, $4, $5, $6, 1, 1, "file", "f"
  }' "$work/bars.csv" >"$work/copy.csv"
  sql checkpoint
  took psql -q "$DATABASE_URL" -c "\\copy ohlc_bars_v2 (series_id, layer, ts, open, high, low, close, volume, version, revision, provider, adjusted) from '$work/copy.csv' csv"
  cat "$work/ms" >>"$work/copy.ms"
  sql checkpoint
  took "$tidemark" import "$work/bars.csv" --symbol "X:FILE${round}USD"
  cat "$work/ms" >>"$work/import.ms"
  cat "$work/peak" >>"$work/import.peak"
  took "$tidemark" import "$work/bars.csv" --symbol "X:FILE${round}USD"
  cat "$work/ms" >>"$work/again.ms"
  grep '^written' "$work/out" >>"$work/again.written"
done
took "$tidemark" export X:FILE1USD m1 --out "$work/out.csv" 2>/dev/null
paste "$work/ms" "$work/peak" >"$work/export.csv"
took "$tidemark" export X:FILE1USD m1 --out "$work/out.parquet" 2>/dev/null
paste "$work/ms" "$work/peak" >"$work/export.parquet"
took "$tidemark" import "$work/out.parquet" --symbol X:PARQUETUSD
paste "$work/ms" "$work/peak" >"$work/import.parquet"

copy=$(median <"$work/copy.ms") import=$(median <"$work/import.ms") again=$(median <"$work/again.ms")
rate() { awk -v rows="$rows" -v ms="$1" 'BEGIN { printf "%d", rows * 1000 / ms }'; }
mib() { awk -v kib="$1" 'BEGIN { printf "%.0f", kib / 1024 }'; }
echo "| what, $rows m1 bars | time | rows/s | peak memory |"
echo "|---|---|---|---|"
echo "| COPY into ohlc_bars_v2 | $copy ms | $(rate "$copy") | |"
echo "| tidemark import of the same rows, CSV | $import ms | $(rate "$import") | $(mib "$(median <"$work/import.peak")") MiB |"
echo "| the same file again: $(sort -u "$work/again.written" | tr -s ' ') | $again ms | $(rate "$again") | |"
read -r ms peak <"$work/import.parquet" && echo "| tidemark import, Parquet | $ms ms | $(rate "$ms") | $(mib "$peak") MiB |"
read -r ms peak <"$work/export.csv" && echo "| tidemark export, CSV | $ms ms | $(rate "$ms") | $(mib "$peak") MiB |"
read -r ms peak <"$work/export.parquet" && echo "| tidemark export, Parquet | $ms ms | $(rate "$ms") | $(mib "$peak") MiB |"
echo
echo "rows/s of import ÷ rows/s of COPY: $(awk -v copy="$copy" -v import="$import" 'BEGIN { printf "%.2f", copy / import }')"
