import { readFile } from 'node:fs/promises';
import type { Locator, Page } from '@playwright/test';
import { ChartPage } from '../support/chart.ts';
import { expect, test } from '../support/world.ts';

/** The watchlist as its reader sees it. */
class Watchlist {
  readonly list: Locator;
  readonly picker: Locator;

  constructor(readonly page: Page) {
    this.list = page.getByTestId('watchlist');
    this.picker = page.getByTestId('watch-lists');
  }

  row(symbol: string): Locator {
    return this.page.getByTestId(`watch-row-${symbol}`);
  }

  handle(symbol: string): Locator {
    return this.page.getByTestId(`watch-move-${symbol}`);
  }

  part(symbol: string, name: string): Locator {
    return this.row(symbol).locator(`[data-part=${name}]`);
  }

  freshness(symbol: string): Locator {
    return this.row(symbol).locator('.watch-fresh');
  }

  async symbols(): Promise<string[]> {
    return this.list.locator('.watch-symbol').allTextContents();
  }

  async expectSymbols(symbols: string[]): Promise<void> {
    await expect(this.list.locator('.watch-symbol')).toHaveText(symbols);
  }

  /** Opens the page and waits until it listens. */
  async open(address = '/chart/AAPL?tf=d1'): Promise<void> {
    await this.page.goto(address);
    await expect(this.list.locator('[data-freshness]').first()).toBeVisible();
  }

  /** Keeps this list in the browser before the page is opened. */
  async keep(symbols: string[]): Promise<void> {
    const lists = [{ id: 1, name: 'Watchlist', symbols }, { id: 2, name: 'Other', symbols: ['KO'] }];
    await this.page.addInitScript((stored) => {
      if (localStorage.getItem('tidemark:watchlists') === null) localStorage.setItem('tidemark:watchlists', stored);
    }, JSON.stringify({ version: 1, shown: 1, lists }));
  }
}

test('each line tells price, change, picture and freshness, and follows what the chart learns', async ({ page, world }) => {
  const [chart, watch] = [new ChartPage(page), new Watchlist(page)];
  await watch.keep(['AAPL', 'MSFT']);
  await chart.open('AAPL');
  await chart.expectComplete('AAPL');
  await expect(watch.freshness('AAPL')).toHaveText('fresh');
  await expect(watch.freshness('AAPL')).toHaveAttribute('data-freshness', 'fresh');
  await expect(watch.freshness('MSFT')).toHaveText('not stored');
  await expect(watch.part('MSFT', 'price')).toHaveText('');

  const [{ close }] = await world.database.rows<{ close: number }>(
    'select close from ohlc_bars_v2 order by ts desc limit 1',
  );
  await expect(watch.part('AAPL', 'price')).toHaveText(close.toFixed(2));
  await expect(watch.part('AAPL', 'change')).toHaveText(/^[+−]\d+\.\d\d %$/);
  await expect(watch.row('AAPL').locator('.watch-spark path')).toHaveAttribute('d', /^M0 \d+(L\d+ \d+){39}$/);
  await expect(watch.row('AAPL').getByRole('link')).toHaveAttribute('title', /^Apple Inc\.\n.* at .*\nLine: 40 closes of h1$/);
});

test('prices are asked for again only while the page can be seen', async ({ page }) => {
  const [chart, watch] = [new ChartPage(page), new Watchlist(page)];
  await watch.keep(['AAPL']);
  await page.clock.install();
  const asked = () => page.waitForRequest('**/api/page/quotes**');
  await chart.open('AAPL', 'd1');
  await chart.expectComplete('AAPL', 'd1');
  await expect(watch.freshness('AAPL')).toHaveText('fresh');
  let questions = 0;
  page.on('request', (request) => (questions += Number(request.url().includes('/api/page/quotes'))));
  const aMinuteLater = async () => {
    await page.clock.fastForward('01:10');
    await page.evaluate(() => fetch('/healthz').then((answer) => answer.text()));
    return questions;
  };
  // What the chart learned is asked for first; after that time alone is a reason, again and again.
  await expect.poll(aMinuteLater).toBeGreaterThan(3);
  await page.evaluate(() => Object.defineProperty(document, 'hidden', { configurable: true, get: () => true }));
  const before = await aMinuteLater();
  for (const _ of [1, 2, 3]) expect(await aMinuteLater()).toBe(before);
  const again = asked();
  await page.evaluate(() => {
    Object.defineProperty(document, 'hidden', { configurable: true, get: () => false });
    document.dispatchEvent(new Event('visibilitychange', { bubbles: true }));
  });
  await again;
});

