// Measures ways to write bars into a table like ohlc_bars_v2 of the database DATABASE_URL: binary arrays through unnest,
// and COPY, binary and text, into a temporary table first. All end in the same INSERT … SELECT … ON CONFLICT, in one
// transaction. Bytes are made before the clock starts, so what is measured is Postgres and the wire, not JavaScript.
// Prints a table of medians over ROUNDS (7).
import { pipeline } from "node:stream/promises";
import { Readable } from "node:stream";
import pg from "pg";
import { from as copyFrom } from "pg-copy-streams";

const sizes = [100, 1_000, 10_000, 50_000];
const rounds = Number(process.env.ROUNDS ?? 7);
const client = new pg.Client({ connectionString: process.env.DATABASE_URL });

/** Each column with its type, the type's OID, the size of a value, and how one is written. */
const timestamptz = { name: "timestamptz", oid: 1184, size: 8, write: (buffer, value, at) => buffer.writeBigInt64BE(value, at) };
const double = { name: "double precision", oid: 701, size: 8, write: (buffer, value, at) => buffer.writeDoubleBE(value, at) };
const integer = { name: "integer", oid: 23, size: 4, write: (buffer, value, at) => buffer.writeInt32BE(value, at) };
const columns = ["ts", "open", "high", "low", "close", "volume", "vwap", "trades"];
const types = [timestamptz, double, double, double, double, double, double, integer];
const insertSelect = (source) => `
  insert into write_bench.bars as b (series_id, layer, ts, open, high, low, close, volume, vwap, trades, revision,
                                     provider, adjusted, fetched_at)
  select 1, 'historical', ts, open, high, low, close, volume, vwap, trades, 1, 'bench', true, now()
  from ${source}
  on conflict (series_id, layer, ts) do update
  set open = excluded.open, high = excluded.high, low = excluded.low, close = excluded.close, volume = excluded.volume,
      vwap = excluded.vwap, trades = excluded.trades, version = b.version + 1, revision = excluded.revision,
      provider = excluded.provider, adjusted = excluded.adjusted, fetched_at = excluded.fetched_at
  where (b.open, b.high, b.low, b.close, b.volume, b.vwap, b.trades, b.adjusted) is distinct from
        (excluded.open, excluded.high, excluded.low, excluded.close, excluded.volume, excluded.vwap, excluded.trades,
         excluded.adjusted)`;
const fromArrays = {
  name: "from-arrays",
  text: insertSelect(`unnest(${types.map((type, at) => `$${at + 1}::${type.name}[]`)}) as i (${columns})`),
};

/** Minutes from 2020 on, column by column. */
function bars(count) {
  const rows = Array.from({ length: count }, (_, row) => row);
  const price = (above) => rows.map((row) => 30_000 + ((row * 7919) % 1000) / 100 + above);
  const microsSince2000 = (row) => (BigInt(Date.UTC(2020, 0, 1) - Date.UTC(2000, 0, 1)) + BigInt(row) * 60_000n) * 1000n;
  return [rows.map(microsSince2000), price(1), price(2), price(0), price(1), rows.map((row) => row / 7), price(1), rows];
}

/** A value with its length before it, as in arrays and in binary COPY. */
function field(type, value) {
  const buffer = Buffer.alloc(4 + type.size);
  buffer.writeInt32BE(type.size);
  type.write(buffer, value, 4);
  return buffer;
}

/** node-postgres sends a Buffer as a binary parameter. */
function binaryArray(type, values) {
  const header = Buffer.alloc(20);
  [1, 0, type.oid, values.length, 1].forEach((number, at) => header.writeInt32BE(number, 4 * at));
  return Buffer.concat([header, ...values.map((value) => field(type, value))]);
}

function binaryCopy(incoming) {
  const fieldCount = Buffer.from([0, types.length]);
  const row = (_, at) => [fieldCount, ...types.map((type, column) => field(type, incoming[column][at]))];
  const header = Buffer.concat([Buffer.from("PGCOPY\n\xff\r\n\0", "latin1"), Buffer.alloc(8)]);
  return Buffer.concat([header, ...incoming[0].flatMap(row), Buffer.from([0xff, 0xff])]);
}

function textCopy([times, ...others]) {
  const ts = times.map((micros) => new Date(Number(micros / 1000n) + Date.UTC(2000, 0, 1)).toISOString());
  const line = (_, row) => [ts, ...others].map((column) => column[row]).join("\t") + "\n";
  return Buffer.from(ts.map(line).join(""));
}

const unnest = (arrays) => client.query({ ...fromArrays, values: arrays });
const copy = (format) => async (bytes) => {
  await client.query("truncate incoming");
  await pipeline(Readable.from([bytes]), client.query(copyFrom(`copy incoming from stdin (format ${format})`)));
  await client.query({ name: "from-copy", text: insertSelect("incoming") });
};
const ways = [
  { encode: (incoming) => incoming.map((values, column) => binaryArray(types[column], values)), write: unnest },
  { encode: binaryCopy, write: copy("binary") },
  { encode: textCopy, write: copy("text") },
];

async function millis({ encode, write }, incoming, isRewrite) {
  const bytes = encode(incoming);
  await client.query("truncate write_bench.bars");
  if (isRewrite) await write(bytes);
  const start = performance.now();
  await client.query("begin");
  await write(bytes);
  await client.query("commit");
  return performance.now() - start;
}

const median = (values) => values.sort((a, b) => a - b)[Math.floor(values.length / 2)];

await client.connect();
await client.query(`
  set client_min_messages = warning;
  drop schema if exists write_bench cascade;
  create schema write_bench;
  create table write_bench.bars (
      series_id integer not null, layer text not null, ts timestamptz not null, open double precision not null,
      high double precision not null, low double precision not null, close double precision not null,
      volume double precision not null, vwap double precision, trades integer, version integer not null default 1,
      revision bigint not null, provider text not null, adjusted boolean not null, fetched_at timestamptz not null,
      primary key (series_id, layer, ts),
      check (0 < low and low <= open and open <= high and low <= close and close <= high)
  ) partition by range (ts);
  create table write_bench.bars_2020 partition of write_bench.bars for values from ('2020-01-01') to ('2021-01-01');
  create temporary table incoming (
      ts timestamptz, open double precision, high double precision, low double precision, close double precision,
      volume double precision, vwap double precision, trades integer
  )`);
console.log("| bars | what | unnest, ms | COPY binary, ms | COPY text, ms | COPY binary ÷ unnest |");
console.log("|---|---|---|---|---|---|");
for (const size of sizes) {
  const incoming = bars(size);
  for (const [what, isRewrite] of [["new", false], ["the same again", true]]) {
    const took = ways.map(() => []);
    for (let round = -2; round < rounds; round++) {
      for (const [at, way] of ways.entries()) {
        const one = await millis(way, incoming, isRewrite);
        if (round >= 0) took[at].push(one);
      }
    }
    const medians = took.map(median);
    const shown = [...medians.map((one) => one.toFixed(1)), (medians[1] / medians[0]).toFixed(2)];
    console.log(`| ${[size, what, ...shown].join(" | ")} |`);
  }
}
await client.query("drop schema write_bench cascade");
await client.end();
