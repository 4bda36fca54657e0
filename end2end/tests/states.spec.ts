// What the page shows where not all is well, or not yet: each state has its words, its picture, and nothing that axe finds.
import { expectAccessible } from '../support/axe.ts';
import { ChartPage } from '../support/chart.ts';
import { expectLook, sizes } from '../support/look.ts';
import { openEmpty, openFailed, openPartial } from '../support/states.ts';
import { expect, test } from '../support/world.ts';

const HOUR = 3_600_000;

test('complete', async ({ page }) => {
  const chart = new ChartPage(page);
  await chart.open('AAPL');
  await chart.expectComplete('AAPL');
  await expectLook(page, 'complete');
});

test('loading: the place of the chart is kept', async ({ page }) => {
  const chart = new ChartPage(page);
  await page.route('**/api/page/chart_data**', () => {});
  await chart.open('AAPL');
  await chart.expectState('loading');
  await expect(page.locator('.skeleton')).toBeVisible();
  await expectLook(page, 'loading');
});

test('partial: the newest bars are here, the rest is on its way', async ({ page, world }) => {
  const chart = new ChartPage(page);
  await openPartial(chart, world);
  await expect(page.locator('.segment[data-standing=running]').first()).toBeVisible();
  await expectLook(page, 'partial');
});

test('empty: the provider has no bars', async ({ page, world }) => {
  const chart = new ChartPage(page);
  await openEmpty(chart, world);
  await expect(page.locator('.segment[data-standing=empty]').first()).toBeVisible();
  await expectLook(page, 'empty');
});

test.describe('with quick retries', () => {
  test.use({ settings: { TIDEMARK_RETRY_MS: '20' } });

  test('failed: a part could not be fetched, and Retry asks for it again', async ({ page, world }) => {
    const chart = new ChartPage(page);
    await world.simulator.failAt('X:BTCUSD', Math.floor(Date.now() / HOUR) * HOUR - 29.5 * HOUR);
    await chart.open('X:BTCUSD');
    await chart.expectState('failed');
    await expect(page.locator('.segment[data-standing=failed]')).toBeVisible();
    await expectLook(page, 'failed');
    await world.simulator.clearFaults();
    await chart.retry.click();
    await chart.expectComplete('X:BTCUSD');
  });

  for (const [what, kind, title] of [
    ['a wrong key', 'unauthorized', 'The provider refuses the key'],
    ['a plan without such bars', 'plan', "Not within the provider's plan"],
  ]) {
    test(`${what} is told apart from other failures`, async ({ page, world }) => {
      const chart = new ChartPage(page);
      await world.simulator.control('POST', 'faults', [{ kind, symbol: 'X:BTCUSD' }]);
      await chart.open('X:BTCUSD', 'd1');
      await expect(page.getByTestId('vacancy').getByRole('heading')).toHaveText(title);
      await expectAccessible(page, what);
    });
  }
});

test('failed at all: no provider can be asked', async ({ page, world }) => {
  const chart = new ChartPage(page);
  await openFailed(chart, world);
  await expect(page.getByTestId('vacancy-retry')).toBeVisible();
  await expectLook(page, 'failed-at-all');
});

test('unknown: no provider knows the symbol, and another is typed at once', async ({ page }) => {
  const chart = new ChartPage(page);
  await chart.open('ZZZZ');
  await expect(page.getByTestId('vacancy')).toContainText('No such symbol');
  await expectLook(page, 'unknown');
  await page.getByTestId('vacancy-search').click();
  await expect(chart.symbolInput).toBeFocused();
});

test('offline: what this browser holds, or that it holds nothing', async ({ page }) => {
  const chart = new ChartPage(page);
  await chart.open('AAPL');
  await chart.expectComplete('AAPL');
  await page.route('**/api/**', (route) => route.abort());
  await page.reload();
  await chart.expectState('offline');
  await expect(chart.banner).toContainText(/stored in this browser.*asking every 15 s/);
  await chart.expectCandles();
  await expectLook(page, 'offline');
  await chart.switchTo('MSFT');
  await expect(page.getByTestId('vacancy')).toContainText('Not kept in this browser');
  await expect(chart.banner).toContainText('asking every 15 s');
  await expectLook(page, 'offline-nothing');
});

test('an address that names no series, and one that names no page', async ({ page }) => {
  const chart = new ChartPage(page);
  await chart.open('AAPL', 'h7');
  await expect(page.getByTestId('vacancy')).toContainText('This address names no chart');
  await expectLook(page, 'invalid');
  await page.goto('/nowhere');
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('There is no page at this address');
  await expectLook(page, 'not-found');
  await page.getByRole('link', { name: 'Open AAPL at one hour' }).click();
  await chart.expectComplete('AAPL');
});