test('lists are made, switched, renamed and deleted, and stay after a reload', async ({ page }) => {
  const watch = new Watchlist(page);
  await watch.open();
  await expect(watch.picker.getByRole('option')).toHaveText(['Watchlist', 'Funds', 'Currencies']);
  await watch.picker.selectOption('Funds');
  await expect(watch.row('QQQ')).toBeVisible();

  await page.getByTestId('watch-manage').click();
  const dialog = page.getByRole('dialog', { name: 'Watchlists' });
  await dialog.getByTestId('list-new-name').fill('funds');
  await dialog.getByTestId('list-new').click();
  await expect(dialog.getByTestId('watchlists-error')).toHaveText('There is a list of that name already.');
  await dialog.getByTestId('list-new-name').fill('Mine');
  await dialog.getByTestId('list-new').click();
  await expect(dialog.getByTestId('watchlists-error')).toHaveText('');
  await expect(dialog.getByTestId('list-Mine')).toContainText('0 symbols');
  const name = dialog.getByRole('textbox', { name: 'Name of Currencies' });
  await name.fill('Money');
  await name.press('Enter');
  await expect(dialog.getByTestId('list-Money')).toBeVisible();
  const remove = dialog.getByTestId('list-Funds').getByRole('button');
  await remove.click();
  await expect(remove).toHaveText('Delete Funds for good');
  await remove.click();
  await page.keyboard.press('Escape');

  await expect(watch.picker.locator('option:checked')).toHaveText('Mine');
  await expect(page.getByTestId('watch-empty')).toBeVisible();
  await page.getByTestId('watch-add').click();
  await watch.expectSymbols(['AAPL']);
  await page.reload();
  await expect(watch.picker.getByRole('option')).toHaveText(['Watchlist', 'Money', 'Mine']);
  await watch.expectSymbols(['AAPL']);
  await watch.row('AAPL').hover();
  await page.getByTestId('watch-remove-AAPL').click();
  await watch.expectSymbols([]);
});

test('what an older version has stored is taken over', async ({ page }) => {
  await page.addInitScript(() => localStorage.setItem('tidemark:watchlist', '["KO","PEP"]'));
  const watch = new Watchlist(page);
  await watch.open();
  await watch.expectSymbols(['KO', 'PEP']);
  const stored = await page.evaluate(() => localStorage.getItem('tidemark:watchlists'));
  expect(JSON.parse(stored!).lists[0]).toEqual({ id: 1, name: 'Watchlist', symbols: ['KO', 'PEP'] });
});

test('the lists are the same in all tabs, and which one is shown is each its own', async ({ page, context }) => {
  const here = new Watchlist(page);
  await here.open();
  await here.picker.selectOption('Funds');
  const other = await context.newPage();
  const there = new Watchlist(other);
  await there.open('/chart/KO?tf=d1');
  await expect(there.picker.locator('option:checked')).toHaveText('Funds');
  await here.picker.selectOption('Currencies');
  await other.getByTestId('watch-add').click();
  await expect(there.row('KO')).toBeVisible();
  await expect(here.picker.locator('option:checked')).toHaveText('Currencies');
  await here.picker.selectOption('Funds');
  await expect(here.row('KO')).toBeVisible();
});

