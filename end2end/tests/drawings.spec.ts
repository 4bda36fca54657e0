// What is drawn on the chart by hand: levels, trend lines and rectangles, kept by symbol; and measuring.
import type { Page } from '@playwright/test';
import { ChartPage } from '../support/chart.ts';
import { expectLook } from '../support/look.ts';
import { expect, test } from '../support/world.ts';

type At = [x: number, y: number];

/** A page with the chart complete, and its hands. */
class Drawer {
  readonly chart: ChartPage;

  constructor(readonly page: Page) {
    this.chart = new ChartPage(page);
  }

  async open(symbol = 'AAPL', timeframe = 'h1'): Promise<void> {
    await this.chart.open(symbol, timeframe);
    await this.chart.expectComplete(symbol, timeframe);
  }

  /** A place as parts of the chart's width and height, in pixels of the window. */
  async at([x, y]: At): Promise<At> {
    const box = (await this.chart.chart.boundingBox())!;
    return [box.x + box.width * x, box.y + box.height * y];
  }

  async press(at: At): Promise<void> {
    await this.page.mouse.click(...(await this.at(at)));
  }

  async drag(from: At, to: At): Promise<void> {
    await this.page.mouse.move(...(await this.at(from)));
    await this.page.mouse.down();
    await this.page.mouse.move(...(await this.at(to)), { steps: 5 });
    await this.page.mouse.up();
  }

  async take(tool: string): Promise<void> {
    await this.page.getByTestId(`tool-${tool}`).click();
    await expect(this.chart.chart).toHaveAttribute('data-tool', tool);
  }

  async expectCount(count: number): Promise<void> {
    await expect(this.chart.chart).toHaveAttribute('data-drawn', String(count));
  }

  /** The numbers of a drawing as the list has them. */
  async numbers(id: number): Promise<string[]> {
    await this.page.keyboard.press('d');
    const line = this.page.getByTestId(`drawing-${id}`);
    await expect(line).toBeVisible();
    const values = await line.locator('input').evaluateAll((all) => all.map((it) => (it as HTMLInputElement).value));
    await this.page.getByTestId('drawings-close').click();
    return values;
  }

  async picture(): Promise<string> {
    return this.chart.chart.locator('canvas').first().evaluate((it) => (it as HTMLCanvasElement).toDataURL());
  }
}

const from = async (chart: ChartPage) => Date.parse((await chart.chart.getAttribute('data-from'))!);

test('each tool draws, by two presses or by dragging; drawings stay with the symbol', async ({ page }) => {
  const drawer = new Drawer(page);
  await drawer.open();
  await drawer.take('level');
  await expect(page.getByTestId('tool-level')).toHaveAttribute('aria-pressed', 'true');
  await expect(page.getByTestId('drawing-hint')).toHaveText('Horizontal line: press where it is to lie.');
  await drawer.press([0.5, 0.2]);
  await drawer.expectCount(1);
  await expect(page.getByTestId('tool-level'), 'the tool is laid down').toHaveAttribute('aria-pressed', 'false');

  await drawer.take('trend');
  await drawer.press([0.3, 0.5]);
  await drawer.press([0.5, 0.3]);
  await drawer.expectCount(2);
  await drawer.take('rectangle');
  await drawer.drag([0.6, 0.3], [0.75, 0.55]);
  await drawer.expectCount(3);

  await drawer.take('trend');
  await drawer.press([0.3, 0.5]);
  await page.keyboard.press('Escape');
  await expect(drawer.chart.chart, 'Escape leaves the tool').not.toHaveAttribute('data-tool', /./);
  await drawer.expectCount(3);

  const all = [await drawer.numbers(1), await drawer.numbers(2), await drawer.numbers(3)];
  expect(all.map((numbers) => numbers.length)).toEqual([1, 4, 4]);
  await page.reload();
  await drawer.chart.expectComplete('AAPL', 'h1');
  await drawer.expectCount(3);
  await page.getByTestId('timeframe-d1').click();
  await drawer.chart.expectComplete('AAPL', 'd1');
  await drawer.expectCount(3);
  expect([await drawer.numbers(1), await drawer.numbers(2), await drawer.numbers(3)]).toEqual(all);
  await drawer.chart.switchTo('MSFT');
  await drawer.chart.expectComplete('MSFT', 'd1');
  await drawer.expectCount(0);
  await page.goBack();
  await drawer.chart.expectComplete('AAPL', 'd1');
  await drawer.expectCount(3);
});

