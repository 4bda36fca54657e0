import { ChartPage } from '../support/chart.ts';
import { expect, test } from '../support/world.ts';

const DAY = 86_400_000;

test('a chart that was open is painted from this browser, and not asked about while it is fresh', async ({ page }) => {
  const chart = new ChartPage(page);
  // By default a minute.
  await page.addInitScript(() => localStorage.setItem('tidemark:stale-after', '60'));
  await chart.open('AAPL');
  await chart.expectComplete('AAPL');
  await chart.switchTo('MSFT');
  await chart.expectComplete('MSFT');

  let asked = 0;
  await page.route('**/api/page/chart_data**', async (route) => {
    if (route.request().url().includes('AAPL')) asked += 1;
    await route.continue();
  });
  await chart.switchTo('AAPL');
  await chart.expectComplete('AAPL');
  // An hour may have closed in between: then it has to be asked.
  const hours = await page.evaluate(() => Math.floor(Date.now() / 3_600_000));
  if (hours === (await page.evaluate(() => Math.floor(performance.timeOrigin / 3_600_000)))) {
    expect(asked, 'the event stream has confirmed its revision').toBe(0);
    await expect(chart.chart).toHaveAttribute('data-painted-from', 'cache');
  }
});

test('what is about to be opened is read ahead, and what was open before is still in memory', async ({ page }) => {
  const chart = new ChartPage(page);
  for (const symbol of ['AAPL', 'MSFT']) {
    await chart.open(symbol);
    await chart.expectComplete(symbol);
  }
  const reads = () => page.evaluate(() => performance.getEntriesByName('tidemark:cache-read', 'mark').length);
  const before = await reads();
  await chart.symbolInput.fill('AAPL');
  await expect.poll(reads, 'as it is typed').toBe(before + 1);
  await chart.symbolInput.press('Enter');
  await chart.expectComplete('AAPL');
  await chart.switchTo('MSFT');
  await chart.expectComplete('MSFT');
  expect(await reads(), 'both were in memory').toBe(before + 1);
});

test('what the server says of the revision counts at once, however fresh the bars are', async ({ page, world }) => {
  const chart = new ChartPage(page);
  await page.addInitScript(() => localStorage.setItem('tidemark:stale-after', '60'));
  await chart.open('AAPL');
  await chart.expectComplete('AAPL');
  const before = Number(await chart.chart.getAttribute('data-revision'));
  await chart.switchTo('MSFT');
  await chart.expectComplete('MSFT');

  const from = Date.now() - 2_000 * DAY;
  await page.request.post('/api/v1/hydrate', { data: { symbol: 'AAPL', tf: 'h1', from, to: from + 5 * DAY } });
  await expect.poll(() => world.database.count(`series where symbol = 'AAPL' and revision > ${before}`)).toBe(1);
  await chart.switchTo('AAPL');
  await expect.poll(async () => Number(await chart.chart.getAttribute('data-revision'))).toBeGreaterThan(before);
  await expect(chart.chart).toHaveAttribute('data-painted-from', 'server');
});

test('a tab that has lost its server shows what another one has stored', async ({ context }) => {
  const [page, other] = [await context.newPage(), await context.newPage()];
  const chart = new ChartPage(page);
  await chart.open('AAPL');
  await chart.expectComplete('AAPL');
  const cutOff = new ChartPage(other);
  await cutOff.open('AAPL');
  await cutOff.expectComplete('AAPL');
  const before = Number(await cutOff.chart.getAttribute('data-revision'));
  await other.route('**/api/**', (route) => route.abort());

  const from = Date.now() - 2_000 * DAY;
  await page.request.post('/api/v1/hydrate', { data: { symbol: 'AAPL', tf: 'h1', from, to: from + 5 * DAY } });
  await expect.poll(async () => Number(await cutOff.chart.getAttribute('data-revision'))).toBeGreaterThan(before);
});

test('stored bars are counted in the settings and can be cleared', async ({ page }) => {
  const chart = new ChartPage(page);
  await chart.open('AAPL');
  await chart.expectComplete('AAPL');
  await page.keyboard.press(',');
  const usage = page.getByTestId('stored-bars-usage');
  await expect(usage).toContainText(/^1 series, .* of at most/);
  await page.getByTestId('stored-bars-clear').click();
  await expect(usage).toContainText('0 series, 0 B of at most');
  await expect(page.getByTestId('stored-bars-clear')).toBeDisabled();
  await page.getByTestId('settings-close').click();

  await page.reload();
  await chart.expectComplete('AAPL');
  await expect(chart.chart).toHaveAttribute('data-painted-from', 'server');
});

test('a store that an older version of the page left is taken over', async ({ page }) => {
  await page.goto('/healthz');
  await page.evaluate(async () => {
    const request = indexedDB.open('tidemark', 1);
    request.onupgradeneeded = () => ['series', 'chunks'].forEach((name) => request.result.createObjectStore(name));
    await new Promise((resolve) => (request.onsuccess = resolve));
    const put = request.result.transaction('series', 'readwrite').objectStore('series').put('{"old":true}', 'AAPL h1');
    await new Promise((resolve) => (put.onsuccess = resolve));
    request.result.close();
  });
  const chart = new ChartPage(page);
  await chart.open('AAPL');
  await chart.expectComplete('AAPL');
  await page.reload();
  await expect(chart.chart).toHaveAttribute('data-painted-from', /cache|server/);
  await chart.expectComplete('AAPL');
  const version = await page.evaluate(async () => (await indexedDB.databases()).find((it) => it.name === 'tidemark')?.version);
  expect(version).toBe(3);
});