test('lines are moved by keys, with the focus kept and each step said', async ({ page }) => {
  const watch = new Watchlist(page);
  await watch.keep(['AAPL', 'MSFT', 'NVDA', 'SPY']);
  await watch.open();
  await watch.expectSymbols(['AAPL', 'MSFT', 'NVDA', 'SPY']);
  const [handle, said] = [watch.handle('AAPL'), page.getByTestId('watch-announcer')];
  await handle.focus();
  await page.keyboard.press('ArrowDown');
  await watch.expectSymbols(['AAPL', 'MSFT', 'NVDA', 'SPY']);

  await page.keyboard.press('Space');
  await expect(handle).toHaveAttribute('aria-pressed', 'true');
  await expect(said).toHaveText(/^AAPL is taken up, position 1 of 4\./);
  await page.keyboard.press('ArrowDown');
  await expect(said).toHaveText('AAPL is now position 2 of 4.');
  await expect(handle).toBeFocused();
  await page.keyboard.press('ArrowDown');
  await watch.expectSymbols(['MSFT', 'NVDA', 'AAPL', 'SPY']);
  await expect(handle).toBeFocused();
  await page.keyboard.press('Enter');
  await expect(said).toHaveText('AAPL is put down at position 3 of 4.');
  await expect(handle).toHaveAttribute('aria-pressed', 'false');

  await watch.handle('SPY').press('Enter');
  await page.keyboard.press('Home');
  await watch.expectSymbols(['SPY', 'MSFT', 'NVDA', 'AAPL']);
  await expect(watch.handle('SPY')).toBeFocused();
  await page.keyboard.press('Escape');
  await watch.expectSymbols(['MSFT', 'NVDA', 'AAPL', 'SPY']);
  await page.reload();
  await watch.expectSymbols(['MSFT', 'NVDA', 'AAPL', 'SPY']);
});

test('lines are moved by dragging, and by buttons where one can\'t drag', async ({ page }) => {
  const watch = new Watchlist(page);
  await watch.keep(['AAPL', 'MSFT', 'NVDA', 'SPY']);
  await watch.open();
  await watch.expectSymbols(['AAPL', 'MSFT', 'NVDA', 'SPY']);
  const middle = async (symbol: string) => {
    const box = (await watch.handle(symbol).boundingBox())!;
    return { x: box.x + box.width / 2, y: box.y + box.height / 2 };
  };
  const [from, to] = [await middle('AAPL'), await middle('NVDA')];
  await page.mouse.move(from.x, from.y);
  await page.mouse.down();
  await page.mouse.move(from.x, to.y, { steps: 6 });
  await expect(watch.row('AAPL')).toHaveAttribute('data-dragged', 'true');
  expect((await middle('MSFT')).y, 'the others make room').toBeLessThan(to.y);
  await page.mouse.up();
  await watch.expectSymbols(['MSFT', 'NVDA', 'AAPL', 'SPY']);
  await expect(watch.handle('AAPL'), 'a drag is no press').toHaveAttribute('aria-pressed', 'false');

  await watch.handle('SPY').click();
  await watch.row('SPY').getByTestId('watch-up').click();
  await watch.expectSymbols(['MSFT', 'NVDA', 'SPY', 'AAPL']);
  await watch.handle('SPY').click();
  await expect(watch.row('SPY').getByTestId('watch-up')).toBeHidden();
});

test('lines are sorted by symbol and by change, and the own order is kept', async ({ page }) => {
  const [chart, watch] = [new ChartPage(page), new Watchlist(page)];
  await watch.keep(['SPY', 'MSFT', 'AAPL', 'NVDA']);
  await page.addInitScript(() => Object.assign(window, { __tidemark_poll_ms: 1_000 }));
  await chart.open('AAPL', 'd1');
  await chart.expectComplete('AAPL', 'd1');
  await page.getByTestId('watch-fill').click();
  await expect(page.getByTestId('watch-filling')).toHaveAttribute('data-state', 'done', { timeout: 30_000 });
  for (const symbol of ['SPY', 'MSFT', 'AAPL', 'NVDA']) await expect(watch.part(symbol, 'change')).not.toHaveText('');

  await page.getByTestId('watch-sort-symbol').click();
  await watch.expectSymbols(['AAPL', 'MSFT', 'NVDA', 'SPY']);
  await expect(watch.handle('AAPL')).toBeDisabled();
  const changes = async () => {
    const texts = await watch.list.locator('[data-part=change]').allTextContents();
    return texts.map((text) => Number(text.replace('−', '-').replace(' %', '')));
  };
  const areSorted = async (way: number) => {
    const shown = await changes();
    return shown.every((change, index) => index === 0 || way * (change - shown[index - 1]) >= 0);
  };
  await page.getByTestId('watch-sort-change').click();
  await expect.poll(() => areSorted(-1)).toBe(true);
  await page.getByTestId('watch-sort-change').click();
  await expect.poll(() => areSorted(1)).toBe(true);
  await page.reload();
  await expect(page.getByTestId('watch-sort-change')).toHaveAttribute('aria-pressed', 'true');
  await page.getByTestId('watch-sort-change').click();
  await watch.expectSymbols(['SPY', 'MSFT', 'AAPL', 'NVDA']);
});