test('a drawing is selected, moved, reshaped, removed and brought back', async ({ page }) => {
  const drawer = new Drawer(page);
  await drawer.open();
  await drawer.take('trend');
  await drawer.drag([0.3, 0.5], [0.5, 0.3]);
  await drawer.expectCount(1);
  const bar = page.getByTestId('drawing-bar');
  await expect(bar, 'it is selected').toContainText('Trend line');
  await page.keyboard.press('Escape');
  await expect(bar).toHaveCount(0);
  const drawn = await drawer.numbers(1);

  await page.mouse.move(...(await drawer.at([0.4, 0.4])));
  await expect(drawer.chart.chart).toHaveAttribute('data-grip', 'body');
  await drawer.drag([0.4, 0.4], [0.5, 0.45]);
  await expect(bar).toBeVisible();
  const moved = await drawer.numbers(1);
  expect(Date.parse(moved[0])).toBeGreaterThan(Date.parse(drawn[0]));
  expect(Number(moved[1])).toBeLessThan(Number(drawn[1]));
  expect(Number(moved[3]) - Number(moved[1]), 'as steep as before').toBeCloseTo(Number(drawn[3]) - Number(drawn[1]), 0);

  await drawer.drag([0.6, 0.35], [0.62, 0.2]);
  const shaped = await drawer.numbers(1);
  expect(shaped.slice(0, 2), 'the other end stays').toEqual(moved.slice(0, 2));
  expect(Number(shaped[3])).toBeGreaterThan(Number(moved[3]));

  await page.keyboard.press('Delete');
  await drawer.expectCount(0);
  await page.keyboard.press('Control+z');
  await drawer.expectCount(1);
  expect(await drawer.numbers(1)).toEqual(shaped);
  await page.getByTestId('drawings-undo').click();
  expect(await drawer.numbers(1)).toEqual(moved);

  await drawer.press([0.5, 0.45]);
  await page.getByTestId('drawing-remove').click();
  await drawer.expectCount(0);
  await page.reload();
  await drawer.chart.expectComplete('AAPL', 'h1');
  await drawer.expectCount(0);
});

test('drawings go along with the bars, on every scale, and beside them the chart moves as ever', async ({ page }) => {
  const drawer = new Drawer(page);
  await drawer.open();
  await drawer.take('rectangle');
  await drawer.drag([0.5, 0.3], [0.6, 0.5]);
  await page.keyboard.press('Escape');
  const drawn = await drawer.numbers(1);
  const first = await from(drawer.chart);
  await drawer.drag([0.3, 0.4], [0.2, 0.4]);
  await drawer.drag([0.1, 0.4], [0.3, 0.4]);
  await expect.poll(() => from(drawer.chart)).toBeLessThan(first);
  for (const scale of ['log', 'percent', 'linear']) {
    await page.getByTestId('chart-scale').selectOption(scale);
    await expect(drawer.chart.chart).toHaveAttribute('data-scale', scale);
    // It lies where its numbers say: its left edge is found by going along.
    await expect
      .poll(async () => {
        for (let x = 0.45; x < 0.75; x += 0.004) {
          await page.mouse.move(...(await drawer.at([x, 0.4])));
          if ((await drawer.chart.chart.getAttribute('data-grip')) === 'body') return x;
        }
        return 0;
      }, scale)
      .toBeGreaterThan(0.55);
  }
  await page.mouse.dblclick(...(await drawer.at([0.1, 0.4])));
  await expect.poll(() => from(drawer.chart), 'two presses beside them: the newest bars').toBe(first);
  expect(await drawer.numbers(1)).toEqual(drawn);
});

