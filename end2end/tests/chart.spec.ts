import { readFile } from 'node:fs/promises';
import { ChartPage } from '../support/chart.ts';
import { expect, test } from '../support/world.ts';

const span = async (chart: ChartPage) => Number(await chart.chart.getAttribute('data-span'));
const from = async (chart: ChartPage) => Date.parse((await chart.chart.getAttribute('data-from'))!);
const to = async (chart: ChartPage) => Date.parse((await chart.chart.getAttribute('data-to'))!);

test('wheel, drag and keys move the view, and the address keeps up without filling the history', async ({ page }) => {
  const chart = new ChartPage(page);
  await chart.open('MSFT', 'd1');
  await chart.expectComplete('MSFT', 'd1');
  const [newest, width] = [await to(chart), await span(chart)];
  const steps = await page.evaluate(() => history.length);

  const box = (await chart.chart.boundingBox())!;
  const [x, y] = [box.x + box.width / 2, box.y + box.height / 3];
  await page.mouse.move(x, y);
  await page.mouse.wheel(0, -400);
  await expect.poll(() => span(chart), 'nearer').toBeLessThan(width);
  const near = await span(chart);

  await page.mouse.down();
  await page.mouse.move(x + 300, y, { steps: 5 });
  await page.mouse.up();
  await expect.poll(() => to(chart), 'older bars').toBeLessThan(newest);
  expect(await span(chart), 'no nearer').toBe(near);
  await expect(page).toHaveURL(/tf=d1&from=.*&to=/);

  const before = await from(chart);
  await page.keyboard.press('ArrowLeft');
  await expect.poll(() => from(chart)).toBeLessThan(before);
  await page.keyboard.press('-');
  await expect.poll(() => span(chart)).toBeGreaterThan(near);
  await page.keyboard.press('r');
  await expect.poll(() => to(chart)).toBe(newest);
  await expect(page, 'the usual view has the usual address').toHaveURL(/\?tf=d1$/);
  expect(await page.evaluate(() => history.length), 'moving leaves no steps to go back').toBe(steps);
});

test('chart type, scale, clock and range are in the address; back and forward restore them', async ({ page }) => {
  const chart = new ChartPage(page);
  await chart.open('AAPL', 'd1');
  await chart.expectComplete('AAPL', 'd1');
  await page.getByTestId('chart-type').selectOption('hollow');
  await expect(page).toHaveURL(/\?tf=d1&type=hollow$/);
  await expect(chart.chart).toHaveAttribute('data-type', 'hollow');
  await chart.expectCandles();
  await page.getByTestId('chart-scale').selectOption('percent');
  await page.getByTestId('chart-clock').selectOption('utc');
  await expect(page).toHaveURL(/\?tf=d1&type=hollow&scale=percent&tz=utc$/);
  await page.getByTestId('range-3M').click();
  await expect(page).toHaveURL(/range=3M/);
  await expect(page.getByTestId('range-3M')).toHaveAttribute('aria-pressed', 'true');
  const days = async () => ((await to(chart)) - (await from(chart))) / 86_400_000;
  await expect.poll(days).toBeGreaterThan(80);
  expect(await days()).toBeLessThan(95);

  await page.goBack();
  await expect(page.getByTestId('range-3M')).toHaveAttribute('aria-pressed', 'false');
  await page.goBack();
  await page.goBack();
  await expect(chart.chart).toHaveAttribute('data-scale', 'linear');
  await page.goForward();
  await expect(chart.chart).toHaveAttribute('data-scale', 'percent');

  await page.getByTestId('timeframe-h1').click();
  await chart.expectComplete('AAPL', 'h1');
  await expect(chart.chart, 'the look outlives the timeframe').toHaveAttribute('data-type', 'hollow');
  await page.reload();
  await expect(chart.chart).toHaveAttribute('data-type', 'hollow');
});

test('every chart type draws, and a look that is not known is refused', async ({ page }) => {
  const chart = new ChartPage(page);
  await chart.open('AAPL', 'h1');
  await chart.expectComplete('AAPL', 'h1');
  const pictures = new Set<string>();
  for (const type of ['candles', 'hollow', 'bars', 'line', 'area']) {
    await page.getByTestId('chart-type').selectOption(type);
    await expect(chart.chart).toHaveAttribute('data-type', type);
    await chart.expectCandles();
    const draw = () => chart.chart.locator('canvas').first().evaluate((it) => (it as HTMLCanvasElement).toDataURL());
    await expect.poll(async () => pictures.has(await draw())).toBe(false);
    pictures.add(await draw());
  }
  await page.goto('/chart/AAPL?tf=h1&type=pie');
  await chart.expectState('invalid');
  await expect(chart.banner).toContainText('type=pie is not known');
});

test('the legend tells the bar under the crosshair, and its change', async ({ page }) => {
  const chart = new ChartPage(page);
  await chart.open('AAPL', 'd1');
  await chart.expectComplete('AAPL', 'd1');
  const legend = page.getByTestId('legend');
  await expect(page.getByTestId('legend-change')).toHaveText(/^[+−][\d.]+ \([+−][\d.]+ %\)$/);
  const newest = await legend.textContent();
  const box = (await chart.chart.boundingBox())!;
  await page.mouse.move(box.x + box.width / 2, box.y + box.height / 3);
  await expect(legend).not.toHaveText(newest!);
  await page.mouse.move(box.x + box.width / 2, box.y - 100);
  await expect(legend).toHaveText(newest!);
  await page.keyboard.press('Shift+ArrowLeft');
  await page.keyboard.press('Shift+ArrowLeft');
  await expect(legend).not.toHaveText(newest!);
  await page.keyboard.press('Escape');
  await expect(legend).toHaveText(newest!);
});

test('a day can be gone to, and bars and picture leave as files', async ({ page }) => {
  const chart = new ChartPage(page);
  await chart.open('AAPL', 'd1');
  await chart.expectComplete('AAPL', 'd1');
  const day = new Date((await from(chart)) - 100 * 86_400_000).toISOString().slice(0, 10);
  await page.getByTestId('go-to-date').fill(day);
  await expect.poll(() => from(chart)).toBeLessThan(Date.parse(day));
  expect(await to(chart)).toBeGreaterThan(Date.parse(day));

  let download = page.waitForEvent('download');
  await page.getByTestId('chart-csv').click();
  const csv = (await readFile((await (await download).path())!, 'utf8')).trim().split('\n');
  expect(csv[0]).toBe('time,open,high,low,close,volume');
  expect(Date.parse(csv[1].split(',')[0])).toBe(await from(chart));
  expect(Date.parse(csv.at(-1)!.split(',')[0])).toBe(await to(chart));

  download = page.waitForEvent('download');
  await page.getByTestId('chart-png').click();
  const picture = await download;
  expect(picture.suggestedFilename()).toBe('AAPL-d1.png');
  const png = await readFile((await picture.path())!);
  expect(png.subarray(1, 4).toString()).toBe('PNG');
  expect(png.length).toBeGreaterThan(10_000);
});
