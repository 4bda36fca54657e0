import { readFile } from 'node:fs/promises';
import type { Page } from '@playwright/test';
import { ChartPage } from '../support/chart.ts';
import { expectLook, sizes } from '../support/look.ts';
import { type World, expect, test } from '../support/world.ts';

interface Bar {
  ts: number;
  close: number;
}

/** The bars that the API tells. */
async function bars(world: World, symbol: string, timeframe: string): Promise<Bar[]> {
  const answer = await fetch(`${world.server.url}/api/v1/bars?symbol=${symbol}&tf=${timeframe}`);
  return (await answer.json()).bars;
}

/** The close at that time, or the last one before it. */
const closeAt = (of: Bar[], at: number) => (of.filter(({ ts }) => ts <= at).at(-1) ?? of[0]).close;

/** As the page writes how far a close is from where it was. */
function percent(of: Bar[], first: number, at: number): string {
  const value = (closeAt(of, at) / closeAt(of, first) - 1) * 100;
  return `${value < 0 ? '−' : '+'}${Math.abs(value).toFixed(2)} %`;
}

/** How many pixels of the chart have the colour of that seat. */
async function pixels(page: Page, seat: number): Promise<number> {
  return page.getByTestId('chart').locator('canvas').first().evaluate((canvas, token) => {
    const probe = document.body.appendChild(document.createElement('span'));
    probe.style.color = `var(${token})`;
    const wanted = getComputedStyle(probe).color.match(/\d+/g)!.map(Number);
    probe.remove();
    const { width, height } = canvas as HTMLCanvasElement;
    const { data } = (canvas as HTMLCanvasElement).getContext('2d')!.getImageData(0, 0, width, height);
    let count = 0;
    for (let i = 0; i < data.length; i += 4) {
      if (data[i + 3] > 200 && wanted.every((value, channel) => Math.abs(data[i + channel] - value) < 12)) count += 1;
    }
    return count;
  }, `--compared-${seat}`);
}

const line = (page: Page, symbol: string) => page.getByTestId(`compared-${symbol}`);
const stands = (page: Page, symbol: string) => line(page, symbol).getByTestId('compared-percent');
const from = async (chart: ChartPage) => Date.parse((await chart.chart.getAttribute('data-from'))!);

/** Adds a symbol as a reader does. */
async function compareWith(page: Page, symbol: string): Promise<void> {
  const input = page.getByTestId('compare-input');
  await input.fill(symbol);
  await input.press('Enter');
}

test('a symbol is searched for and drawn as a line in percent, told by the legend, and taken away again', async ({ page }) => {
  const chart = new ChartPage(page);
  await page.goto('/chart/AAPL?tf=d1&scale=log');
  await chart.expectComplete('AAPL', 'd1');
  await expect(chart.chart).toHaveAttribute('data-scale', 'log');
  await page.getByTestId('compare-open').click();
  const dialogue = page.getByTestId('compare');
  await page.getByTestId('compare-input').fill('microsoft');
  await dialogue.getByTestId('suggestion-MSFT').click();
  await expect(page).toHaveURL(/\?tf=d1&scale=log&vs=MSFT$/);
  await expect(page.getByTestId('compare-count')).toHaveText('1 of 4 symbols');
  await expect(page.getByTestId('compare-MSFT').getByTestId('compared-percent')).toHaveText(/^[+−]\d+\.\d\d %$/);
  await compareWith(page, 'QQQ');
  await expect(page).toHaveURL(/&vs=MSFT,QQQ$/);
  await page.getByTestId('compare-close').click();

  await expect(chart.chart).toHaveAttribute('data-compared', 'MSFT,QQQ');
  await expect(chart.chart, 'all of it is in percent').toHaveAttribute('data-scale', 'percent');
  await expect(page.getByTestId('chart-scale')).toBeDisabled();
  for (const seat of [1, 2]) await expect.poll(() => pixels(page, seat)).toBeGreaterThan(150);
  await chart.expectCandles();

  await page.getByTestId('uncompare-MSFT').click();
  await expect(page).toHaveURL(/&vs=QQQ$/);
  await expect(chart.chart).toHaveAttribute('data-compared', 'QQQ');
  await expect.poll(() => pixels(page, 1)).toBe(0);
  expect(await pixels(page, 2), 'the other one keeps its colour').toBeGreaterThan(150);
  await page.goBack();
  await expect(chart.chart).toHaveAttribute('data-compared', 'MSFT,QQQ');
  await page.goForward();
  await expect(chart.chart).toHaveAttribute('data-compared', 'QQQ');
  await page.getByTestId('timeframe-h1').click();
  await expect(page, 'it outlives the timeframe').toHaveURL(/\?tf=h1&scale=log&vs=QQQ$/);
  await chart.expectComplete('AAPL', 'h1');
  await expect(stands(page, 'QQQ')).toHaveText(/^[+−]\d+\.\d\d %$/);
  await chart.switchTo('QQQ');
  await expect(page, 'nothing is compared with itself').toHaveURL(/\/chart\/QQQ\?tf=h1&scale=log$/);
  await expect(chart.chart, 'the former scale is back').toHaveAttribute('data-scale', 'log');
});