test('measure tells what lies between two bars, as the stored bars have it, and goes', async ({ page, world }) => {
  const drawer = new Drawer(page);
  await drawer.open('AAPL', 'd1');
  await page.keyboard.press('m');
  await expect(drawer.chart.chart).toHaveAttribute('data-tool', 'measure');
  const { bars } = await (await fetch(`${world.server.url}/api/v1/bars?symbol=AAPL&tf=d1`)).json();
  const [last, earlier] = [bars.at(-1), bars.at(-11)];
  // By keys: from the newest bar to the tenth before it.
  await page.keyboard.press('Shift+ArrowLeft');
  await page.keyboard.press('p');
  for (let i = 0; i < 10; i += 1) await page.keyboard.press('Shift+ArrowLeft');
  await page.keyboard.press('p');
  const change = earlier.close - last.close;
  const sign = change < 0 ? '−' : '+';
  const days = (last.ts - earlier.ts) / 86_400_000;
  const measured = page.getByTestId('measured');
  await expect(measured).toContainText(`${sign}${Math.abs(change).toFixed(2)} (${sign}`);
  await expect(measured).toContainText(`(${sign}${Math.abs((change / last.close) * 100).toFixed(2)} %)`);
  await expect(measured).toContainText(`−10 bars, −${Math.floor(days)} d`);
  await page.keyboard.press('Escape');
  await expect(measured).toBeEmpty();

  // By dragging while Shift is held.
  await page.keyboard.down('Shift');
  await drawer.drag([0.3, 0.5], [0.6, 0.2]);
  await page.keyboard.up('Shift');
  await expect(measured).toHaveText(/^\+[\d.]+ \(\+[\d.]+ %\), \d+ bars, \d+ d( \d+ h)?$/);
  await drawer.press([0.2, 0.3]);
  await expect(measured, 'the next press takes it away').toBeEmpty();
  await drawer.expectCount(0);
});

test('without a pointer: lines are added by key, and everything by numbers', async ({ page }) => {
  const drawer = new Drawer(page);
  await drawer.open();
  const close = await page.getByTestId('legend').locator('.figure', { hasText: 'C' }).locator('dd').first().textContent();
  await page.keyboard.press('Alt+h');
  await drawer.expectCount(1);
  const [price] = await drawer.numbers(1);
  expect(Number(price)).toBeCloseTo(Number(close), 2);

  await page.keyboard.press('Alt+t');
  await page.keyboard.press('Shift+ArrowLeft');
  await page.keyboard.press('p');
  await page.keyboard.press('Shift+ArrowLeft');
  await page.keyboard.press('Shift+ArrowLeft');
  await page.keyboard.press('p');
  await drawer.expectCount(2);

  await page.keyboard.press('d');
  await expect(page.getByTestId('drawings-count')).toHaveText('2 drawings');
  await page.getByTestId('drawing-add-rectangle').focus();
  await page.keyboard.press('Enter');
  await expect(page.getByTestId('drawing-3')).toHaveAttribute('data-kind', 'rectangle');
  const field = page.getByTestId('drawing-1-price');
  await field.fill('-3');
  await field.press('Enter');
  await expect(page.getByTestId('drawing-1').getByRole('alert')).toHaveText('Type a price above 0.');
  await expect(field).toHaveAttribute('aria-invalid', 'true');
  await field.fill('123.5');
  await field.press('Enter');
  await expect(field).not.toHaveAttribute('aria-invalid', 'true');
  await page.getByTestId('drawing-3-from').fill('2024-03-08T14:30');
  await page.getByTestId('drawing-3-from').press('Tab');
  await page.getByTestId('drawings-close').click();
  expect(await drawer.numbers(1)).toEqual(['123.5']);
  expect((await drawer.numbers(3))[0]).toBe('2024-03-08T14:30');

  await page.keyboard.press('d');
  await page.getByTestId('drawings-clear').click();
  await expect(page.getByTestId('drawings-count')).toHaveText('0 drawings');
  await page.getByTestId('drawings-list-undo').click();
  await expect(page.getByTestId('drawings-count')).toHaveText('3 drawings');
  await page.getByTestId('drawings-close').click();

  await page.keyboard.press('?');
  for (const key of ['Measure', 'Trend line', 'Rectangle', 'Remove the selected drawing']) {
    await expect(page.getByTestId('shortcuts')).toContainText(key);
  }
});

