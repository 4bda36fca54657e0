// The chart under a finger: a tap shows values, a flick goes on.
import type { CDPSession } from '@playwright/test';
import { ChartPage } from '../support/chart.ts';
import { expect, test } from '../support/world.ts';

test.use({ hasTouch: true, viewport: { width: 390, height: 800 } });

const from = async (chart: ChartPage) => Date.parse((await chart.chart.getAttribute('data-from'))!);

/** A finger that goes to the right and lets go on the move. Each event tells its own time, however slow the machine is. */
async function swipe(chart: ChartPage, client: CDPSession): Promise<void> {
  const box = (await chart.chart.boundingBox())!;
  const [x, y] = [box.x + 60, box.y + box.height * 0.4];
  const start = Date.now() / 1000;
  let events = 0;
  const touch = (type: 'touchStart' | 'touchMove' | 'touchEnd', at = 0) => {
    events += 1;
    const touchPoints = type === 'touchEnd' ? [] : [{ x: x + at, y }];
    return client.send('Input.dispatchTouchEvent', { type, touchPoints, timestamp: start + events * 0.016 });
  };
  await touch('touchStart');
  for (const at of [30, 60, 90, 120, 150]) await touch('touchMove', at);
  await touch('touchEnd');
}

/** Waits until the chart stands still, and tells where it begins then. */
async function settled(chart: ChartPage): Promise<number> {
  let before = Number.NaN;
  await expect.poll(async () => {
    const now = await from(chart);
    const isStill = now === before;
    before = now;
    return isStill;
  }, { intervals: [200] }).toBe(true);
  return before;
}

test('a tap shows the crosshair and its values, another one there or elsewhere takes it away', async ({ page }) => {
  const chart = new ChartPage(page);
  await page.goto('/chart/AAPL?tf=h1&ind=sma-20');
  await chart.expectComplete('AAPL', 'h1');
  const legend = page.getByTestId('legend');
  const newest = await legend.textContent();
  const box = (await chart.chart.boundingBox())!;
  const [x, y] = [box.x + 90, box.y + box.height * 0.4];
  await page.touchscreen.tap(x, y);
  await expect(legend).not.toHaveText(newest!);
  await page.touchscreen.tap(x + 3, y + 2);
  await expect(legend).toHaveText(newest!);
  await page.touchscreen.tap(x + 40, y);
  await expect(legend).not.toHaveText(newest!);
  await page.getByTestId('timeframe-h1').tap();
  await expect(legend).toHaveText(newest!);
});

test('a flick goes on by itself, and not where less motion is wished for', async ({ page }) => {
  const chart = new ChartPage(page);
  const client = await page.context().newCDPSession(page);
  await page.emulateMedia({ reducedMotion: 'reduce' });
  await chart.open('X:BTCUSD', 'h1');
  await chart.expectComplete('X:BTCUSD', 'h1');
  const start = await settled(chart);
  await swipe(chart, client);
  const still = start - (await settled(chart));
  expect(still, 'the finger drags').toBeGreaterThan(0);

  await page.emulateMedia({ reducedMotion: 'no-preference' });
  await page.keyboard.press('r');
  await expect.poll(() => from(chart)).toBe(start);
  await swipe(chart, client);
  await expect.poll(async () => start - (await from(chart)), { message: 'further than the finger' }).toBeGreaterThan(still * 1.2);
  await settled(chart);
});

test('suggestions are whole within the window, and choosing one opens it', async ({ page }) => {
  const chart = new ChartPage(page);
  await chart.open('AAPL', 'd1');
  await chart.expectComplete('AAPL', 'd1');
  await chart.symbolInput.tap();
  await page.keyboard.type('MSF');
  const found = page.getByTestId('suggestion-MSFT');
  await expect(found).toBeInViewport({ ratio: 1 });
  await found.tap();
  await chart.expectComplete('MSFT', 'd1');
  await expect(chart.symbolInput, 'the keyboard on the screen goes').not.toBeFocused();
});

test('what is tapped is 24 pixels wide and high at least, or has that much room', async ({ page }) => {
  const chart = new ChartPage(page);
  await chart.open('AAPL', 'd1');
  await chart.expectComplete('AAPL', 'd1');
  // A box counts with its label; the strip's parts are pressed in the strip.
  const small = () =>
    page.evaluate(() =>
      [...document.querySelectorAll<HTMLElement>('a, button, input, select, [tabindex="0"]')]
        .filter((element) => element.checkVisibility({ visibilityProperty: true }) && !element.matches('.skip-link'))
        .map((element) => element.closest<HTMLElement>('label') ?? element)
        .filter((element) => {
          const { width, height } = element.getBoundingClientRect();
          return width < 24 || height < 24;
        })
        .map((element) => element.outerHTML.slice(0, 120)),
    );
  expect(await small(), 'the page').toEqual([]);
  for (const opener of ['indicators-open', 'compare-open', 'shown-open', 'drawings-open', 'settings-open', 'bar-table-open', 'coverage-open', 'quality-open']) {
    await page.getByTestId(opener).tap();
    const dialogue = page.locator('dialog[open]');
    await expect(dialogue).toBeVisible();
    expect(await small(), opener).toEqual([]);
    await dialogue.getByRole('button', { name: 'Close', exact: true }).tap();
    await expect(dialogue).toBeHidden();
  }
  await page.getByRole('button', { name: 'Watchlist', exact: true }).tap();
  await expect(chart.watchlist).toBeVisible();
  expect(await small(), 'the drawer').toEqual([]);
});

test('what a phone’s dialogues say is read without scrolling sideways', async ({ page }) => {
  const chart = new ChartPage(page);
  await chart.open('AAPL', 'h1');
  await chart.expectComplete('AAPL', 'h1');
  /** How far text sticks out of what scrolls around it, or of the window. */
  const sticksOut = (text: string) =>
    page.getByText(text).evaluate((element) => {
      const around = element.closest('.table-scroll, dialog')!.getBoundingClientRect();
      const range = document.createRange();
      range.selectNodeContents(element);
      return Math.max(0, range.getBoundingClientRect().right - Math.min(around.right, innerWidth));
    });
  await page.getByTestId('quality-open').click();
  expect(await sticksOut('Settled bars that differ from the recent ones.')).toBe(0);
  await page.keyboard.press('Escape');
  await page.keyboard.press('t');
  const scroll = page.getByRole('region', { name: 'Bars, as a table' });
  await scroll.evaluate((element) => element.scrollTo({ left: element.scrollWidth }));
  expect(await page.locator('.table caption').evaluate((it) => it.getBoundingClientRect().right <= innerWidth)).toBe(true);
  const time = await page.locator('.table tbody th').first().boundingBox();
  expect(time!.x, 'which bar a figure is of stays in view').toBeGreaterThanOrEqual(0);
});

test('a currency’s prices have the decimals that tell them apart', async ({ page }) => {
  const chart = new ChartPage(page);
  await chart.open('C:EURUSD', 'h1');
  await chart.expectComplete('C:EURUSD', 'h1');
  await expect(page.getByTestId('legend')).toContainText(/C[01]\.\d{5}V/);
});
