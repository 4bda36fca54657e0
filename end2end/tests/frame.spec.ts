import { type Page } from '@playwright/test';
import { ChartPage } from '../support/chart.ts';
import { expect, test } from '../support/world.ts';

const ground = (page: Page) => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
const LIGHT = 'rgb(243, 245, 247)';
const DARK = 'rgb(13, 19, 25)';

test('colours follow the system, or the choice, which is in force before the first paint', async ({ page }) => {
  const chart = new ChartPage(page);
  await page.emulateMedia({ colorScheme: 'dark' });
  await chart.open('AAPL', 'd1');
  await chart.expectComplete('AAPL', 'd1');
  expect(await ground(page)).toBe(DARK);
  await page.emulateMedia({ colorScheme: 'light' });
  await expect.poll(() => ground(page)).toBe(LIGHT);

  await page.getByTestId('settings-open').click();
  await page.getByRole('radio', { name: 'Dark' }).check();
  await expect.poll(() => ground(page)).toBe(DARK);
  await page.keyboard.press('Escape');

  // Neither the page's scripts nor its WASM: the document's head alone.
  await page.route(/\.(js|wasm)$/, (route) => route.abort());
  await page.reload();
  expect(await ground(page)).toBe(DARK);
  await page.unroute(/\.(js|wasm)$/);
  await page.reload();
  await chart.expectComplete('AAPL', 'd1');
  await page.getByTestId('settings-open').click();
  await expect(page.getByRole('radio', { name: 'Dark' })).toBeChecked();
  await page.getByRole('radio', { name: 'Like the system' }).check();
  await expect.poll(() => ground(page)).toBe(LIGHT);
});

test('keys: ? lists them, / goes to the symbol input, and none acts while someone types or wants none', async ({ page }) => {
  const chart = new ChartPage(page);
  await chart.open('AAPL', 'd1');
  await chart.expectComplete('AAPL', 'd1');
  const keys = page.getByRole('dialog', { name: 'Keyboard' });
  await page.keyboard.press('?');
  await expect(keys).toBeVisible();
  await expect(keys.getByText('Type a symbol')).toBeVisible();
  await page.keyboard.press('/');
  await expect(chart.symbolInput, 'a dialogue keeps the keys to itself').not.toBeFocused();
  await page.keyboard.press('Escape');
  await expect(keys).toBeHidden();

  await page.keyboard.press('/');
  await expect(chart.symbolInput).toBeFocused();
  await page.keyboard.type('?,/');
  await expect(chart.symbolInput).toHaveValue('?,/');
  await expect(keys).toBeHidden();

  await page.getByTestId('settings-open').focus();
  await page.keyboard.press(',');
  const settings = page.getByRole('dialog', { name: 'Settings' });
  await expect(settings).toBeVisible();
  await settings.getByRole('radio', { name: 'Off' }).check();
  await page.keyboard.press('Escape');
  await expect(page.getByTestId('settings-open'), 'the focus comes back').toBeFocused();
  await page.keyboard.press('?');
  await expect(keys).toBeHidden();
});

test.describe('on a phone', () => {
  test.use({ viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true });

  test('the watchlist is a drawer, which closes when something is chosen or by a touch beside it', async ({ page }) => {
    const chart = new ChartPage(page);
    await chart.open('AAPL', 'd1');
    await chart.expectComplete('AAPL', 'd1');
    await expect(chart.watchlist).toBeHidden();
    const menu = page.getByRole('button', { name: 'Watchlist', exact: true });
    await menu.tap();
    await expect(chart.watchlist).toBeVisible();
    await chart.watchlist.getByRole('link', { name: 'MSFT' }).tap();
    await expect(chart.watchlist).toBeHidden();
    await chart.expectComplete('MSFT', 'd1');
    await menu.tap();
    await expect(chart.watchlist).toBeVisible();
    await page.touchscreen.tap(380, 400);
    await expect(chart.watchlist).toBeHidden();
  });
});

for (const width of [320, 390, 768, 1280, 1920]) {
  test(`nothing is wider than a window of ${width}`, async ({ page }) => {
    await page.setViewportSize({ width, height: 800 });
    const chart = new ChartPage(page);
    await chart.open('AAPL', 'd1');
    await chart.expectComplete('AAPL', 'd1');
    const { scroll, client } = await page.evaluate(() => {
      const stage = document.querySelector('.stage')!;
      const root = document.documentElement;
      return { scroll: [root.scrollWidth, stage.scrollWidth], client: [root.clientWidth, stage.clientWidth] };
    });
    expect(scroll).toEqual(client);
  });
}