test('another tab follows, and what another version stored is neither shown nor lost', async ({ page, context }) => {
  const drawer = new Drawer(page);
  await drawer.open();
  const key = 'tidemark:drawings:AAPL';
  const theirs = { id: 9, kind: 'spiral', turns: 3 };
  await page.evaluate(
    ([key, text]) => localStorage.setItem(key, text),
    [key, JSON.stringify({ version: 4, drawings: [theirs, { id: 1, kind: 'level', price: 150 }] })],
  );
  await page.reload();
  await drawer.expectCount(1);
  const other = new Drawer(await context.newPage());
  await other.open();
  await other.expectCount(1);
  await page.keyboard.press('Alt+h');
  await other.expectCount(2);
  const stored = JSON.parse((await page.evaluate((key) => localStorage.getItem(key), key))!);
  expect(stored.drawings).toContainEqual(theirs);
});

test('what is drawn is in the picture that leaves the page', async ({ page }) => {
  const drawer = new Drawer(page);
  await drawer.open('AAPL', 'd1');
  const size = async () => {
    const download = page.waitForEvent('download');
    await page.getByTestId('chart-png').click();
    const { readFile } = await import('node:fs/promises');
    return (await readFile((await (await download).path())!)).toString('base64');
  };
  const bare = await drawer.picture();
  await drawer.take('rectangle');
  await drawer.drag([0.4, 0.2], [0.6, 0.5]);
  await expect.poll(() => drawer.picture()).not.toBe(bare);
  await page.keyboard.press('Escape');
  const drawn = await size();
  await page.keyboard.press('d');
  await page.getByTestId('drawings-clear').click();
  await page.getByTestId('drawings-close').click();
  expect(await size()).not.toBe(drawn);
});

test('the tools, the note and the list are accessible, dark and light, on a desk and on a phone', async ({ page }) => {
  const drawer = new Drawer(page);
  await drawer.open();
  await drawer.take('trend');
  await expectLook(page, 'a tool in hand');
  await page.keyboard.press('Escape');
  await page.keyboard.press('Alt+h');
  await expect(page.getByTestId('drawing-bar')).toBeVisible();
  await expectLook(page, 'a drawing selected');
  await page.keyboard.press('d');
  await page.getByTestId('drawing-add-trend').click();
  await expectLook(page, 'the list');
});

test.describe('by touch', () => {
  test.use({ hasTouch: true, viewport: { width: 390, height: 844 } });

  test('a finger draws, selects, moves and removes', async ({ page }) => {
    const drawer = new Drawer(page);
    await drawer.open();
    await drawer.take('level');
    await page.touchscreen.tap(...(await drawer.at([0.4, 0.3])));
    await drawer.expectCount(1);
    const drawn = Number((await drawer.numbers(1))[0]);

    // A finger that goes down and along, as the browser tells it.
    const session = await page.context().newCDPSession(page);
    const finger = async (type: 'touchStart' | 'touchMove' | 'touchEnd', at?: At) => {
      const points = at ? [await drawer.at(at)] : [];
      await session.send('Input.dispatchTouchEvent', { type, touchPoints: points.map(([x, y]) => ({ x, y })) });
    };
    await finger('touchStart', [0.6, 0.3]);
    for (const y of [0.35, 0.4, 0.45, 0.5]) await finger('touchMove', [0.6, y]);
    await finger('touchEnd');
    await expect.poll(async () => Number((await drawer.numbers(1))[0])).toBeLessThan(drawn);

    await page.touchscreen.tap(...(await drawer.at([0.3, 0.65])));
    await expect(page.getByTestId('drawing-bar'), 'beside it nothing is selected').toHaveCount(0);
    await page.touchscreen.tap(...(await drawer.at([0.5, 0.5])));
    await expect(page.getByTestId('drawing-bar')).toBeVisible();
    await page.getByTestId('drawing-remove').tap();
    await drawer.expectCount(0);

    await drawer.take('rectangle');
    await finger('touchStart', [0.2, 0.2]);
    for (const part of [0.3, 0.4, 0.5]) await finger('touchMove', [part, part]);
    await finger('touchEnd');
    await drawer.expectCount(1);
  });
});