test('the legend tells percents as they follow from the bars of the API, at the newest bar and under the crosshair', async ({
  page,
  world,
}) => {
  const chart = new ChartPage(page);
  await page.goto('/chart/AAPL?tf=d1&vs=MSFT,SPY');
  await chart.expectComplete('AAPL', 'd1');
  for (const symbol of ['MSFT', 'SPY']) {
    await expect(line(page, symbol).getByTestId('compared-note'), 'all of it came').toHaveCount(0);
  }
  const [own, ...others] = await Promise.all(['AAPL', 'MSFT', 'SPY'].map((symbol) => bars(world, symbol, 'd1')));
  const expectAt = async (at: number) => {
    const first = await from(chart);
    await expect(page.getByTestId('compared-own')).toHaveText(percent(own, first, at));
    await expect(stands(page, 'MSFT')).toHaveText(percent(others[0], first, at));
    await expect(stands(page, 'SPY')).toHaveText(percent(others[1], first, at));
  };
  await expectAt(own.at(-1)!.ts);
  for (let i = 0; i < 4; i += 1) await page.keyboard.press('Shift+ArrowLeft');
  await expectAt(own.at(-4)!.ts);
  await page.keyboard.press('Escape');
  const before = await from(chart);
  await page.keyboard.press('ArrowLeft');
  await expect.poll(() => from(chart)).toBeLessThan(before);
  await expectAt(own.at(-1)!.ts);

  await expect(page.getByTestId('summary')).toContainText(/From .* to .*: AAPL (up|down) [\d.]+ %, MSFT (up|down)/);
  const download = page.waitForEvent('download');
  await page.getByTestId('chart-csv').click();
  const csv = (await readFile((await (await download).path())!, 'utf8')).trim().split('\n');
  expect(csv[0]).toBe('time,open,high,low,close,volume,MSFT close,MSFT percent,SPY close,SPY percent');
  const [time, , , , , , close, come] = csv.at(-1)!.split(',');
  expect(Number(close)).toBe(closeAt(others[0], Date.parse(time)));
  expect(Number(come)).toBeCloseTo((Number(close) / closeAt(others[0], await from(chart)) - 1) * 100, 3);
  await page.keyboard.press('t');
  await expect(page.getByTestId('bars').getByRole('columnheader', { name: 'SPY close' })).toBeVisible();
  await expect(page.getByTestId('bars').locator('tbody tr').first().locator('td').last()).toHaveText(
    closeAt(others[1], own.at(-1)!.ts).toFixed(2),
  );
});

test('its bars are hydrated and come by the one event stream; a reload paints them from this browser', async ({ page, world }) => {
  const chart = new ChartPage(page);
  const streams: string[] = [];
  page.on('request', (request) => {
    if (request.url().includes('/api/v1/events')) streams.push(decodeURIComponent(request.url()));
  });
  await chart.open('AAPL', 'd1');
  await chart.expectComplete('AAPL', 'd1');
  await world.simulator.setLatency(2_500);
  await page.keyboard.press('c');
  await compareWith(page, 'MSFT');
  await page.keyboard.press('Escape');
  await expect(line(page, 'MSFT').getByTestId('compared-note')).toHaveText(/^hydrating \d+ %$/);
  await world.simulator.setLatency(20);
  await expect(stands(page, 'MSFT')).toHaveText(/^[+−]\d+\.\d\d %$/);
  await expect(line(page, 'MSFT').getByTestId('compared-note')).toHaveCount(0);
  expect(streams.at(-1)).toMatch(/AAPL:d1.*MSFT:d1|MSFT:d1.*AAPL:d1/);

  await page.route('**/api/**', () => {});
  await page.reload();
  await expect(chart.chart).toHaveAttribute('data-painted-from', 'cache');
  await expect(chart.chart).toHaveAttribute('data-compared', 'MSFT');
  await expect.poll(() => pixels(page, 1)).toBeGreaterThan(150);
});

