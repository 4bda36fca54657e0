// Older bars than the usual window's: asked for where the viewer comes near them or the address names them.
import { ChartPage } from '../support/chart.ts';
import { expect, test } from '../support/world.ts';

const DAY = 86_400_000;
const BITCOIN = 'X:BTCUSD';
const from = async (chart: ChartPage) => Date.parse((await chart.chart.getAttribute('data-from'))!);
const to = async (chart: ChartPage) => Date.parse((await chart.chart.getAttribute('data-to'))!);

/** Drags the chart by so many pixels towards older bars. */
async function drag(chart: ChartPage, pixels: number): Promise<void> {
  const box = (await chart.chart.boundingBox())!;
  const [x, y] = [box.x + 40, box.y + box.height / 3];
  await chart.page.mouse.move(x, y);
  await chart.page.mouse.down();
  await chart.page.mouse.move(x + pixels, y, { steps: 4 });
  await chart.page.mouse.up();
}

test('dragging on and on brings older bars, without moving what is in view when they land', async ({ page, world }) => {
  const chart = new ChartPage(page);
  await chart.open('AAPL', 'h1');
  await chart.expectComplete('AAPL', 'h1');
  const [usual, newest] = [await chart.bars(), await to(chart)];
  await page.keyboard.press('Home');
  await expect.poll(() => chart.bars(), { message: 'as many bars again' }).toBeGreaterThan(2 * usual);
  await chart.expectComplete('AAPL', 'h1');
  const [first, last, held] = [await from(chart), await to(chart), await chart.bars()];
  expect(last, 'the view stayed').toBeLessThan(newest);

  await page.keyboard.press('Home');
  await expect.poll(() => from(chart)).toBeLessThan(first);
  await expect.poll(() => chart.bars(), { message: 'and again' }).toBeGreaterThan(held);
  await chart.expectComplete('AAPL', 'h1');
  const before = await from(chart);
  await drag(chart, 600);
  await expect.poll(() => from(chart)).toBeLessThan(before);
  expect(await world.simulator.overlap(), 'no slice was fetched twice at once').toBe(1);

  // What is held is what the server holds, and a reload shows the same part.
  await expect(page).toHaveURL(/from=.*to=/);
  await expect.poll(async () => (await from(chart)) === Date.parse(new URL(page.url()).searchParams.get('from')!)).toBe(true);
  const there = await from(chart);
  await page.reload();
  await chart.expectComplete('AAPL', 'h1');
  await expect.poll(() => from(chart)).toBe(there);
});

test.describe('while older bars are fetched', () => {
  test.use({ latencyMs: 300 });

  test('they land at the left of what is in view, which stays', async ({ page, world }) => {
    const chart = new ChartPage(page);
    await chart.open(BITCOIN, 'm15');
    await chart.expectComplete(BITCOIN, 'm15');
    const held = await chart.bars();
    await world.simulator.setLatency(4_000);
    await page.keyboard.press('Home');
    await drag(chart, 400);
    await expect(page.getByTestId('oldest')).toHaveText('Older bars are on their way.');
    const last = await to(chart);
    await world.simulator.setLatency(0);
    await expect.poll(() => chart.bars()).toBeGreaterThan(held);
    expect(await to(chart)).toBe(last);
    await chart.expectComplete(BITCOIN, 'm15');
  });
});

test('a day before all that is held is gone to, and an old address opens there', async ({ page }) => {
  const chart = new ChartPage(page);
  await chart.open('MSFT', 'h1');
  await chart.expectComplete('MSFT', 'h1');
  const day = new Date((await from(chart)) - 300 * DAY).toISOString().slice(0, 10);
  await page.getByTestId('go-to-date').fill(day);
  await expect.poll(() => from(chart), { timeout: 30_000 }).toBeLessThan(Date.parse(day));
  await expect.poll(() => to(chart)).toBeGreaterThan(Date.parse(day));
  await expect.poll(() => to(chart)).toBeLessThan(Date.parse(day) + 100 * DAY);
  await chart.expectComplete('MSFT', 'h1');
  const there = [await from(chart), await to(chart)];
  await page.reload();
  await chart.expectComplete('MSFT', 'h1');
  await expect.poll(async () => [await from(chart), await to(chart)]).toEqual(there);
});

test('a range that reaches further back than the usual window is fetched and shown', async ({ page }) => {
  const chart = new ChartPage(page);
  await chart.open('AAPL', 'h4');
  await chart.expectComplete('AAPL', 'h4');
  const newest = await to(chart);
  await page.getByTestId('range-5Y').click();
  await expect.poll(() => from(chart), { timeout: 60_000 }).toBeLessThan(newest - 5 * 364 * DAY);
  await chart.expectComplete('AAPL', 'h4');
  expect(await to(chart)).toBe(newest);
});

test('where the provider’s first bar is, that is said and nothing more is asked', async ({ page, world }) => {
  await world.simulator.control('POST', 'settings', { history_days: 200 });
  const chart = new ChartPage(page);
  await chart.open('AAPL', 'h1');
  await chart.expectComplete('AAPL', 'h1');
  const note = page.getByTestId('oldest');
  await expect(note).toBeEmpty();
  const usual = await chart.bars();
  await page.keyboard.press('Home');
  await expect.poll(() => chart.bars()).toBeGreaterThan(usual);
  await expect
    .poll(async () => {
      await page.keyboard.press('Home');
      return note.textContent();
    })
    .toMatch(/^\s*No older bars: the provider has none before these\.\s*$/);
  await chart.expectComplete('AAPL', 'h1');
  const [bars, requests] = [await chart.bars(), await world.simulator.requestCount()];
  for (let i = 0; i < 5; i += 1) await page.keyboard.press('ArrowLeft');
  await drag(chart, 300);
  await expect(page).toHaveURL(/from=/);
  expect([await chart.bars(), await world.simulator.requestCount()]).toEqual([bars, requests]);
});

test.describe('of a venue that keeps its newest bars alone', () => {
  test.use({ settings: { TIDEMARK_VENUES: 'kraken' } });

  test('the end of its depth is told at the left edge', async ({ page, world }) => {
    const chart = new ChartPage(page);
    await chart.open('KRAKEN:BTC-USD', 'h1');
    await chart.expectState('done');
    await chart.expectCandles();
    const requests = await world.simulator.requestCount();
    await page.keyboard.press('Home');
    await expect(page.getByTestId('oldest')).toHaveText("No older bars: they lie outside of the provider's plan or depth.");
    await page.keyboard.press('ArrowLeft');
    await expect(page).toHaveURL(/from=/);
    expect(await world.simulator.requestCount()).toBe(requests);
  });
});

test('a visit later the page opens with the usual window from the browser', async ({ page }) => {
  const chart = new ChartPage(page);
  await chart.open('AAPL', 'h1');
  await chart.expectComplete('AAPL', 'h1');
  const usual = await chart.bars();
  await page.keyboard.press('Home');
  await expect.poll(() => chart.bars()).toBeGreaterThan(2 * usual);
  await chart.expectComplete('AAPL', 'h1');
  await chart.switchTo('MSFT');
  await chart.expectComplete('MSFT', 'h1');
  await page.goto('/chart/AAPL?tf=h1');
  await expect(chart.chart).toHaveAttribute('data-painted-from', 'cache');
  await chart.expectComplete('AAPL', 'h1');
  expect(await chart.bars()).toBe(usual);
});