test.describe('by touch', () => {
  test.use({ hasTouch: true });

  test('a line is dragged by a finger on its handle', async ({ page }) => {
    const watch = new Watchlist(page);
    await watch.keep(['AAPL', 'MSFT', 'NVDA']);
    await watch.open();
    await watch.expectSymbols(['AAPL', 'MSFT', 'NVDA']);
    const client = await page.context().newCDPSession(page);
    const touch = (type: 'touchStart' | 'touchMove' | 'touchEnd', x = 0, y = 0) =>
      client.send('Input.dispatchTouchEvent', { type, touchPoints: type === 'touchEnd' ? [] : [{ x, y }] });
    const [from, to] = [(await watch.handle('NVDA').boundingBox())!, (await watch.handle('AAPL').boundingBox())!];
    const x = from.x + from.width / 2;
    await touch('touchStart', x, from.y + 20);
    for (const part of [0.25, 0.5, 0.75, 1]) await touch('touchMove', x, from.y + 20 + (to.y - from.y) * part);
    await expect(watch.row('NVDA')).toHaveAttribute('data-dragged', 'true');
    await touch('touchEnd');
    await watch.expectSymbols(['NVDA', 'AAPL', 'MSFT']);
  });
});

test('a name is searched for and chosen by keys', async ({ page }) => {
  const chart = new ChartPage(page);
  await chart.open('AAPL', 'd1');
  await chart.expectComplete('AAPL', 'd1');
  const [input, list] = [chart.symbolInput, page.getByTestId('suggestions')];
  await expect(input).toHaveAttribute('aria-expanded', 'false');
  await input.fill('app');
  await expect(list.getByRole('option')).toHaveText(['AAPLApple Inc.stored', 'APPnot stored yet']);
  await expect(input).toHaveAttribute('aria-expanded', 'true');
  await input.press('ArrowDown');
  await input.press('ArrowDown');
  await expect(page.getByTestId('suggestion-APP')).toHaveAttribute('aria-selected', 'true');
  const active = await input.getAttribute('aria-activedescendant');
  await expect(page.locator(`[id="${active}"]`)).toHaveAttribute('data-testid', 'suggestion-APP');
  await input.press('Escape');
  await expect(list).toBeHidden();
  await expect(input).toHaveValue('app');

  await input.fill('microsoft');
  await expect(list.getByRole('option').first()).toContainText('MSFT');
  await input.press('ArrowDown');
  await input.press('Enter');
  await chart.expectComplete('MSFT', 'd1');
  await expect(input).toHaveValue('');
  await expect(list).toBeHidden();
});

test('a suggestion is chosen by a click, and what is no symbol is told', async ({ page }) => {
  const chart = new ChartPage(page);
  await chart.open('AAPL', 'd1');
  // The page may not listen yet: what was typed is read then.
  await chart.symbolInput.fill('bitcoin');
  await page.getByTestId('suggestion-X:BTCUSD').click();
  await expect(page).toHaveURL(/\/chart\/X:BTCUSD\?tf=d1$/);
  await chart.symbolInput.fill('no such thing');
  await chart.symbolInput.press('Enter');
  await expect(page.getByTestId('symbol-error')).toContainText("has the character ' '");
});

