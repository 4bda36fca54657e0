// How the page reaches a browser: before its scripts run, from the browser's own keeping, and without a server.
import { execFileSync } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { ChartPage } from '../support/chart.ts';
import { root, siteRoot } from '../support/process.ts';
import { type World, expect, test } from '../support/world.ts';

const PACKED = 'target/site-test-packed';

/** Bars of the symbol's usual window, as a visit would have left them. */
async function stored(world: World, symbol: string): Promise<void> {
  const asked = await fetch(`${world.server.url}/api/v1/hydrate`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ symbol, tf: 'h1' }),
  });
  expect(asked.status).toBe(202);
  await expect
    .poll(() => world.database.count(`job_runs where status in ('queued', 'running')`), { timeout: 60_000 })
    .toBe(0);
}

test.describe('without JavaScript', () => {
  test.use({ javaScriptEnabled: false });

  test('the chart, its figures and its links are there', async ({ page, world }, info) => {
    await stored(world, 'AAPL');
    await page.goto('/chart/AAPL?tf=h1');
    await expect(page.getByRole('img', { name: /^The newest 150 bars of AAPL h1, last price \d+\.\d\d$/ })).toBeVisible();
    await expect(page.getByTestId('legend')).toContainText(/O\d+\.\d\d/);
    await expect(page.getByText(/^Without JavaScript/)).toBeVisible();
    await expect(page.locator('.skeleton')).toBeHidden();
    await expect(page.getByTestId('watchlist').getByRole('link').first()).toBeVisible();
    await info.attach('without-script', { body: await page.screenshot(), contentType: 'image/png' });

    await page.getByTestId('timeframe-d1').click();
    await expect(page).toHaveURL(/\/chart\/AAPL\?tf=d1$/);
    await expect(page.getByTestId('symbol')).toHaveText('AAPL');

    await page.getByTestId('symbol-input').fill('X:BTCUSD');
    await page.getByTestId('symbol-input').press('Enter');
    await expect(page).toHaveURL(/\/chart\/X:BTCUSD\?tf=d1$/);
    await expect(page.getByTestId('symbol')).toHaveText('X:BTCUSD');
    await page.getByTestId('symbol-input').fill('no symbol/at all?');
    await page.getByTestId('symbol-input').press('Enter');
    await expect(page).toHaveURL(/\/chart\/no%20symbol%2Fat%20all%3F\?tf=d1$/);
    await expect(page.getByText('This address names no chart')).toBeVisible();
  });
});

test('the chart takes the place of the server’s drawing, and nothing on the board moves', async ({ page, world }) => {
  await stored(world, 'AAPL');
  await page.addInitScript(() => {
    type Shift = PerformanceEntry & { sources: { node?: Element }[] };
    const shifts: string[] = [];
    Object.assign(window, { shifts });
    new PerformanceObserver((list) => {
      const moved = (list.getEntries() as Shift[]).flatMap((entry) => entry.sources.map((source) => source.node));
      shifts.push(...moved.filter((node) => node?.closest?.('.board')).map((node) => node!.outerHTML));
    }).observe({ type: 'layout-shift', buffered: true });
  });
  const [document] = await Promise.all([
    page.waitForResponse((response) => response.request().isNavigationRequest()),
    page.goto('/chart/AAPL?tf=h1'),
  ]);
  expect(await document.text()).toContain('The newest 150 bars of AAPL h1');
  await new ChartPage(page).expectComplete('AAPL');
  await expect(page.getByTestId('first-paint')).toHaveCount(0);
  expect(await page.evaluate(() => (window as unknown as { shifts: string[] }).shifts)).toEqual([]);
});

test.describe('packed', () => {
  test.describe.configure({ mode: 'serial' });
  test.use({ settings: { LEPTOS_SITE_ROOT: PACKED } });
  test.beforeAll(() => {
    execFileSync('node', ['scripts/pack.js', siteRoot, PACKED], { cwd: root, env: { ...process.env, PACK_QUALITY: '1' } });
  });

  test('parts are kept for ever under hashed names, and the page is asked for each time', async ({ request }) => {
    const page = await request.get('/chart/AAPL?tf=h1');
    expect(page.headers()['cache-control']).toBe('no-cache');
    const parts = [...new Set((await page.text()).match(/\/(?:pkg|vendor)\/[\w.-]+/g))];
    expect(parts.map((part) => part.replace(/\.[\w-]{12}\./, '.#.')).sort()).toEqual([
      '/pkg/tidemark.#.css',
      '/pkg/tidemark.#.js',
      '/pkg/tidemark.#.wasm',
      '/vendor/echarts.#.js',
    ]);
    for (const part of parts) {
      for (const encoding of ['br', 'gzip']) {
        const answer = await request.get(part, { headers: { 'accept-encoding': encoding } });
        expect(answer.headers()).toMatchObject({
          'cache-control': 'public, max-age=31536000, immutable',
          'content-encoding': encoding,
        });
      }
    }
    const worker = await request.get('/sw.js');
    expect(worker.headers()['cache-control']).toBe('no-cache');
    const again = await request.get('/sw.js', { headers: { 'if-none-match': worker.headers()['etag'] } });
    expect(again.status()).toBe(304);
    const missing = await request.get('/pkg/tidemark.000000000000.wasm');
    expect([missing.status(), missing.headers()['cache-control']]).toEqual([404, 'no-cache']);
  });

  test('without a server the page opens from the browser’s own, and says so', async ({ page, context, world }) => {
    const chart = new ChartPage(page);
    await chart.open('AAPL');
    await chart.expectComplete('AAPL');
    await chart.switchTo('MSFT');
    await chart.expectComplete('MSFT');
    await page.evaluate(async () => {
      await navigator.serviceWorker.ready;
    });
    const bars = await chart.bars();

    await context.setOffline(true);
    await world.server.kill9();
    await page.reload();
    await expect(chart.chart).toHaveAttribute('data-symbol', 'MSFT');
    await expect(chart.chart).toHaveAttribute('data-painted-from', 'cache');
    await chart.expectCandles();
    expect(await chart.bars()).toBe(bars);
    await chart.expectState('offline');

    await chart.open('AAPL');
    await expect(chart.chart).toHaveAttribute('data-symbol', 'AAPL');
    await chart.expectCandles();
    await chart.expectState('offline');

    await world.server.restart();
    await context.setOffline(false);
    await chart.expectComplete('AAPL');
  });

  test('a new build takes over without disturbing what is open', async ({ page }) => {
    const chart = new ChartPage(page);
    await chart.open('AAPL');
    await chart.expectComplete('AAPL');
    const kept = () => page.evaluate(() => caches.keys());
    await expect.poll(kept).toHaveLength(1);
    const [before] = await kept();

    const worker = `${root}${PACKED}/sw.js`;
    writeFileSync(worker, readFileSync(worker, 'utf8').replace(/"version":"[^"]+"/, '"version":"next"'));
    ['br', 'gz'].forEach((ending) => rmSync(`${worker}.${ending}`));
    await page.evaluate(async () => (await navigator.serviceWorker.ready).update());
    await expect.poll(kept).toEqual(['tidemark-shell-next']);
    expect(before).not.toBe('tidemark-shell-next');
    await chart.switchTo('MSFT');
    await chart.expectComplete('MSFT');
  });
});
