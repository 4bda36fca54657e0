// The page by keyboard alone.
import type { Page } from '@playwright/test';
import { expectAccessible } from '../support/axe.ts';
import { ChartPage } from '../support/chart.ts';
import { expect, test } from '../support/world.ts';

const board = (page: Page) => page.getByRole('region', { name: 'Chart', exact: true });

test('the first Tab offers the way to the chart, and it keeps the address', async ({ page }) => {
  const chart = new ChartPage(page);
  await chart.open('AAPL', 'd1');
  await chart.expectComplete('AAPL', 'd1');
  const address = page.url();
  await page.keyboard.press('Tab');
  const skip = page.getByTestId('skip-link');
  await expect(skip).toBeFocused();
  await expect(skip).toBeInViewport({ ratio: 1 });
  await expectAccessible(page, 'with the skip link in sight');
  await page.keyboard.press('Enter');
  await expect(board(page)).toBeFocused();
  await expect(board(page), 'the focus is seen').toHaveCSS('outline-style', 'solid');
  expect(page.url()).toBe(address);
});

test('who opens a symbol by search is at the chart, whose keys work at once', async ({ page }) => {
  const chart = new ChartPage(page);
  await chart.open('AAPL', 'd1');
  await chart.expectComplete('AAPL', 'd1');
  await page.keyboard.press('/');
  await expect(chart.symbolInput).toBeFocused();
  await page.keyboard.type('MSFT');
  await page.keyboard.press('Enter');
  await expect(board(page)).toBeFocused();
  await chart.expectComplete('MSFT', 'd1');
  await expect(board(page), 'still, with bars in it').toBeFocused();
  await page.keyboard.press('t');
  await expect(page.getByRole('dialog', { name: 'Bars', exact: true })).toBeVisible();
});

test('a key that follows Enter at once is not the field’s any more', async ({ page }) => {
  const chart = new ChartPage(page);
  await chart.open('AAPL', 'd1');
  await chart.expectComplete('AAPL', 'd1');
  await chart.symbolInput.fill('MSFT');
  const left = await chart.symbolInput.evaluate((field: HTMLInputElement) => {
    field.form!.requestSubmit();
    field.dispatchEvent(new KeyboardEvent('keydown', { key: 't', bubbles: true }));
    return field.value;
  });
  expect(left).toBe('');
  await expect(page.getByRole('dialog', { name: 'Bars', exact: true })).toBeVisible();
  await chart.expectComplete('MSFT', 'd1');
  await expect(chart.symbolInput).toHaveValue('');
});

test('[ and ] go through the timeframes, and stop at the ends', async ({ page }) => {
  const chart = new ChartPage(page);
  await chart.open('AAPL', 'd1');
  await chart.expectComplete('AAPL', 'd1');
  await page.keyboard.press(']');
  await chart.expectComplete('AAPL', 'w1');
  await page.keyboard.press(']');
  await page.keyboard.press('[');
  await chart.expectComplete('AAPL', 'd1');
  await page.goBack();
  await expect(page.getByTestId('timeframe-w1')).toHaveAttribute('aria-current', 'page');
});

test('w puts the open symbol on the watchlist and takes it off, and says so', async ({ page }) => {
  const chart = new ChartPage(page);
  await chart.open('QQQ', 'd1');
  await chart.expectComplete('QQQ', 'd1');
  const line = page.getByTestId('watch-QQQ');
  const said = page.getByTestId('watch-toggled');
  await expect(line).toBeHidden();
  await page.keyboard.press('w');
  await expect(line).toBeVisible();
  await expect(said).toHaveText('QQQ is on the watchlist.');
  await page.keyboard.press('w');
  await expect(line).toBeHidden();
  await expect(said).toHaveText('QQQ is off the watchlist.');
  await page.keyboard.press('?');
  const keys = page.getByRole('dialog', { name: 'Keyboard' });
  for (const label of ['A shorter timeframe', 'A longer timeframe', 'Put the symbol on the watchlist, or take it off']) {
    await expect(keys.getByText(label)).toBeVisible();
  }
});

