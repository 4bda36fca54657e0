import { ChartPage } from '../support/chart.ts';
import { expect, test } from '../support/world.ts';

// Half of a small allowance would be too little to see a minute move.
test.use({ settings: { TIDEMARK_LIVE_SECONDS: '1', POLYGON_REQUESTS_PER_MINUTE: '0' } });

test('the last bar moves while its market is open, and counts as a bar once it is closed', async ({ page, world }) => {
  // A whole minute of the market passes, however slow the machine was before it.
  test.setTimeout(240_000);
  const chart = new ChartPage(page);
  await chart.open('X:BTCUSD', 'm1');
  await chart.expectComplete('X:BTCUSD', 'm1');
  const forming = page.getByTestId('status-forming');
  await expect(forming).toContainText('Bar under way since');
  const seen = new Set<string>();
  await expect
    .poll(async () => seen.add((await forming.textContent()) ?? '').size, { timeout: 60_000 })
    .toBeGreaterThan(2);
  expect(await page.evaluate(() => performance.getEntriesByType('navigation').length), 'without a reload').toBe(1);

  // The minute ends: the bar is stored, and drawn as such.
  const before = await chart.bars();
  await expect.poll(() => chart.bars(), { timeout: 90_000 }).toBeGreaterThan(before);
  const stored = `(select distinct b.ts from ohlc_bars_v2 b join series s on s.id = b.series_id
    where s.symbol = 'X:BTCUSD' and s.timeframe = 'm1') as bar`;
  await expect.poll(async () => (await chart.bars()) - (await world.database.count(stored))).toBeLessThanOrEqual(0);
});
