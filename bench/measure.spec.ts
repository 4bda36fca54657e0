// Three figures of the page and the server, each beside its floor; see RESULTS.md for what they mean.
import { writeFileSync, rmSync } from 'node:fs';
import { Agent, get } from 'node:http';
import { cpus, totalmem } from 'node:os';
import { ChartPage } from '../end2end/support/chart.ts';
import { root, siteRoot } from '../end2end/support/process.ts';
import { expect, test } from '../end2end/support/world.ts';

const LATENCY_MS = 50;
const CONCURRENCY = 4;
const DAY = 86_400_000;

const rows: string[][] = [];
const row = (what: string, figure: string, floor: string, ratio: string) => rows.push([what, figure, floor, ratio]);

test.afterAll(() => {
  const machine = `${cpus().length} × ${cpus()[0].model}, ${Math.round(totalmem() / 2 ** 30)} GiB`;
  const lines = [
    '# What was measured',
    '',
    `\`make bench\`, ${new Date().toISOString().slice(0, 10)}, on ${machine}; the server, its Postgres, the simulator and`,
    'Chromium share the machine. The bars are the simulator’s.',
    '',
    '| what | figure | floor | ratio |',
    '|---|---|---|---|',
    ...rows.map((cells) => `| ${cells.join(' | ')} |`),
    '',
  ];
  writeFileSync(`${root}bench/RESULTS.md`, lines.join('\n'));
});

/** The value below which `share` of the values lie. */
function quantile(values: number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * share) - 1)];
}

const ms = (value: number) => `${value.toFixed(value < 10 ? 2 : 0)} ms`;

test.describe('filling', () => {
  test.use({ latencyMs: LATENCY_MS, settings: { TIDEMARK_WORKERS: String(CONCURRENCY) } });

  for (const timeframe of ['h1', 'm15']) {
    test(`a new series at ${timeframe}`, async ({ page, world }) => {
      const chart = new ChartPage(page);
      // Notes when the last bars were drawn, by the page's own clock.
      await page.addInitScript(() => {
        const drawn: Record<string, unknown> = { at: 0, bars: '' };
        Object.assign(window, { drawn });
        new MutationObserver(() => {
          const bars = document.querySelector('[data-testid=chart]')?.getAttribute('data-bars') ?? '';
          if (bars !== drawn.bars) Object.assign(drawn, { at: performance.now(), bars });
        }).observe(document, { subtree: true, childList: true, attributes: true, attributeFilter: ['data-bars'] });
      });
      // Its scripts are in the browser's cache, and the server has served before.
      await chart.open('AAPL', 'd1');
      await chart.expectComplete('AAPL', 'd1');
      await world.simulator.forgetRequests();

      await chart.open('X:BTCUSD', timeframe);
      await chart.expectComplete('X:BTCUSD', timeframe);
      const [took, up] = await page.evaluate(() => [
        (window as unknown as { drawn: { at: number } }).drawn.at,
        performance.getEntriesByName('tidemark:navigate')[0].startTime,
      ]);
      const requests = await world.simulator.requestCount();
      const slices = await world.database.count(`job_runs r join series s on s.id = r.series_id where symbol = 'X:BTCUSD'`);
      const floor = Math.ceil(requests / CONCURRENCY) * LATENCY_MS;
      row(
        `opening X:BTCUSD ${timeframe}, never seen before, to its last bar drawn: ${slices} slices, ${requests} requests ` +
          `of ${LATENCY_MS} ms, ${CONCURRENCY} at once, ${await chart.bars()} bars`,
        `${ms(took)}, of which ${ms(up)} until the page runs`,
        `${ms(floor)} (latency × rounds of requests)`,
        (took / floor).toFixed(2),
      );
    });
  }
});

