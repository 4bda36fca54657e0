#!/usr/bin/env bash
# Measures queues on the Postgres DATABASE_URL, which nothing else should use: the floor, the peers, and what the command
# BENCH_QUEUE_OURS measures, in turns, ROUNDS (2) times, each in an empty database. Writes bench/QUEUE.md.
# BENCH_QUEUE_OURS prints JSON lines as peers.mjs does, of systems whose names end in "batch" or "single".
set -euo pipefail
cd "$(dirname "$0")/../.."
export JOBS=${JOBS:-20000}
rounds=${ROUNDS:-2}
server=$DATABASE_URL
rows=$(mktemp)
trap 'rm -f "$rows"; psql -q "$server" -c "drop database if exists bench_queue" 2>/dev/null' EXIT

npm ci --prefix bench/queue --silent --no-audit --no-fund
# The packages bring the Node.js that the peers ask for, where there is one for the machine.
export PATH="$PWD/bench/queue/node_modules/.bin:$PATH"

# measure COMMAND: its rows, from an empty database after a checkpoint.
measure() {
  psql -q "$server" -c 'drop database if exists bench_queue' -c 'create database bench_queue' -c checkpoint 2>/dev/null
  DATABASE_URL="${server%/*}/bench_queue" bash -c "$1" | tee -a "$rows" >&2
}
setting() { psql -qAt "$server" -c "show $1"; }
processor() { sed -n 's/^model name\s*: //p' /proc/cpuinfo 2>/dev/null | head -n 1; }

for ((round = 1; round <= rounds; round++)); do
  measure bench/queue/floor.sh
  measure 'node bench/queue/peers.mjs'
  [[ -z ${BENCH_QUEUE_OURS:-} ]] || measure "$BENCH_QUEUE_OURS"
done

{
  cat <<END
# The queue, measured

\`make bench-queue\`, $(date -u +%F), on $(getconf _NPROCESSORS_ONLN) × $(processor), client and server on one machine; Postgres
$(setting server_version), fsync $(setting fsync), synchronous_commit $(setting synchronous_commit), shared_buffers $(setting shared_buffers), Node.js $(node --version). Load average at the end: $(cut -d' ' -f1-3 /proc/loadavg 2>/dev/null).

$JOBS jobs that do nothing, enqueued before the workers start, until the database says that all are done. Pick-up: 200
times, one after the other, from before the client's call to the handler's first line, in one process. Medians of $rounds
rounds in turns. *single* claims and ends each job alone over up to 16 connections, *batch* many in a statement: graphile-worker 500 as in its own
perfTest, pg-boss 500 × 4 workers in bursts, the floor 50. The floor is pgbench on the least table there can be.
Ratios are to the best peer, and to the floor, of the same kind.

END
  node bench/queue/table.mjs <"$rows"
  printf '\n%s\n' "$(<bench/queue/where-the-time-goes.md)"
  [[ -z ${BENCH_QUEUE_OURS:-} ]] || for part in flat tick soak; do
    printf '\n## %s\n\n' "$part"
    DATABASE_URL=$server "$BENCH_QUEUE_OURS" "$part" | sed 's/^/    /'
  done
} >bench/QUEUE.md
cat bench/QUEUE.md