test('all of a list are hydrated, with what failed and why', async ({ page, world }) => {
  const [chart, watch] = [new ChartPage(page), new Watchlist(page)];
  await watch.keep(['AAPL', 'MSFT', 'ZZZZ']);
  await page.addInitScript(() => Object.assign(window, { __tidemark_poll_ms: 1_000 }));
  await chart.open('AAPL', 'd1');
  await chart.expectComplete('AAPL', 'd1');
  await world.simulator.setLatency(300);
  await page.getByTestId('watch-fill').click();
  const filling = page.getByTestId('watch-filling');
  await expect(filling).toHaveAttribute('data-state', 'active');
  await expect(filling).toContainText(/Hydrating 3 symbols at d1: \d done, \d+ of \d+ slices/);
  await expect(filling).toHaveAttribute('data-state', 'done', { timeout: 30_000 });
  await expect(filling).toContainText('2 of 3 symbols at d1 hydrated, 1 failed.');
  await expect(filling).toContainText('ZZZZ No provider knows ZZZZ.');
  await expect(watch.freshness('MSFT')).toHaveText('fresh');
  await expect(watch.part('MSFT', 'price')).not.toHaveText('');
  await page.getByTestId('watch-filling-stop').click();
  await expect(filling).toBeHidden();
});

test('lists are exported and imported again', async ({ page }) => {
  const watch = new Watchlist(page);
  await watch.open();
  await page.getByTestId('watch-manage').click();
  const saved = async (testid: string) => {
    const [download] = await Promise.all([page.waitForEvent('download'), page.getByTestId(testid).click()]);
    return { name: download.suggestedFilename(), path: await download.path() };
  };
  const json = await saved('export-json');
  expect(json.name).toBe('tidemark-watchlists.json');
  expect(JSON.parse(await readFile(json.path, 'utf8')).lists[1].symbols).toEqual(['SPY', 'QQQ', 'IWM', 'DIA', 'TLT', 'GLD']);
  const text = await saved('export-text');
  expect(await readFile(text.path, 'utf8')).toMatch(/^# Watchlist\nAAPL\nMSFT\n/);

  await page.getByTestId('list-Funds').getByRole('button').click();
  await page.getByTestId('list-Funds').getByRole('button').click();
  await page.getByTestId('import-file').setInputFiles(json.path);
  await expect(page.getByTestId('import-outcome')).toHaveText('6 symbols in 1 new list added.');
  await page.getByTestId('import-text').fill('###Drinks,NYSE:KO,NASDAQ:PEP,<b>');
  await page.getByTestId('import').click();
  await expect(page.getByTestId('import-outcome')).toHaveText(
    '2 symbols in 1 new list added. 1 entry that is no symbol skipped, such as "<b>".',
  );
  await page.getByTestId('import-text').fill('{"bars":[]}');
  await page.getByTestId('import').click();
  await expect(page.getByRole('dialog').getByText('That is JSON, but no watchlists.')).toBeVisible();
  await page.keyboard.press('Escape');
  await watch.picker.selectOption('Drinks');
  await watch.expectSymbols(['KO', 'PEP']);
});

test('what was seen before is opened from this browser\'s own store, the server away or not', async ({ page, world }) => {
  const [chart, watch] = [new ChartPage(page), new Watchlist(page)];
  await watch.keep(['AAPL', 'MSFT']);
  for (const symbol of ['MSFT', 'AAPL']) {
    await chart.open(symbol, 'd1');
    await chart.expectComplete(symbol, 'd1');
  }
  await expect(watch.part('MSFT', 'price')).not.toHaveText('');
  const price = await watch.part('MSFT', 'price').textContent();
  await world.server.kill9();
  await watch.row('MSFT').getByRole('link').hover();
  await watch.row('MSFT').getByRole('link').click();
  await expect(chart.chart).toHaveAttribute('data-symbol', 'MSFT');
  await chart.expectCandles();
  await expect(watch.part('MSFT', 'price'), 'the last known price stays').toHaveText(price!);
});
