import { ChartPage } from '../support/chart.ts';
import { freePort } from '../support/process.ts';
import { expect, test } from '../support/world.ts';

test('the quality report counts what was refused, what is missing and what looks wrong', async ({ page, world }) => {
  await world.simulator.control('POST', 'faults', [{ kind: 'bad_rows', times: 2 }]);
  const chart = new ChartPage(page);
  await chart.open('AAPL', 'm15');
  await chart.expectComplete('AAPL', 'm15');
  await page.getByTestId('quality-open').click();
  const report = page.getByTestId('quality');
  await expect(report.getByTestId('quality-summary')).toContainText('AAPL m15, regular hours');
  const refused = report.getByTestId('quality-quarantined');
  await expect(refused).not.toHaveAttribute('data-count', '0');
  await expect(refused).toContainText('not_positive');
  await expect(report.getByTestId('quality-missing')).toHaveAttribute('data-count', '0');
  await page.keyboard.press('Escape');
  await expect(report).toBeHidden();
  await expect(page.getByTestId('quality-open')).toBeFocused();
});

test('a past moment shows what was known then, and says so', async ({ page, world }) => {
  const chart = new ChartPage(page);
  await chart.open('AAPL', 'd1');
  await chart.expectComplete('AAPL', 'd1');
  const moment = new Date().toISOString();
  const [{ close }] = await world.database.rows<{ close: number }>(
    'select close from ohlc_bars_v2 order by ts desc limit 1',
  );
  // The provider corrects its newest bar.
  await world.database.rows(`with old as (
      insert into ohlc_bar_revisions (series_id, layer, ts, version, open, high, low, close, volume, provider, adjusted, fetched_at)
      select series_id, layer, ts, version, open, high, low, close, volume, provider, adjusted, fetched_at
      from ohlc_bars_v2 order by ts desc limit 1 returning series_id, ts)
    update ohlc_bars_v2 b set close = low, version = 2, fetched_at = now() from old where (b.series_id, b.ts) = (old.series_id, old.ts)`);
  await page.goto(`/chart/AAPL?tf=d1&as_of=${moment}`);
  await expect(chart.banner).toContainText('AAPL d1 as it was known at');
  await chart.expectCandles();
  await expect(page.getByTestId('legend')).toContainText(close.toFixed(2));

  await page.goto('/chart/AAPL?tf=d1&as_of=2001-01-01T00:00:00Z');
  await expect(chart.banner).toContainText('0 bars');
  await page.goto('/chart/AAPL?tf=d1&as_of=yesterday');
  await chart.expectState('invalid');
  await expect(chart.banner).toContainText('Write as_of=');
  await page.goto('/chart/AAPL?tf=d1&adjust=none');
  await chart.expectComplete('AAPL', 'd1');
  await expect(page.getByTestId('status-adjust')).toHaveText('Prices as traded');
});

test('hours are shown at once where quarter hours are held, and the page says of what they are made', async ({
  page,
  world,
}) => {
  const chart = new ChartPage(page);
  await chart.open('X:BTCUSD', 'm15');
  await chart.expectComplete('X:BTCUSD', 'm15');
  const before = await world.simulator.requestCount();
  await page.getByTestId('timeframe-h1').click();
  await expect(page.getByTestId('status-made-of')).toHaveText('Partly made of m15 bars');
  await chart.expectComplete('X:BTCUSD', 'h1');
  const runs = await world.database.rows<{ n: number }>(
    `select count(*) as n from job_runs r join series s on s.id = r.series_id
     where s.timeframe = 'h1' and r.slice && (select range_merge(range_agg(slice)) from job_runs r2
       join series s2 on s2.id = r2.series_id where s2.timeframe = 'm15')`,
  );
  expect(runs[0].n, 'only what quarter hours do not hold is fetched').toBeLessThanOrEqual(1);
  expect(await world.simulator.requestCount()).toBeGreaterThan(before);
});

test('a fresh watchlist offers real bars without a key', async ({ page }) => {
  const chart = new ChartPage(page);
  await chart.open('AAPL', 'd1');
  await page.getByTestId('watch-COINBASE:BTC-USD').click();
  await chart.expectComplete('COINBASE:BTC-USD', 'd1');
  await expect(page.getByTestId('status-source')).toHaveText('Source coinbase');
  await expect(page.getByTestId('synthetic')).toBeHidden();
});

test.describe('without a network', () => {
  test.use({ settings: async ({}, use) => use({ COINBASE_BASE_URL: `http://127.0.0.1:${await freePort()}` }) });

  test('a fresh watchlist says why it has no real bars', async ({ page }) => {
    await page.goto('/chart/AAPL?tf=d1');
    await expect(page.getByTestId('watch-note')).toContainText('No real bars of COINBASE:BTC-USD here');
    await expect(page.getByTestId('watch-note')).toContainText('Check the network');
    await expect(page.getByTestId('watch-COINBASE:BTC-USD')).toBeHidden();
  });
});
