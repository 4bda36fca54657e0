import { ChartPage } from '../support/chart.ts';
import { expect, test } from '../support/world.ts';

test.use({ settings: { TIDEMARK_RETRY_MS: '20' } });

test('a provider that is down leaves what is stored on screen, and is named', async ({ page, browser, world }) => {
  const chart = new ChartPage(page);
  await chart.open('AAPL');
  await chart.expectComplete('AAPL');
  const stored = await chart.bars();

  await world.simulator.program.end('SIGKILL');
  // The newest stretch has become a gap.
  await world.database.rows(`update coverage_status set covered = covered -
    (select tstzmultirange(tstzrange(max(lower(slice)), null)) from job_runs)`);
  await world.server.restart();
  // A browser that has nothing in its cache.
  const context = await browser.newContext({ baseURL: world.server.url });
  const other = new ChartPage(await context.newPage());
  await other.open('AAPL');
  await other.expectState('failed');
  await expect(other.banner).toContainText("can't be reached");
  await expect(other.retry).toBeVisible();
  await other.expectCandles();
  expect(await other.bars()).toBe(stored);
  await context.close();
});

test('a symbol that is new while the provider is down is answered with a sentence, and no run', async ({ page, world }) => {
  const chart = new ChartPage(page);
  await world.simulator.program.end('SIGKILL');
  await chart.open('AAPL');
  await chart.expectState('failed');
  await expect(chart.banner).toContainText('AAPL');
  await expect(chart.retry).toBeVisible();
  expect(await world.database.count('job_runs')).toBe(0);
});
