import { type Page } from '@playwright/test';
import { ChartPage } from '../support/chart.ts';
import { type World, expect, test } from '../support/world.ts';

const DAY = 86_400_000;

async function expectStreams(world: World, count: number): Promise<void> {
  await expect.poll(() => world.server.openStreams(), { timeout: 20_000 }).toBe(count);
}

/** Has the server fetch bars that the series lacked, and waits until the page says that it knows. */
async function expectLive(world: World, chart: ChartPage, symbol: string, daysAgo: number): Promise<void> {
  const revision = async () => Number(await chart.chart.getAttribute('data-revision'));
  const before = await revision();
  const from = Date.now() - daysAgo * DAY;
  const asked = await fetch(`${world.server.url}/api/v1/hydrate`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ symbol, tf: 'h1', from, to: from + 5 * DAY }),
  });
  expect(asked.status).toBe(202);
  await expect.poll(revision, { timeout: 20_000 }).toBeGreaterThan(before);
}

async function opened(page: Page, symbol: string): Promise<ChartPage> {
  const chart = new ChartPage(page);
  await chart.open(symbol);
  await chart.expectComplete(symbol);
  return chart;
}

test('three tabs share one event stream, and the leader may be closed', async ({ context, world }) => {
  const leader = await context.newPage();
  await opened(leader, 'AAPL');
  const [second, third] = [await context.newPage(), await context.newPage()];
  const charts = [await opened(second, 'MSFT'), await opened(third, 'X:BTCUSD')];
  await expectStreams(world, 1);
  await expectLive(world, charts[0], 'MSFT', 2_000);

  await leader.close();
  await expectStreams(world, 1);
  await expectLive(world, charts[0], 'MSFT', 1_900);
  await expectLive(world, charts[1], 'X:BTCUSD', 1_900);

  // What another tab opens comes over the same stream.
  await charts[0].switchTo('NVDA');
  await charts[0].expectComplete('NVDA');
  await expectStreams(world, 1);
  await expectLive(world, charts[0], 'NVDA', 1_900);
});

test('a tab that is frozen leads no more', async ({ context, world }) => {
  const leader = await context.newPage();
  await opened(leader, 'AAPL');
  const other = await opened(await context.newPage(), 'MSFT');
  await expectStreams(world, 1);

  const session = await context.newCDPSession(leader);
  await session.send('Page.setWebLifecycleState', { state: 'frozen' });
  await expectLive(world, other, 'MSFT', 2_000);
  await session.send('Page.setWebLifecycleState', { state: 'active' });
  await expectStreams(world, 1);
  await expectLive(world, new ChartPage(leader), 'AAPL', 2_000);
});

test('more tabs than a browser opens connections to a server are all live', async ({ context, world }) => {
  const charts: ChartPage[] = [];
  for (let tab = 0; tab < 8; tab += 1) charts.push(await opened(await context.newPage(), 'AAPL'));
  await expectStreams(world, 1);
  const revisions = () => Promise.all(charts.map((chart) => chart.chart.getAttribute('data-revision')));
  await expectLive(world, charts[7], 'AAPL', 2_000);
  await expect.poll(async () => new Set(await revisions()).size).toBe(1);
});

test('a tab without locks has a stream of its own', async ({ context, world }) => {
  await opened(await context.newPage(), 'AAPL');
  const page = await context.newPage();
  await page.addInitScript(() => Object.defineProperty(navigator, 'locks', { value: undefined }));
  const alone = await opened(page, 'MSFT');
  await expectStreams(world, 2);
  await expectLive(world, alone, 'MSFT', 2_000);
});
