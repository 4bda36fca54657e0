#!/usr/bin/env bash
# The floor of a queue in the Postgres DATABASE_URL: pgbench on the least table there can be, prepared statements, claim
# and complete as two commits. Drains JOBS (20,000; a multiple of 400) with several numbers of clients and prints a JSON
# line with the best of them, for a job at a time and for 50. It says nothing of how soon a job is picked up.
set -euo pipefail
cd "$(dirname "$0")/floor"
jobs=${JOBS:-20000}

# The newest one: beside pg_config, else in the usual places.
pgbench=$(ls -d "$(pg_config --bindir 2>/dev/null)"/pgbench /usr/lib/postgresql/*/bin/pgbench /usr/pgsql-*/bin/pgbench \
  /opt/homebrew/opt/postgresql*/bin/pgbench 2>/dev/null | sort -V | tail -n 1 || true)
[[ -n $pgbench ]] || { echo "There is no pgbench. It comes with Postgres: apt-get install postgresql" >&2; exit 1; }
sql() { psql -qAt -v ON_ERROR_STOP=1 "$DATABASE_URL" "$@"; }

# rate SCRIPT CLIENTS TRANSACTIONS JOBS_EACH: jobs a second.
rate() {
  "$pgbench" -n -M prepared -c "$2" -j 2 -t "$(($3 / $2))" -D jobs="$jobs" -f "$1.sql" "$DATABASE_URL" 2>/dev/null |
    awk -v each="$4" '/^tps = .*without initial/ { printf "%.0f\n", $3 * each }'
}

# drain SCRIPT CLIENTS JOBS_EACH: "jobs drained a second, jobs enqueued a second".
drain() {
  local enqueued drained
  sql -f schema.sql 2>/dev/null
  enqueued=$(rate enqueue 1 1 "$jobs")
  sql -c 'vacuum analyze floor.jobs'
  drained=$(rate "$1" "$2" "$((jobs / $3))" "$3")
  [[ $(sql -c "select count(*) from floor.jobs where status <> 'success'") == 0 ]] || { echo "$1 with $2 clients left jobs" >&2; exit 1; }
  echo "$drained $enqueued"
}

# best SYSTEM SCRIPT JOBS_EACH CLIENTS…
best() {
  local system=$1 script=$2 each=$3
  shift 3
  for clients in "$@"; do drain "$script" "$clients" "$each"; done | sort -n | tail -n 1 |
    while read -r drained enqueued; do
      printf '{"system":"%s","drained_per_s":%s,"enqueue_per_s":%s}\n' "$system" "$drained" "$enqueued"
    done
}

best "floor single" single 1 4 8 16
best "floor batch" batch 50 2 4 8
sql -c 'drop schema floor cascade' 2>/dev/null
