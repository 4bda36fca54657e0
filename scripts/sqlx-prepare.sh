#!/usr/bin/env bash
# Renews .sqlx, against which queries are checked when there is no database: makes a scratch database next to the one of
# DATABASE_URL (any Postgres you may create databases in), applies the migrations, and compiles the server on it.
set -euo pipefail
cd "$(dirname "$0")/.."
: "${DATABASE_URL:?set it to a Postgres you may create databases in, such as postgres://postgres@127.0.0.1/postgres}"

scratch="tidemark_prepare_$$"
psql -q "$DATABASE_URL" -c "create database $scratch"
trap 'psql -q "$DATABASE_URL" -c "drop database $scratch with (force)"' EXIT
scratch_url="${DATABASE_URL%/*}/$scratch"
for migration in migrations/*.sql; do
    psql -q -v ON_ERROR_STOP=1 "$scratch_url" -f "$migration"
done

rm -rf .sqlx && mkdir .sqlx
touch server/src/lib.rs
SQLX_OFFLINE=false SQLX_OFFLINE_DIR="$PWD/.sqlx" DATABASE_URL="$scratch_url" cargo check -p tidemark-server --lib
echo "$(ls .sqlx | wc -l) queries in .sqlx"
