import { ChartPage } from '../support/chart.ts';
import { expect, test } from '../support/world.ts';

const YEAR_1 = -62_135_596_800_000;
const YEAR_A_MILLION = 31_556_889_864_403_000;
const RECENT = { from: '2026-01-05T00:00:00Z', to: '2026-01-10T00:00:00Z' };
const GOOD = { symbol: 'AAPL', timeframe: 'h1', ...RECENT };

/** What is asked, and the status and code of the answer. */
const asks: [string, object, number, string][] = [
  ['an unknown timeframe', { ...GOOD, timeframe: 'h7' }, 400, 'bad_timeframe'],
  ['a malformed symbol', { ...GOOD, symbol: 'A;DROP TABLE' }, 400, 'bad_symbol'],
  ['an over-long symbol', { ...GOOD, symbol: 'A'.repeat(25) }, 400, 'bad_symbol'],
  ['an empty symbol', { ...GOOD, symbol: '' }, 400, 'bad_symbol'],
  ['a reversed range', { ...GOOD, from: RECENT.to, to: RECENT.from }, 400, 'bad_range'],
  ['the year 1', { ...GOOD, from: YEAR_1 }, 400, 'bad_range'],
  ['a million years', { ...GOOD, from: YEAR_1, to: YEAR_A_MILLION }, 400, 'bad_range'],
  ['a million years ahead', { ...GOOD, from: YEAR_A_MILLION, to: YEAR_A_MILLION + 1 }, 400, 'bad_range'],
  ['no time', { ...GOOD, from: 'yesterday' }, 422, 'bad_request'],
  ['the future', { ...GOOD, from: '2034-01-05T00:00:00Z', to: '2034-01-06T00:00:00Z' }, 400, 'bad_range'],
  ['an unknown symbol', { ...GOOD, symbol: 'ZZZZ' }, 404, 'unknown_symbol'],
  ['no symbol', { timeframe: 'h1' }, 422, 'bad_request'],
];

test.afterEach('nothing was queued, and nothing is an error of the server', async ({ world }) => {
  expect(await world.database.count('job_runs')).toBe(0);
  expect(await world.database.count('job_definitions')).toBe(0);
  expect(world.server.log).not.toMatch(/ERROR|panicked/);
});

test('a bad request to hydrate is answered with a problem document', async ({ request }) => {
  for (const [what, data, status, code] of asks) {
    await test.step(what, async () => {
      const response = await request.post('/api/v1/hydrate', { data });
      expect(response.headers()['content-type'], what).toContain('application/problem+json');
      const problem = await response.json();
      expect([response.status(), problem.code], `${what}: ${problem.detail}`).toEqual([status, code]);
      expect(problem.detail, what).toMatch(/^.{20,}$/);
    });
  }
});

test('a bad request for bars is answered with a problem document', async ({ request }) => {
  for (const [what, params, status, code] of asks.filter(([, , status]) => status === 400)) {
    await test.step(what, async () => {
      const response = await request.get('/api/v1/bars', { params: params as Record<string, string> });
      expect(response.headers()['content-type'], what).toContain('application/problem+json');
      expect([response.status(), (await response.json()).code], what).toEqual([status, code]);
    });
  }
});

test('a body that is too large or no JSON is refused', async ({ request }) => {
  for (const [data, status] of [
    [{ ...GOOD, symbol: 'A'.repeat(100_000) }, 413],
    [Buffer.from('{"symbol":'), 400],
  ] as const) {
    const response = await request.post('/api/v1/hydrate', { data, headers: { 'content-type': 'application/json' } });
    expect(response.status()).toBe(status);
    expect(response.headers()['content-type']).toContain('application/problem+json');
  }
});

test('an address that names no series says what to do instead', async ({ page }) => {
  const chart = new ChartPage(page);
  await chart.open('AAPL', 'h7');
  await chart.expectState('invalid');
  await expect(chart.banner).toContainText('Use one of m1, m5');
  await chart.open('A'.repeat(25));
  await chart.expectState('invalid');
  await expect(chart.banner).toContainText('longer than 24 characters');
});

test('a symbol that no provider knows is told as such', async ({ page }) => {
  const chart = new ChartPage(page);
  await chart.open('ZZZZ');
  await chart.expectState('failed');
  await expect(chart.banner).toContainText('No provider knows ZZZZ.');
  await expect(chart.retry, 'asking again would not help').toBeHidden();
});
