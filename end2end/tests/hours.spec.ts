// What of a series is shown: extended hours, layers, the forecast.
import type { Page } from '@playwright/test';
import { ChartPage } from '../support/chart.ts';
import { expect, test, type World } from '../support/world.ts';

const HOUR = 3_600_000;

async function holdExtendedHours(world: World, symbol: string, tf: string): Promise<void> {
  const answer = await fetch(`${world.server.url}/api/v1/operator/series`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ symbol, tf, hours: 'extended' }),
  });
  expect(answer.status).toBe(200);
}

/** The hours of New York that the bars of the table begin in. */
async function hoursInTable(page: Page): Promise<number[]> {
  await page.getByTestId('bar-table-open').click();
  const times = await page.getByTestId('bars').getByRole('rowheader').allTextContents();
  await page.keyboard.press('Escape');
  return times.map((time) => Number(time.match(/(\d\d):\d\d/)![1]));
}

test('extended hours are shown on their own ground, and hidden with all that follows from them', async ({ page, world }) => {
  const chart = new ChartPage(page);
  await holdExtendedHours(world, 'AAPL', 'h1');
  await page.goto('/chart/AAPL?tf=h1&ind=vwap');
  await chart.expectComplete('AAPL', 'h1');
  const all = await chart.bars();
  expect(await hoursInTable(page)).toContain(4);
  await expect(chart.chart).toHaveAttribute('data-extended', 'shown');
  const vwap = await page.getByTestId('vwap-vwap').textContent();

  await page.keyboard.press('l');
  const box = page.getByTestId('shown-extended');
  await expect(box).toBeChecked();
  await box.uncheck();
  await expect(page).toHaveURL(/hours=regular/);
  await page.keyboard.press('Escape');
  await expect.poll(() => chart.bars()).toBeLessThan(all);
  await expect(chart.chart).toHaveAttribute('data-extended', 'none');
  const hours = await hoursInTable(page);
  expect(Math.min(...hours)).toBe(9);
  expect(Math.max(...hours)).toBe(15);
  await expect(page.getByTestId('vwap-vwap'), 'anchored at what is shown').not.toHaveText(vwap!);

  await page.reload();
  await chart.expectComplete('AAPL', 'h1');
  expect(await chart.bars(), 'the address holds it').toBeLessThan(all);
  await page.goBack();
  await expect.poll(() => chart.bars()).toBe(all);
});

test('where there are no other hours the switch says so', async ({ page }) => {
  const chart = new ChartPage(page);
  await chart.open('X:BTCUSD', 'h1');
  await chart.expectComplete('X:BTCUSD', 'h1');
  await page.getByTestId('shown-open').click();
  await expect(page.getByTestId('shown-extended')).toBeDisabled();
  await expect(page.getByTestId('shown')).toContainText('no hours beside its regular ones');
  await page.keyboard.press('Escape');
  await chart.open('AAPL', 'd1');
  await chart.expectComplete('AAPL', 'd1');
  await page.getByTestId('shown-open').click();
  await expect(page.getByTestId('shown')).toContainText('A bar of a day or a week is not parted by hours.');
});

test('each layer can be hidden, and the address holds it', async ({ page, world }) => {
  const chart = new ChartPage(page);
  await chart.open('AAPL', 'h1');
  await chart.expectComplete('AAPL', 'h1');
  const all = await chart.bars();
  const intraday = await world.database.count(`ohlc_bars_v2 where layer = 'intraday'`);
  const historical = await world.database.count(`ohlc_bars_v2 where layer = 'historical'`);
  await page.getByTestId('shown-open').click();
  await page.getByTestId('shown-historical').uncheck();
  await expect(page).toHaveURL(/layers=intraday,forecast/);
  await expect.poll(() => chart.bars()).toBe(intraday);
  await page.getByTestId('shown-historical').check();
  await page.getByTestId('shown-intraday').uncheck();
  await expect.poll(() => chart.bars()).toBe(historical);
  await page.getByTestId('shown-intraday').check();
  await expect.poll(() => chart.bars()).toBe(all);
  await expect(page).not.toHaveURL(/layers=/);
  await page.goto('/chart/AAPL?tf=h1&layers=tea');
  await expect(chart.banner).toContainText('layers=tea is not known');
});

test('a forecast is a dashed line in its band after the newest bar, and can be hidden', async ({ page, world }) => {
  const chart = new ChartPage(page);
  await chart.open('X:BTCUSD', 'h1');
  await chart.expectComplete('X:BTCUSD', 'h1');
  const span = Number(await chart.chart.getAttribute('data-span'));
  const [{ series_id, ts, close }] = await world.database.rows<{ series_id: number; ts: Date; close: number }>(
    `select series_id, ts, close from ohlc_bars_v2 where layer <> 'forecast' order by ts desc limit 1`,
  );
  for (let step = 1; step <= 24; step += 1) {
    const price = close * (1 + step * 0.001);
    await world.database.rows(
      `insert into ohlc_bars_v2 (series_id, layer, ts, open, high, low, close, volume, band_low, band_high, revision, provider, adjusted)
       select $1, 'forecast', $2, $3, $3, $3, $3, 0, $4, $5, revision + 1, 'test', false from series where id = $1`,
      [series_id, new Date(ts.getTime() + step * HOUR), price, price - step * close * 0.0008, price + step * close * 0.0008],
    );
  }
  await world.database.rows('update series set revision = revision + 1 where id = $1', [series_id]);
  // It comes after what this browser keeps is drawn, and then has room too.
  await page.reload();
  await chart.expectComplete('X:BTCUSD', 'h1');
  await expect(chart.chart).toHaveAttribute('data-forecast', '24');
  await expect.poll(async () => Number(await chart.chart.getAttribute('data-span')), { message: 'there is room for it' })
    .toBeGreaterThan(span + 10);
  await expect(page.getByTestId('summary')).toContainText('Expected after that: 24 bars');
  await page.getByTestId('shown-open').click();
  await page.getByTestId('shown-forecast').uncheck();
  await expect(chart.chart).toHaveAttribute('data-forecast', '0');
  await expect(page).toHaveURL(/layers=historical,intraday/);
});