test.describe('10,000 bars', () => {
  test.use({ latencyMs: 0 });
  // A week of minutes around the clock.
  const to = Math.floor(Date.now() / DAY) * DAY;
  const window = { from: String(to - 7 * DAY), to: String(to) };

  test.beforeEach(async ({ request, world }) => {
    for (const symbol of ['X:BTCUSD', 'X:ETHUSD']) {
      const ask = { symbol, timeframe: 'm1', from: Number(window.from), to: Number(window.to) };
      expect((await request.post('/api/v1/hydrate', { data: ask })).ok()).toBe(true);
    }
    await expect.poll(() => world.database.count(`job_runs where status in ('queued', 'running')`), { timeout: 120_000 }).toBe(0);
  });

  test('painted from the browser’s cache', async ({ page }) => {
    const chart = new ChartPage(page);
    // The page asks for its usual window; here it gets the week.
    await page.route('**/api/page/chart_data?**', (route) => {
      const url = new URL(route.request().url());
      Object.entries(window).forEach(([name, value]) => url.searchParams.set(name, value));
      return route.continue({ url: url.href });
    });
    // Notes where each picture came from: the server's answer follows the cache's within milliseconds.
    await page.addInitScript(() => {
      const sources: string[] = [];
      Object.assign(window, { sources });
      new MutationObserver(() => {
        const from = document.querySelector('[data-testid=chart]')?.getAttribute('data-painted-from') ?? '';
        if (from !== sources.at(-1)) sources.push(from);
      }).observe(document, { subtree: true, childList: true, attributes: true, attributeFilter: ['data-painted-from'] });
    });
    await chart.open('X:ETHUSD', 'm1');
    await expect.poll(() => chart.bars()).toBe(10_080);
    const measured: number[] = [];
    for (let i = 0; i < 42; i += 1) {
      const symbol = i % 2 === 0 ? 'X:BTCUSD' : 'X:ETHUSD';
      await page.evaluate(() => {
        performance.clearMeasures();
        (window as unknown as { sources: string[] }).sources.length = 0;
      });
      await chart.switchTo(symbol);
      await expect(chart.chart).toHaveAttribute('data-symbol', symbol);
      await expect.poll(() => chart.bars()).toBe(10_080);
      await expect.poll(() => page.evaluate(() => performance.getEntriesByName('tidemark:painted', 'measure').length)).toBe(1);
      const took = await page.evaluate(() => performance.getEntriesByName('tidemark:painted', 'measure')[0].duration);
      // The first two switches fill the caches.
      if (i < 2) continue;
      expect(await page.evaluate(() => (window as unknown as { sources: string[] }).sources)).toContain('cache');
      measured.push(took);
    }
    row(
      `in-app switch to a series with 10,080 cached bars, to candles painted: ${measured.length} switches`,
      `median ${ms(quantile(measured, 0.5))}, p99 ${ms(quantile(measured, 0.99))}`,
      '16.7 ms (one frame at 60 Hz)',
      (quantile(measured, 0.5) / 16.7).toFixed(2),
    );
  });

  test('chart data over loopback', async ({ world }) => {
    const query = new URLSearchParams({ symbol: 'X:BTCUSD', timeframe: 'm1', ...window });
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const fetchOnce = (path: string) =>
      new Promise<{ took: number; body: Buffer }>((resolve, reject) => {
        const start = performance.now();
        get(world.server.url + path, { agent }, (response) => {
          const chunks: Buffer[] = [];
          response.on('data', (chunk) => chunks.push(chunk));
          response.on('end', () => {
            if (response.statusCode !== 200) return reject(new Error(`${path}: ${response.statusCode}`));
            resolve({ took: performance.now() - start, body: Buffer.concat(chunks) });
          });
        }).on('error', reject);
      });
    const times = async (path: string) => {
      const all: number[] = [];
      for (let i = 0; i < 520; i += 1) all.push((await fetchOnce(path)).took);
      return all.slice(20);
    };

    const data = `/api/page/chart_data?${query}`;
    const { body } = await fetchOnce(data);
    const file = `${root}${siteRoot}/bench.bin`;
    writeFileSync(file, body);
    try {
      const [own, floor] = [await times(data), await times('/bench.bin')];
      const pair = (values: number[]) => `p50 ${ms(quantile(values, 0.5))}, p99 ${ms(quantile(values, 0.99))}`;
      row(
        `chart data of 10,080 bars over loopback: ${body.length} bytes, ${own.length} requests in a row on one connection`,
        pair(own),
        `${pair(floor)} (a file of that size from the same server)`,
        (quantile(own, 0.5) / quantile(floor, 0.5)).toFixed(2),
      );
    } finally {
      rmSync(file);
      agent.destroy();
    }
  });
});