test('the bar that keys move the crosshair to is said aloud, one that the mouse points at is not', async ({ page }) => {
  const chart = new ChartPage(page);
  await chart.open('AAPL', 'd1');
  await chart.expectComplete('AAPL', 'd1');
  const said = page.getByTestId('pointed-bar');
  await expect(said).toHaveText('');
  await page.keyboard.press('Shift+ArrowLeft');
  await expect(said).toHaveText(/^\w+, \w+ \d+, \d{4}: open [\d.]+, high [\d.]+, low [\d.]+, close [\d.]+, volume \S+\.$/);
  const first = await said.textContent();
  await page.keyboard.press('Shift+ArrowLeft');
  await expect(said).not.toHaveText(first!);
  await expect(said).toHaveText(/open/);
  await page.keyboard.press('Escape');
  await expect(said).toHaveText('');
  const box = (await chart.chart.boundingBox())!;
  await page.mouse.move(box.x + 200, box.y + 100);
  await expect(chart.chart).toHaveAttribute('data-bars', /\d/);
  await expect(said).toHaveText('');
});

test('where nothing of what is held is shown, that is said, with the way to show it', async ({ page }) => {
  const chart = new ChartPage(page);
  await chart.open('AAPL', 'd1');
  await chart.expectComplete('AAPL', 'd1');
  await page.goto('/chart/AAPL?tf=d1&layers=none');
  const vacancy = page.getByTestId('vacancy');
  await expect(vacancy.getByRole('heading')).toHaveText('None of its bars is shown');
  await expectAccessible(page, 'nothing shown');
  await page.getByTestId('vacancy-show').focus();
  await page.keyboard.press('Enter');
  const dialogue = page.getByRole('dialog', { name: 'Shown', exact: true });
  await expect(dialogue).toBeVisible();
  await page.getByTestId('shown-historical').focus();
  await page.keyboard.press('Space');
  await page.keyboard.press('Escape');
  await expect(vacancy).toBeHidden();
  await chart.expectCandles();
});

test('weeks are shown from the first one on that is known', async ({ page }) => {
  const chart = new ChartPage(page);
  await page.goto('/chart/AAPL?tf=w1&range=All');
  await chart.expectComplete('AAPL', 'w1');
  await expect(page.getByTestId('oldest')).toHaveText(/No older bars/);
});

test('every dialogue that a key opens is free of what axe finds, and gives the focus back', async ({ page }) => {
  const chart = new ChartPage(page);
  await chart.open('AAPL', 'd1');
  await chart.expectComplete('AAPL', 'd1');
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  await expect(board(page)).toBeFocused();
  for (const [key, name] of [['i', 'Indicators'], ['c', 'Compare'], ['l', 'Shown'], ['d', 'Drawings'], [',', 'Settings'], ['?', 'Keyboard'], ['t', 'Bars']]) {
    await page.keyboard.press(key);
    const dialogue = page.getByRole('dialog', { name, exact: true });
    await expect(dialogue).toBeVisible();
    await expectAccessible(page, name);
    await page.keyboard.press('Escape');
    await expect(dialogue).toBeHidden();
    await expect(board(page), `after ${name}`).toBeFocused();
  }
});

for (const media of [{ forcedColors: 'active' }, { reducedMotion: 'reduce' }] as const) {
  test(`the chart and the focus are seen with ${JSON.stringify(media)}`, async ({ page }) => {
    const chart = new ChartPage(page);
    await page.emulateMedia(media);
    await chart.open('AAPL', 'd1');
    await chart.expectComplete('AAPL', 'd1');
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await expect(board(page)).toBeFocused();
    await expect(board(page)).toHaveCSS('outline-style', 'solid');
    const close = page.getByTestId('timeframe-w1');
    await close.focus();
    await page.keyboard.press('Tab');
    await page.keyboard.press('Shift+Tab');
    await expect(close).toHaveCSS('outline-style', 'solid');
    await expectAccessible(page, JSON.stringify(media));
  });
}
