// The page beside lightweight-charts and beside ECharts alone, on the same bars in one run; writes PAGE.md.
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { promisify } from 'node:util';
import { ChartPage } from '../end2end/support/chart.ts';
import { root } from '../end2end/support/process.ts';
import { type World, expect, test } from '../end2end/support/world.ts';

type Page = ChartPage['page'];
type Session = Awaited<ReturnType<ReturnType<Page['context']>['newCDPSession']>>;

const DAY = 86_400_000;
const SYMBOLS = ['X:BTCUSD', 'X:ETHUSD'];
const SWITCHES = 21;
const STEPS = 40;
const SHOWN = 150;
const UPDATES = 10_000;

/** Time, open, high, low, close and volume, in columns. */
type Columns = Record<'t' | 'o' | 'h' | 'l' | 'c' | 'v', number[]>;

/** What a whole run measures: two lengths and Lighthouse. */
const PARTS = 3;

const sections: string[] = [];
let parts = 0;
const table = (title: string, head: string[], rows: string[][]) => {
  const line = (cells: string[]) => `| ${cells.join(' | ')} |`;
  sections.push(['', `## ${title}`, '', line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n'));
};
const median = (values: number[]) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
const ms = (value: number) => `${value.toFixed(value < 10 ? 2 : 0)} ms`;

test.use({ latencyMs: 0 });
test.describe.configure({ mode: 'serial' });

test.afterEach(({}, { status }) => {
  parts += status === 'passed' ? 1 : 0;
});

test.afterAll(() => {
  const machine = `${cpus().length} × ${cpus()[0].model}, ${Math.round(totalmem() / 2 ** 30)} GiB`;
  const head = [
    '# The page, measured',
    '',
    `\`make bench-page\`, ${new Date().toISOString().slice(0, 10)}, on ${machine}, headless Chromium without a GPU; server and`,
    'database on the same machine. Medians. Beside the page: lightweight-charts given the same bars in memory, and ECharts',
    'alone with candles, volume and zoom, so that the rest of the page’s time is ours. Switches begin from rest, 0.1 s after',
    'the one before: the page’s with Enter in its symbol field, the others’ with a call. They end when the frame is painted.',
  ];
  // A part of it overwrites no whole one.
  if (parts === PARTS) writeFileSync(`${root}bench/PAGE.md`, `${[...head, ...sections].join('\n')}\n`);
  else console.log(sections.join('\n'));
});

/** Minutes of `days` days of both symbols, in the database. */
async function stored(world: World, days: number): Promise<{ from: string; to: string }> {
  const to = Math.floor(Date.now() / DAY) * DAY;
  for (const symbol of SYMBOLS) {
    const body = JSON.stringify({ symbol, tf: 'm1', from: to - days * DAY, to });
    const headers = { 'content-type': 'application/json' };
    expect((await fetch(`${world.server.url}/api/v1/hydrate`, { method: 'POST', headers, body })).status).toBe(202);
  }
  const live = () => world.database.count(`job_runs where status in ('queued', 'running')`);
  await expect.poll(live, { timeout: 200_000 }).toBe(0);
  return { from: String(to - days * DAY), to: String(to) };
}

async function columns(world: World, symbol: string, window: Record<string, string>): Promise<Columns> {
  const query = new URLSearchParams({ symbol, tf: 'm1', ...window });
  const { bars } = await (await fetch(`${world.server.url}/api/v1/bars?${query}`)).json();
  const of = (name: string) => bars.map((bar: Record<string, number>) => bar[name]);
  return { t: of('ts'), o: of('open'), h: of('high'), l: of('low'), c: of('close'), v: of('volume') };
}

/** The page asks for its usual window; here it gets `window`. */
async function openOurs(page: Page, window: Record<string, string>, bars: number): Promise<ChartPage> {
  await page.route('**/api/page/chart_data?**', (route) => {
    const url = new URL(route.request().url());
    Object.entries(window).forEach(([name, value]) => url.searchParams.set(name, value));
    return route.continue({ url: url.href });
  });
  const chart = new ChartPage(page);
  for (const symbol of SYMBOLS) {
    await chart.open(symbol, 'm1');
    await expect.poll(() => chart.bars(), { timeout: 60_000 }).toBe(bars);
  }
  return chart;
}

/** Runs in the page: ends when the next switch is painted, and asks nothing of the main thread until then. */
const nextPainted = () =>
  new Promise<void>((done) =>
    new PerformanceObserver((list, observer) => {
      if (!list.getEntriesByName('tidemark:painted').length) return;
      observer.disconnect();
      done();
    }).observe({ type: 'measure' }),
  );

const HOST = '<body style="margin:0"><div id="host" style="width:1000px;height:560px"></div></body>';
/** Runs in the page: makes `show(series)`, which puts one of `all` on the chart and ends when its frame is painted. */
const AFTER_PAINT = `const painted = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done)));`;

const LIGHTWEIGHT = `${AFTER_PAINT}
  const chart = LightweightCharts.createChart(document.getElementById('host'));
  const price = chart.addSeries(LightweightCharts.CandlestickSeries);
  const volume = chart.addSeries(LightweightCharts.HistogramSeries, {}, 1);
  const rows = all.map(({ t, o, h, l, c, v }) => [
    t.map((at, i) => ({ time: at / 1000, open: o[i], high: h[i], low: l[i], close: c[i] })),
    t.map((at, i) => ({ time: at / 1000, value: v[i] })),
  ]);
  let newest;
  window.update = (close) => {
    const time = newest.time + 60;
    price.update({ time, open: newest.close, high: Math.max(close, newest.close), low: Math.min(close, newest.close), close });
    volume.update({ time, value: close });
  };
  window.show = async (which) => {
    price.setData(rows[which][0]);
    volume.setData(rows[which][1]);
    newest = rows[which][0].at(-1);
    chart.timeScale().setVisibleLogicalRange({ from: rows[which][0].length - ${SHOWN}, to: rows[which][0].length });
    await painted();
  };`;

const ECHARTS = `${AFTER_PAINT}
  const chart = echarts.init(document.getElementById('host'));
  const series = all.map(({ t, o, h, l, c, v }) => {
    const candles = new Float64Array(t.length * 5), bars = new Float64Array(t.length * 2);
    t.forEach((_, i) => { candles.set([i, o[i], c[i], l[i], h[i]], i * 5); bars.set([i, v[i]], i * 2); });
    return { times: t.map(String), candles, bars };
  });
  window.show = async (which) => {
    const { times, candles, bars } = series[which];
    const zoom = { type: 'inside', xAxisIndex: [0, 1], startValue: times.length - ${SHOWN}, endValue: times.length - 1 };
    chart.setOption({
      animation: false,
      grid: [{ left: 12, right: 72, top: 12, bottom: 160 }, { left: 12, right: 72, height: 88, bottom: 40 }],
      xAxis: [{ type: 'category', data: times }, { type: 'category', data: times, gridIndex: 1 }],
      yAxis: [{ scale: true, position: 'right' }, { gridIndex: 1, position: 'right' }],
      dataZoom: [zoom],
      series: [
        { id: 'price', type: 'candlestick', large: true, dimensions: ['place', 'open', 'close', 'low', 'high'],
          encode: { x: 'place', y: ['open', 'close', 'low', 'high'] }, data: candles },
        { id: 'volume', type: 'bar', large: true, xAxisIndex: 1, yAxisIndex: 1, dimensions: ['place', 'volume'],
          encode: { x: 'place', y: 'volume' }, data: bars },
      ],
    });
    await painted();
  };`;

async function openPeer(page: Page, script: string, setUp: string, all: Columns[]): Promise<void> {
  await page.goto('about:blank');
  await page.setContent(HOST);
  await page.addScriptTag({ path: `${root}${script}` });
  await page.evaluate(`(all) => { ${setUp} }`.replace(/^/, 'window.setUp = '));
  await page.evaluate((all) => (window as any).setUp(all), all);
  await page.evaluate(() => (window as any).show(0));
}

const PEERS = [
  ['lightweight-charts', 'bench/page/node_modules/lightweight-charts/dist/lightweight-charts.standalone.production.js', LIGHTWEIGHT],
  ['ECharts alone', 'node_modules/echarts/dist/echarts.min.js', ECHARTS],
] as const;

async function switches(page: Page): Promise<number> {
  const took: number[] = [];
  for (let i = 0; i < SWITCHES; i += 1) {
    const show = async (which: number) => {
      const start = performance.now();
      await (window as any).show(which);
      return performance.now() - start;
    };
    // As idle before it as the page is, and not in step with the last one's frame.
    await page.waitForTimeout(100 + i);
    took.push(await page.evaluate(show, (i + 1) % 2));
  }
  return median(took);
}

/** What the main thread did so far, and what the page holds, after a collection of garbage. */
async function spent(client: Session, page: Page): Promise<{ busyMs: number; heap: number; wasm: number }> {
  await client.send('HeapProfiler.collectGarbage');
  const { metrics } = await client.send('Performance.getMetrics');
  const of = (name: string) => metrics.find((metric) => metric.name === name)!.value;
  const wasm = await page.evaluate(() => (globalThis as any).wasmMemory?.buffer.byteLength ?? 0);
  return { busyMs: of('TaskDuration') * 1000, heap: of('JSHeapUsedSize'), wasm };
}

/** Moves the newest bar so many times, a task of the browser for each; `update` is a function of the page's own. */
async function update(page: Page, count: number): Promise<void> {
  await page.evaluate(async (count) => {
    const { port1, port2 } = new MessageChannel();
    for (let i = 0; i < count; i += 1) {
      (window as any).update(100 + (i % 97) / 100);
      await new Promise((done) => {
        port1.onmessage = done;
        port2.postMessage(0);
      });
    }
  }, count);
}

/** Milliseconds of the main thread for each update, and the growth of the heap and of WASM's memory over all of them, in kB. */
async function updates(page: Page, count: number): Promise<number[]> {
  const client = await page.context().newCDPSession(page);
  await client.send('Performance.enable');
  await update(page, count / 10);
  const before = await spent(client, page);
  await update(page, count);
  const after = await spent(client, page);
  await client.detach();
  return [(after.busyMs - before.busyMs) / count, (after.heap - before.heap) / 1000, (after.wasm - before.wasm) / 1000];
}

/** Makes `update` of the page: the event that the server sends when the bar under way moves. */
async function makeUpdate(page: Page, symbol: string): Promise<void> {
  await page.evaluate((series) => {
    const data = (close: number) => {
      const ts = Math.floor(Date.now() / 60_000) * 60_000;
      const bar = { ts, open: 100, high: Math.max(close, 100), low: Math.min(close, 100), close, volume: close };
      return JSON.stringify({ series, data: { bar, provider: 'bench', told_at: ts } });
    };
    (window as any).update = (close: number) => {
      const source: EventSource = (globalThis as any).sources.at(-1);
      source.dispatchEvent(new MessageEvent('forming', { data: data(close) }));
    };
  }, `${symbol}:m1`);
}

/** Milliseconds of the page's main thread for each step of a drag and of the wheel, over the middle of `box`. */
async function gestures(page: Page, box: { x: number; y: number; width: number; height: number }): Promise<number[]> {
  const client = await page.context().newCDPSession(page);
  await client.send('Performance.enable');
  const busy = async () => {
    const { metrics } = await client.send('Performance.getMetrics');
    return metrics.find((metric) => metric.name === 'TaskDuration')!.value * 1000;
  };
  const frame = () => page.evaluate(() => new Promise<void>((done) => requestAnimationFrame(() => setTimeout(done))));
  const [x, y] = [box.x + box.width / 2, box.y + box.height / 3];
  const each = async (step: (i: number) => Promise<void>) => {
    const before = await busy();
    for (let i = 0; i < STEPS; i += 1) {
      await step(i);
      await frame();
    }
    return ((await busy()) - before) / STEPS;
  };
  await page.mouse.move(x, y);
  // Out until most is seen, then in again.
  const zoom = await each((i) => page.mouse.wheel(0, i < STEPS / 2 ? 120 : -120));
  await page.mouse.down();
  const pan = await each((i) => page.mouse.move(x + (i < STEPS / 2 ? i : STEPS - i) * 8, y));
  await page.mouse.up();
  await client.detach();
  return [pan, zoom];
}

for (const days of [7, 70]) {
  const bars = days * 1440;
  test(`${bars} bars`, async ({ page, world }) => {
    test.setTimeout(400_000);
    const window = await stored(world, days);
    await page.addInitScript(() => {
      const tasks: number[] = [];
      const sources: EventSource[] = [];
      Object.assign(globalThis, { tasks, sources });
      // To send events as the server would, and to see how much memory the WASM has.
      globalThis.EventSource = class extends EventSource {
        constructor(url: string | URL) {
          super(url);
          sources.push(this);
        }
      };
      const start = WebAssembly.instantiateStreaming;
      WebAssembly.instantiateStreaming = async (...asked) => {
        const started = await start(...asked);
        Object.assign(globalThis, { wasmMemory: started.instance.exports.memory });
        return started;
      };
      new PerformanceObserver((list) => list.getEntries().forEach((task) => tasks.push(task.duration))).observe({ type: 'longtask' });
    });
    const chart = await openOurs(page, window, bars);
    await page.evaluate(() => ((globalThis as any).tasks.length = 0));
    const taken = (name: string) =>
      page.evaluate((name) => performance.getEntriesByName(name, 'measure')[0]?.duration ?? -1, name);
    const [read, fromStore, recalled]: number[][] = [[], [], []];
    for (let i = 0; i < 2 * SWITCHES; i += 1) {
      const symbol = SYMBOLS[i % 2];
      const isFromStore = i < SWITCHES;
      // Nobody switches while the page is still booking the last switch, nor presses Enter in the frame of the last letter.
      await page.waitForTimeout(100);
      await chart.symbolInput.fill(symbol);
      await page.waitForTimeout(100);
      // What the page holds in memory of series it showed before goes when another tab says anything.
      if (isFromStore) await page.evaluate(() => new BroadcastChannel('tidemark-cache').postMessage('forget'));
      await page.evaluate(() => performance.clearMeasures());
      await page.waitForTimeout(50);
      const painted = page.evaluate(nextPainted);
      await page.keyboard.press('Enter');
      await painted;
      await expect(chart.chart).toHaveAttribute('data-symbol', symbol);
      if (i % SWITCHES < 2) continue;
      if (isFromStore) read.push(await taken('tidemark:cache-read'));
      (isFromStore ? fromStore : recalled).push(await taken('tidemark:painted'));
    }
    const ours = [median(recalled), ...(await gestures(page, (await chart.chart.boundingBox())!))];
    const tasks: number[] = await page.evaluate(() => (globalThis as any).tasks);
    const times = days > 7 ? UPDATES / 10 : UPDATES;
    await makeUpdate(page, SYMBOLS[1]);
    const moved: Record<string, number[]> = { 'the page': await updates(page, times) };
    await expect(page.getByTestId('status-forming')).toContainText('Bar under way');
    const figures: Record<string, number[]> = { 'the page': ours };
    const all = await Promise.all(SYMBOLS.map((symbol) => columns(world, symbol, window)));
    for (const [name, script, setUp] of PEERS) {
      await page.unrouteAll();
      await openPeer(page, script, setUp, all);
      figures[name] = [await switches(page), ...(await gestures(page, (await page.locator('#host').boundingBox())!))];
      if (name === 'lightweight-charts') moved[name] = await updates(page, times);
    }
    const peer = figures['lightweight-charts'];
    const rows = Object.entries(figures).map(([name, values]) => [
      name,
      ...values.map((value, i) => `${ms(value)} (${(value / peer[i]).toFixed(2)})`),
    ]);
    const label = bars.toLocaleString('en-US');
    table(
      `${label} bars`,
      ['what draws', `switch to the other series, to its painted frame`, 'one step of a drag', 'one step of the wheel'],
      rows,
    );
    const blocking = tasks.reduce((sum, task) => sum + task - 50, 0);
    const ratio = (value: number) => (value / peer[0]).toFixed(2);
    sections.push(
      '',
      `In brackets: ÷ lightweight-charts; asked is at most 1.5. A step is the main thread’s work for it. The page’s switch is to`,
      `a series that it showed before; where it has to read IndexedDB first, ${ms(median(fromStore))} (${ratio(median(fromStore))}), of which ${ms(median(read))} go by`,
      `until that has answered and is decoded (asked: 10 ms for 10,000 bars). Over ${2 * SWITCHES} switches and both gestures ${tasks.length} tasks`,
      `of the page took more than 50 ms, the longest ${ms(Math.max(0, ...tasks))}; together they blocked ${ms(blocking)} (asked: none, and 150 ms).`,
    );
    table(
      `One bar that moves ${times.toLocaleString('en-US')} times, beside ${label}`,
      ['what draws', 'the main thread’s work for one', 'growth of the heap', 'of WASM’s memory'],
      Object.entries(moved).map(([name, [each, heap, wasm]]) => [name, ms(each), `${heap.toFixed(0)} kB`, `${wasm.toFixed(0)} kB`]),
    );
  });
}

test('Lighthouse', async ({ world }) => {
  test.setTimeout(300_000);
  await stored(world, 7);
  const run = async (form: string) => {
    const args = [
      `${root}bench/page/node_modules/lighthouse/cli/index.js`,
      `${world.server.url}/chart/X:BTCUSD?tf=m1`,
      '--quiet', '--output=json', '--only-categories=performance,accessibility,best-practices',
      '--chrome-flags=--headless=new --no-sandbox --disable-gpu --disable-background-networking',
      ...(form === 'desktop' ? ['--preset=desktop'] : []),
    ];
    const env = { ...process.env, CHROME_PATH: process.env.CHROMIUM ?? '/usr/bin/chromium' };
    const { stdout } = await promisify(execFile)('node', args, { env, maxBuffer: 2 ** 26 });
    const { categories, audits } = JSON.parse(stdout);
    const score = (name: string) => Math.round(categories[name].score * 100);
    const failed = Object.values<any>(audits).filter((audit) => audit.score === 0 && audit.scoreDisplayMode === 'binary');
    return {
      scores: [score('performance'), score('accessibility'), score('best-practices')],
      paints: ['first-contentful-paint', 'largest-contentful-paint', 'total-blocking-time', 'cumulative-layout-shift'].map(
        (name) => audits[name].displayValue as string,
      ),
      failed: failed.map((audit) => audit.id as string),
    };
  };
  const rows: string[][] = [];
  for (const form of ['desktop', 'mobile']) {
    const runs = [await run(form), await run(form), await run(form)].sort((a, b) => a.scores[0] - b.scores[0]);
    const middle = runs[1];
    rows.push([form, ...middle.scores.map(String), ...middle.paints, middle.failed.join(', ') || 'none']);
  }
  table(
    'Lighthouse',
    ['as', 'performance', 'accessibility', 'best practices', 'first paint', 'largest paint', 'blocking time', 'layout shift', 'failed audits'],
    rows,
  );
});