test('a chart library that is not the one this page was built for is named', async ({ page }) => {
  await page.route('**/vendor/echarts.js', async (route) => {
    const answer = await route.fetch();
    await route.fulfill({ response: answer, body: `${await answer.text()};echarts={init:echarts.init}` });
  });
  await new ChartPage(page).open('AAPL');
  await expect(page.locator('.chart-error')).toContainText('The chart library did not load, or is an older one');
});

for (const [name, viewport] of Object.entries(sizes)) {
  test.describe(`on a ${name}`, () => {
    test.use({ viewport });

    test('nothing moves from the first paint to the last bar, nor when the server goes', async ({ page }) => {
      await page.addInitScript(() => {
        type Source = { node?: Element; previousRect: DOMRect; currentRect: DOMRect };
        const shifts: string[] = [];
        Object.assign(window, { shifts });
        const told = ({ node, previousRect: before, currentRect: now }: Source) =>
          `${node?.nodeName} ${node?.className}: ${JSON.stringify(before)} → ${JSON.stringify(now)}`;
        // What the banner says and what the strip shows of the window may be elsewhere in them.
        const isContent = ({ node }: Source) => {
          const element = node instanceof Element ? node : (node as Node | undefined)?.parentElement;
          return element?.closest('.banner > *, .strip > *') != null;
        };
        new PerformanceObserver((list) => {
          const entries = list.getEntries() as (PerformanceEntry & { sources: Source[] })[];
          shifts.push(...entries.flatMap((entry) => entry.sources.filter((it) => !isContent(it)).map(told)));
        }).observe({ type: 'layout-shift', buffered: true });
      });
      const shifts = () => page.evaluate(() => (window as unknown as { shifts: string[] }).shifts);
      const chart = new ChartPage(page);
      await chart.open('AAPL');
      await chart.expectComplete('AAPL');
      expect(await shifts()).toEqual([]);
      await page.route('**/api/**', (route) => route.abort());
      await page.reload();
      await chart.expectState('offline');
      await chart.expectCandles();
      await expect(chart.banner).toContainText('asking every 15 s');
      expect(await shifts()).toEqual([]);
    });
  });
}

test('every dialogue, and the drawer', async ({ page }) => {
  const chart = new ChartPage(page);
  await chart.open('AAPL', 'd1');
  await chart.expectComplete('AAPL', 'd1');
  const inBothThemes = async (name: string) => {
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
      await expectAccessible(page, `${name}, ${colorScheme}`);
    }
  };
  for (const viewport of Object.values(sizes)) {
    await page.setViewportSize(viewport);
    for (const [key, name] of [['?', 'Keyboard'], [',', 'Settings'], ['t', 'Bars']]) {
      await page.keyboard.press(key);
      await expect(page.getByRole('dialog', { name, exact: true })).toBeVisible();
      await inBothThemes(name);
      await page.keyboard.press('Escape');
    }
    for (const [opener, name] of [['coverage-open', 'Coverage'], ['quality-open', 'Data quality']]) {
      await page.getByTestId(opener).click();
      await expect(page.getByRole('dialog', { name, exact: true })).toBeVisible();
      await inBothThemes(name);
      await page.keyboard.press('Escape');
    }
  }
  await page.getByRole('button', { name: 'Watchlist', exact: true }).click();
  await expect(chart.watchlist).toBeVisible();
  await inBothThemes('the drawer');
  await page.getByTestId('watch-manage').click();
  await expect(page.getByRole('dialog', { name: 'Watchlists', exact: true })).toBeVisible();
  await inBothThemes('watchlists');
});

test('every bar can be read in the table, a page at a time, and the summary aloud', async ({ page, world }) => {
  const chart = new ChartPage(page);
  await chart.open('AAPL');
  await chart.expectComplete('AAPL');
  const bars = await chart.bars();
  await page.getByTestId('bar-table-open').click();
  const table = page.getByTestId('bars');
  await expect(table.locator('tbody tr')).toHaveCount(100);
  const [{ close }] = await world.database.rows<{ close: number }>('select close from ohlc_bars_v2 order by ts desc limit 1');
  await expect(table.locator('tbody tr').first()).toContainText(close.toFixed(2));
  await page.getByRole('button', { name: 'Last page' }).click();
  await expect(table.locator('tbody tr')).toHaveCount(bars % 100 || 100);
  await page.keyboard.press('Escape');

  await page.keyboard.press('s');
  const spoken = page.getByTestId('spoken');
  await expect(spoken).toContainText(`AAPL h1: ${bars} bars from`);
  await expect(spoken).toContainText('Nothing of the window is missing.');
  await expect(chart.chart).toHaveAccessibleDescription(/Highest .* Lowest /);
});
