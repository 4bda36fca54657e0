// Measures graphile-worker and pg-boss on the empty database DATABASE_URL, in batches and job by job. Prints a JSON line for
// each. JOBS (20,000) do nothing; they wait before the worker starts, and are done when the database says so. Pick-up is
// from before the client's enqueue call to the handler's first line, in one process.
import pg from "pg";
import { Logger, makeWorkerUtils, run } from "graphile-worker";
import { PgBoss } from "pg-boss";

const connectionString = process.env.DATABASE_URL;
const measured = { jobs: Number(process.env.JOBS ?? 20_000), picks: 200 };
/** Runs first, so that no system is measured before its code is compiled. */
const rehearsal = { jobs: 2_000, picks: 0 };

const pool = new pg.Pool({ connectionString, max: 2 });
const sleep = (millis) => new Promise((resolve) => setTimeout(resolve, millis));

async function took(work) {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

/** Waits until `sql` answers true. */
async function until(sql) {
  while (!(await pool.query(sql)).rows[0].done) await sleep(2);
}

/** Counts handler calls; `all` resolves at the last, so that asking the database does not slow the workers before. */
function counter(wanted) {
  let left = wanted;
  let finish;
  const all = new Promise((resolve) => (finish = resolve));
  return { all, add: (count) => (left -= count) <= 0 && finish() };
}

/** Enqueues one job at a time and waits until its handler calls what `onPicked` was given. */
async function pickUps(picks, enqueue, onPicked) {
  const millis = [];
  for (let id = -20; id < picks; id++) {
    const picked = new Promise((resolve) => onPicked(resolve));
    const start = performance.now();
    await enqueue({ id });
    const latency = (await picked) - start;
    if (id >= 0) millis.push(latency);
    await sleep(5 + Math.random() * 15);
  }
  return millis.sort((a, b) => a - b);
}

function print(system, jobs, enqueue, drain, picked) {
  const perSecond = (millis) => Math.round((jobs * 1000) / millis);
  const at = (share) => Number(picked[Math.ceil(picked.length * share) - 1]?.toFixed(2));
  console.log(JSON.stringify({
    system,
    drained_per_s: perSecond(drain),
    enqueue_per_s: perSecond(enqueue),
    pickup_p50_ms: at(0.5),
    pickup_p99_ms: at(0.99),
    pickup_max_ms: at(1),
  }));
}

/** The `worker` preset of its own perfTest, and nothing of it but the concurrency: then each job is claimed and ended alone. */
const graphileDefault = { concurrentJobs: 24 };
const graphileTuned = {
  concurrentJobs: 24,
  maxPoolSize: 25,
  localQueue: { size: 500, refetchDelay: { durationMs: 10 } },
  completeJobBatchDelay: 0,
  failJobBatchDelay: 0,
};

async function graphile(system, worker, { jobs, picks }) {
  const logger = new Logger(() => () => {});
  const preset = { worker: { ...worker, connectionString } };
  await pool.query("drop schema if exists graphile_worker cascade");
  const utils = await makeWorkerUtils({ connectionString, logger });
  await utils.migrate();
  const specs = Array.from({ length: jobs }, (_, id) => ({ identifier: "nothing", payload: { id } }));
  const enqueue = await took(() => utils.addJobs(specs));
  await pool.query("analyze graphile_worker._private_jobs");

  const drained = counter(jobs);
  let picked;
  const taskList = {
    nothing: async () => void drained.add(1),
    pick: async () => picked(performance.now()),
  };
  let runner;
  const drain = await took(async () => {
    runner = await run({ preset, taskList, logger, noHandleSignals: true });
    await drained.all;
    await until("select not exists (select from graphile_worker._private_jobs) as done");
  });
  const millis = await pickUps(picks, (payload) => utils.addJob("pick", payload), (resolve) => (picked = resolve));
  await runner.stop();
  await utils.release();
  if (picks > 0) print(system, jobs, enqueue, drain, millis);
}

/** Burst: as long as batches come back full, no pause. Notify: a new job wakes the worker. */
const bossTuned = {
  queue: { notify: true },
  work: { batchSize: 500, localConcurrency: 4, burstWhenBatchFull: true },
};

async function boss(system, { queue, work }, { jobs, picks }) {
  await pool.query("drop schema if exists pgboss cascade");
  const boss = new PgBoss({ connectionString, max: 10, useListenNotify: queue.notify, supervise: false, schedule: false });
  boss.on("error", (error) => { throw error; });
  await boss.start();
  await boss.createQueue("nothing", queue);
  await boss.createQueue("pick", queue);
  const specs = Array.from({ length: jobs }, (_, id) => ({ data: { id } }));
  const enqueue = await took(() => boss.insert("nothing", specs));
  await pool.query("analyze pgboss.job");

  const drained = counter(jobs);
  const drain = await took(async () => {
    await boss.work("nothing", work, async (batch) => void drained.add(batch.length));
    await drained.all;
    await until("select not exists (select from pgboss.job where name = 'nothing' and state <> 'completed') as done");
  });
  await boss.offWork("nothing");

  let picked;
  await boss.work("pick", work, async () => picked(performance.now()));
  const millis = await pickUps(picks, (data) => boss.send("pick", data), (resolve) => (picked = resolve));
  await boss.stop({ graceful: true });
  if (picks > 0) print(system, jobs, enqueue, drain, millis);
}

for (const size of [rehearsal, measured]) {
  await graphile("graphile-worker single", graphileDefault, size);
  await graphile("graphile-worker batch", graphileTuned, size);
  await boss("pg-boss batch", bossTuned, size);
}
await pool.query("drop schema graphile_worker, pgboss cascade");
await pool.end();
