import { ChartPage } from '../support/chart.ts';
import { Database, Server, expect, providersAt, test } from '../support/world.ts';

const BARS = `select s.symbol, s.timeframe, b.ts, b.layer, b.open, b.high, b.low, b.close, b.volume
  from ohlc_bars_v2 b join series s on s.id = b.series_id order by b.ts, b.layer`;

test.use({ latencyMs: 400 });

test('a server killed in mid-hydration fetches the rest after its restart, each slice once at a time', async ({
  page,
  world,
}) => {
  const chart = new ChartPage(page);
  await chart.open('X:BTCUSD');
  const done = `job_runs where status = 'success'`;
  await expect.poll(() => world.database.count(done)).toBeGreaterThan(3);
  await world.server.kill9();
  const before = await world.database.count(done);
  expect(await world.database.count(`job_runs where status = 'queued'`), 'killed midway').toBeGreaterThan(0);
  expect(await world.database.count(`job_runs where status = 'running'`)).toBeGreaterThan(0);

  await world.server.restart();
  await expect.poll(() => world.database.count(`job_runs where status <> 'success'`), { timeout: 60_000 }).toBe(0);
  expect(await world.database.count(done)).toBeGreaterThan(before);
  expect(await world.simulator.overlap(), 'no slice was fetched twice at once').toBeLessThanOrEqual(1);
  await chart.expectComplete('X:BTCUSD');
  expect(await chart.bars()).toBe(await world.database.count('(select distinct ts from ohlc_bars_v2) as bar'));

  // What an undisturbed run stores.
  await world.simulator.setLatency(0);
  const database = await Database.create();
  const server = await Server.start({ DATABASE_URL: database.url, ...providersAt(world.simulator.url) });
  try {
    await page.goto(`${server.url}/chart/X:BTCUSD?tf=h1`);
    await chart.expectComplete('X:BTCUSD');
    const disturbed = await world.database.rows<{ ts: Date }>(BARS);
    // An hour may have ended in between.
    const last = disturbed.at(-1)!.ts;
    const undisturbed = (await database.rows<{ ts: Date }>(BARS)).filter((bar) => bar.ts <= last);
    expect(disturbed.length).toBeGreaterThan(1_000);
    expect(disturbed).toEqual(undisturbed);
  } finally {
    await server.program.destroy();
    await database.drop();
  }
});
