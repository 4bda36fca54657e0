#!/usr/bin/env bash
# Prints what gaps cost, on a Postgres of its own; see gaps.sql. Called by `run.sh` under `tidemark postgres`.
set -euo pipefail
cd "$(dirname "$0")/.."
psql -q "$DATABASE_URL" -c 'create database gaps'
url="${DATABASE_URL%/*}/gaps"
for migration in migrations/*.sql; do psql -q -v ON_ERROR_STOP=1 "$url" -f "$migration"; done
psql -qAt -F ' | ' "$url" -f bench/gaps.sql