test('older bars of what is compared come with those of the chart', async ({ page }) => {
  const chart = new ChartPage(page);
  await page.goto('/chart/AAPL?tf=h1&vs=MSFT');
  await chart.expectComplete('AAPL', 'h1');
  const usual = await chart.bars();
  const barsAfterHome = async () => {
    await page.keyboard.press('Home');
    return chart.bars();
  };
  await expect.poll(barsAfterHome, { message: 'as many bars again' }).toBeGreaterThan(2 * usual);
  await chart.expectComplete('AAPL', 'h1');
  await page.keyboard.press('Home');
  await page.keyboard.press('Shift+ArrowLeft');
  await expect(stands(page, 'MSFT'), 'at a bar of that time').toHaveText(/^[+−]\d+\.\d\d %$/);
});

test('by keys alone: opened, added, refused, removed and closed', async ({ page }) => {
  const chart = new ChartPage(page);
  await page.goto('/chart/AAPL?tf=d1&vs=MSFT,QQQ,SPY');
  await chart.expectComplete('AAPL', 'd1');
  await page.keyboard.press('c');
  await expect(page.getByTestId('compare-input')).toBeFocused();
  const refusal = page.getByTestId('compare-refusal');
  await page.keyboard.type('msft');
  await page.keyboard.press('Enter');
  await expect(refusal).toHaveText('MSFT is compared already.');
  await page.keyboard.type('aapl');
  await page.keyboard.press('Enter');
  await expect(refusal).toContainText("AAPL is the chart's own symbol");
  await page.keyboard.type('IBM');
  await page.keyboard.press('Enter');
  await expect(page).toHaveURL(/vs=MSFT,QQQ,SPY,IBM$/);
  await expect(refusal).toBeEmpty();
  await page.keyboard.type('KO');
  await page.keyboard.press('Enter');
  await expect(refusal).toContainText('4 symbols are compared, which is the most. Remove one first.');
  await expect(page, 'what is refused changes nothing').toHaveURL(/vs=MSFT,QQQ,SPY,IBM$/);

  await page.getByTestId('compare-remove-QQQ').focus();
  await page.keyboard.press('Enter');
  await expect(page).toHaveURL(/vs=MSFT,SPY,IBM$/);
  await expect(page.getByTestId('compare-input'), 'the focus is not lost').toBeFocused();
  await page.keyboard.press('Escape');
  await expect(page.getByTestId('compare')).toBeHidden();
  await expect(line(page, 'IBM')).toBeVisible();
});

test('what can not be compared is told, and the chart stays', async ({ page }) => {
  const chart = new ChartPage(page);
  await page.goto('/chart/AAPL?tf=d1&vs=ZZZZ,MSFT');
  await chart.expectComplete('AAPL', 'd1');
  await expect(line(page, 'ZZZZ')).toContainText('ZZZZ');
  await expect(line(page, 'ZZZZ').getByTestId('compared-note')).toContainText('No provider knows');
  await expect(chart.chart).toHaveAttribute('data-compared', 'MSFT');
  for (const [list, said] of [
    ['A,B,C,D,E', '5 symbols are more than can be compared. Name 4 at most.'],
    ['A!', "has the character '!'"],
  ]) {
    await page.goto(`/chart/AAPL?tf=d1&vs=${list}`);
    await chart.expectState('invalid');
    await expect(chart.banner).toContainText(said);
  }
});

test('legend, dialogue and toolbar are fit for everyone, on a desk and on a phone', async ({ page }) => {
  const chart = new ChartPage(page);
  await page.goto('/chart/AAPL?tf=d1&vs=MSFT,QQQ,SPY,ZZZZ');
  await chart.expectComplete('AAPL', 'd1');
  await expect(chart.chart).toHaveAttribute('data-compared', 'MSFT,QQQ,SPY');
  await expectLook(page, 'compared');
  await page.keyboard.press('c');
  await expect(page.getByTestId('compare-input')).toBeFocused();
  await expectLook(page, 'compare dialogue');
  await page.keyboard.press('Escape');

  const box = async (id: string) => (await page.getByTestId(id).boundingBox())!;
  const middle = async (id: string) => (await box(id)).y + (await box(id)).height / 2;
  await page.setViewportSize(sizes.desktop);
  const row = await middle('timeframe-h1');
  for (const id of ['indicators-open', 'compare-open', 'bar-table-open', 'chart-type', 'chart-csv']) {
    expect(Math.abs((await middle(id)) - row), `${id} is in the row of the timeframes`).toBeLessThan(4);
  }
  await page.setViewportSize(sizes.phone);
  expect(Math.abs((await middle('compare-open')) - (await middle('chart-csv'))), 'one row').toBeLessThan(4);
  expect((await box('compare-open')).x, 'in reach').toBeLessThan(300);
  await page.getByTestId('chart-csv').focus();
  const csv = await box('chart-csv');
  expect(csv.x + csv.width, 'what has the focus is scrolled to').toBeLessThanOrEqual(390);
  expect(await page.evaluate(() => document.documentElement.scrollWidth), 'nothing sticks out').toBe(390);
});
