// The story in Firefox: what a browser of another make may do otherwise, where one is installed.
import { FirefoxPage, hasFirefox, startFirefox } from '../support/firefox.ts';
import { expect, test as base } from '../support/world.ts';

const test = base.extend<{ firefox: { open: () => Promise<FirefoxPage> } }>({
  // The test's own page stays unused: this is another browser.
  firefox: async ({ world }, use, info) => {
    const browser = await startFirefox(info.outputPath('home'));
    await use({ open: async () => new FirefoxPage(await browser.newPage(), world.server.url) });
    await browser.close();
  },
});

test.skip(!hasFirefox, 'There is no Firefox here; Debian has it: apt-get install firefox-esr');

test('a chart fills while it is watched, and the next visit is painted from the browser’s store', async ({ firefox }, info) => {
  const chart = await firefox.open();
  await chart.open('/chart/AAPL?tf=h1');
  await chart.expectComplete('AAPL', 'h1');
  await info.attach('firefox', { body: Buffer.from(await chart.page.screenshot()), contentType: 'image/png' });
  await chart.enter('symbol-input', 'MSFT');
  await chart.expectComplete('MSFT', 'h1');
  await chart.page.evaluate(() => history.back());
  await chart.expectComplete('AAPL', 'h1');
  await chart.page.reload();
  await chart.expectChart('data-painted-from', 'cache');
  await chart.expectComplete('AAPL', 'h1');
});

test('pointer, wheel and keys move the view, and the address follows', async ({ firefox }) => {
  const chart = await firefox.open();
  await chart.open('/chart/AAPL?tf=h1');
  await chart.expectComplete('AAPL', 'h1');
  const from = () => chart.attribute('chart', 'data-from');
  const first = await from();
  await chart.drag([0.3, 0.3], [0.7, 0.3]);
  await expect.poll(from).not.toBe(first);
  await expect.poll(() => chart.page.evaluate(() => location.search)).toContain('from=');
  await chart.page.keyboard.press('r');
  await expect.poll(from).toBe(first);
  await chart.page.mouse.wheel({ deltaY: 240 });
  await expect.poll(from).not.toBe(first);
  await chart.page.mouse.move(...(await chart.at(0.5, 0.3)));
  await chart.expectText('legend', /O\s*\d/);
});

test('indicators, comparing and drawings', async ({ firefox }) => {
  const chart = await firefox.open();
  await chart.open('/chart/AAPL?tf=d1&ind=sma-20&vs=MSFT');
  await chart.expectComplete('AAPL', 'd1');
  await chart.expectText('sma-20-sma', /^\d+\.\d\d$/);
  await chart.expectText('compared-MSFT', /[+−]\d+\.\d\d %/);
  await chart.click('tool-level');
  await chart.page.mouse.click(...(await chart.at(0.4, 0.3)));
  await chart.expectChart('data-drawn', '1');
  await chart.page.reload();
  await chart.expectChart('data-drawn', '1');
});

test('two tabs share one event stream', async ({ firefox, world }) => {
  const [one, other] = [await firefox.open(), await firefox.open()];
  await one.open('/chart/AAPL?tf=h1');
  await one.expectComplete('AAPL', 'h1');
  await other.open('/chart/MSFT?tf=h1');
  await other.expectComplete('MSFT', 'h1');
  await expect.poll(() => world.server.openStreams(), { timeout: 20_000 }).toBe(1);
});

test('without its server the page shows what the browser holds, and says so', async ({ firefox, world }) => {
  const chart = await firefox.open();
  await chart.open('/chart/AAPL?tf=h1');
  await chart.expectComplete('AAPL', 'h1');
  await world.server.kill9();
  await expect.poll(() => chart.attribute('banner', 'data-state'), { timeout: 60_000 }).toBe('offline');
  expect(await chart.candlePixels()).toBeGreaterThan(200);
});

test('axe finds nothing', async ({ firefox }) => {
  const chart = await firefox.open();
  await chart.open('/chart/AAPL?tf=h1');
  await chart.expectComplete('AAPL', 'h1');
  await chart.expectAccessible('the chart');
  await chart.page.keyboard.press('t');
  await expect.poll(() => chart.page.evaluate(() => document.querySelector('dialog[open] table') !== null)).toBe(true);
  await chart.expectAccessible('the table');
});
