import { ChartPage, percentages } from '../support/chart.ts';
import { root } from '../support/process.ts';
import { expect, test } from '../support/world.ts';

const HOUR = 3_600_000;
const RUNS = 'select r.status, r.rows_written from job_runs r join series s on s.id = r.series_id where s.symbol = $1';

test.describe('a chart that nobody has asked for before', () => {
  test.use({ latencyMs: 300 });

  test('fills while one watches, and the next visit needs no network', async ({ page, world }) => {
    const chart = new ChartPage(page);
    await chart.recordBanner();
    await chart.open('AAPL');
    await chart.expectState('hydrating');
    await page.evaluate(() => Object.assign(window, { isSameDocument: true }));
    await chart.expectComplete('AAPL');
    expect(await page.evaluate(() => 'isSameDocument' in window), 'no reload').toBe(true);

    const texts = await chart.bannerTexts();
    const percents = percentages(texts);
    expect(new Set(percents).size, `counted up: ${texts}`).toBeGreaterThan(3);
    expect(percents, 'never goes back').toEqual([...percents].sort((a, b) => a - b));
    expect(texts.join('\n')).toMatch(/Hydrating AAPL h1 … \d+ % \(\d+ of \d+ slices\)/);

    const runs = await world.database.rows<{ status: string; rows_written: number }>(RUNS, ['AAPL']);
    expect(runs.length).toBeGreaterThan(4);
    expect(runs.filter((run) => run.status !== 'success' || run.rows_written === 0)).toEqual([]);
    const bars = await world.database.count('(select distinct ts from ohlc_bars_v2) as bar');
    expect(await chart.bars(), 'the page shows what the database holds').toBe(bars);
    expect(await world.simulator.overlap()).toBeLessThanOrEqual(1);

    // Nothing of the API is answered until the bars are on screen.
    let release = () => {};
    const released = new Promise<void>((resolve) => (release = resolve));
    await page.route('**/api/**', (route) => released.then(() => route.continue()));
    await page.reload();
    await expect(chart.chart).toHaveAttribute('data-painted-from', 'cache');
    await chart.expectCandles();
    expect(await chart.bars()).toBe(bars);
    await expect(chart.banner, 'no answer yet').not.toContainText('up to date');
    release();
    await chart.expectComplete('AAPL');
    if (process.env.UPDATE_SCREENSHOT === '1') await page.screenshot({ path: `${root}docs/screenshot.png` });
  });

  test('does not hold up another one', async ({ page, world }) => {
    const chart = new ChartPage(page);
    await world.simulator.setLatency(4_000);
    await chart.open('X:BTCUSD');
    await chart.expectState('hydrating');
    await chart.switchTo('MSFT');
    await expect(chart.chart).toHaveAttribute('data-symbol', 'MSFT');
    await chart.expectCandles();
    await world.simulator.setLatency(0);
    await chart.expectComplete('MSFT');
    await page.goBack();
    await chart.expectComplete('X:BTCUSD');
    // By the database's times: however slow the page was, the second one had bars before the first one was done.
    const ended = (symbol: string) =>
      `select r.finished_at from job_runs r join series s on s.id = r.series_id where s.symbol = '${symbol}'`;
    const later = `(${ended('X:BTCUSD')}) b where b.finished_at > (select min(m.finished_at) from (${ended('MSFT')}) m)`;
    expect(await world.database.count(later), 'the first one still had slices to go').toBeGreaterThan(0);
    expect(await world.database.count(`job_runs where status <> 'success'`)).toBe(0);
  });

  test('fills by polling where live updates are blocked, and says so', async ({ page, world }) => {
    const chart = new ChartPage(page);
    await chart.recordBanner();
    await page.addInitScript(() => Object.assign(window, { __tidemark_poll_ms: 200 }));
    await page.route('**/api/v1/events**', (route) => route.abort());
    await chart.open('AAPL');
    await chart.expectState('polling');
    await expect(chart.banner).toContainText("Live updates can't be had; asking every 200 ms.");
    await chart.expectComplete('AAPL');
    const percents = percentages(await chart.bannerTexts());
    expect(new Set(percents).size, 'counted up').toBeGreaterThan(1);
    expect(percents, 'never goes back').toEqual([...percents].sort((a, b) => a - b));
    expect(await world.database.count(`job_runs where status <> 'success' or rows_written = 0`)).toBe(0);
  });
});

test.describe('a slice that fails for good', () => {
  test.use({ settings: { TIDEMARK_RETRY_MS: '20' } });

  test('is told, and Retry fetches it once the provider is well again', async ({ page, world }) => {
    const chart = new ChartPage(page);
    // Half past an hour of yesterday: in the middle of a slice of a market that never closes.
    const time = Math.floor(Date.now() / HOUR) * HOUR - 29.5 * HOUR;
    await world.simulator.failAt('X:BTCUSD', time);
    await chart.open('X:BTCUSD');
    await chart.expectState('failed');
    await expect(chart.banner).toContainText(/X:BTCUSD h1: 1 of \d+ slices could not be fetched\./);
    await chart.expectCandles();
    const failed = await world.database.rows(`select error_message from job_runs where status = 'failed'`);
    expect(failed.length).toBe(1);
    await expect(chart.banner).toContainText(String(failed[0].error_message));

    await world.simulator.clearFaults();
    await chart.retry.click();
    await chart.expectComplete('X:BTCUSD');
    await expect(chart.retry).toBeHidden();
    const bars = await world.database.count('(select distinct ts from ohlc_bars_v2) as bar');
    expect(await chart.bars()).toBe(bars);
  });
});
