import { type Page } from '@playwright/test';
import { ChartPage } from '../support/chart.ts';
import { expect, test } from '../support/world.ts';

const HOUR = 3_600_000;

const standings = (page: Page) =>
  page.locator('.segment').evaluateAll((all) => [...new Set(all.map((it) => (it as HTMLElement).dataset.standing))]);
const said = (page: Page) => page.getByTestId('coverage-said');
const BITCOIN = 'X:BTCUSD';

test.describe('a slice that fails for good', () => {
  test.use({ settings: { TIDEMARK_RETRY_MS: '20' } });

  test('is seen in the strip and read by pointer and by keys; a click fetches it', async ({ page, world }) => {
    const chart = new ChartPage(page);
    const time = Math.floor(Date.now() / HOUR) * HOUR - 29.5 * HOUR;
    await world.simulator.failAt(BITCOIN, time);
    await chart.open(BITCOIN);
    await chart.expectState('failed');
    await expect.poll(() => standings(page)).toEqual(['present', 'failed']);
    await expect(said(page)).toHaveText(/Coverage: Present 9\d %, Failed 1 %/);

    const failed = page.locator('.segment[data-standing=failed]');
    await failed.hover();
    await expect(said(page)).toContainText('Failed: ');
    const [{ error_message }] = await world.database.rows<{ error_message: string }>(
      `select error_message from job_runs where status = 'failed'`,
    );
    await expect(said(page)).toContainText(error_message);
    await page.mouse.move(5, 5);

    const strip = page.getByTestId('strip');
    await strip.focus();
    await page.keyboard.press('Home');
    await expect(said(page)).toContainText('Present: ');
    await page.keyboard.press('ArrowRight');
    await expect(said(page)).toContainText('Failed: ');
    await expect(failed).toHaveAttribute('aria-selected', 'true');

    await page.getByTestId('coverage-open').click();
    const list = page.getByRole('dialog', { name: 'Coverage' });
    await expect(list.getByRole('row')).toHaveCount(4);
    await expect(list.getByRole('row', { name: /Failed/ })).toContainText(error_message);
    await page.keyboard.press('Escape');

    await world.simulator.clearFaults();
    await failed.click();
    await chart.expectComplete(BITCOIN);
    await expect.poll(() => standings(page)).toEqual(['present']);
  });
});

test('Cancel calls off what is queued, and Retry brings it back', async ({ page, world }) => {
  const chart = new ChartPage(page);
  await world.simulator.setLatency(2_000);
  await chart.open(BITCOIN, 'm1');
  await chart.expectState('hydrating');
  await expect.poll(() => standings(page)).toContain('queued');
  await page.getByTestId('cancel').click();
  await world.simulator.setLatency(0);
  await expect(chart.banner).toContainText('called off.');
  await expect.poll(() => standings(page)).not.toContain('queued');
  await expect.poll(() => standings(page)).toContain('missing');
  await expect(page.getByTestId('cancel')).toBeHidden();
  await expect.poll(() => world.database.count(`job_runs where status = 'cancelled'`)).toBeGreaterThan(0);

  await chart.retry.click();
  await chart.expectComplete(BITCOIN, 'm1');
  await expect.poll(() => standings(page)).toEqual(['present']);
});

test.describe('while it fills', () => {
  test.use({ latencyMs: 200 });

  test('banner, bars and strip agree at every revision', async ({ page }) => {
    const chart = new ChartPage(page);
    // Every frame in which all three speak of one revision is kept.
    await page.addInitScript(() => {
      const seen: object[] = [];
      Object.assign(window, { seen });
      const of = (id: string) => document.querySelector<HTMLElement>(`[data-testid=${id}]`);
      const look = () => {
        const [banner, bars, strip] = [of('banner'), of('chart'), of('strip')];
        const revision = banner?.dataset.revision;
        const busy = of('coverage')?.getAttribute('aria-busy');
        if (revision && busy === 'false' && bars?.dataset.revision === revision && strip?.dataset.revision === revision) {
          const kinds = [...document.querySelectorAll<HTMLElement>('.segment')].map((it) => it.dataset.standing);
          seen.push({ revision, state: banner.dataset.state, text: banner.textContent, kinds: [...new Set(kinds)] });
        }
        requestAnimationFrame(look);
      };
      requestAnimationFrame(look);
    });
    await chart.open('AAPL', 'm15');
    await chart.expectComplete('AAPL', 'm15');
    await expect.poll(() => standings(page)).toEqual(['present']);
    type Seen = { revision: string; state: string; text: string; kinds: string[] };
    const seen = await page.evaluate(() => (window as unknown as { seen: Seen[] }).seen);
    expect(new Set(seen.map((it) => it.revision)).size, 'agreed at more than the last').toBeGreaterThan(1);
    for (const it of seen.filter((it) => it.state === 'done')) {
      expect(it.kinds, it.text).toEqual(['present']);
    }
  });
});

test('going back to a series shows its strip at once, before the server is asked about it', async ({ page }) => {
  const chart = new ChartPage(page);
  await chart.open('AAPL', 'd1');
  await chart.expectComplete('AAPL', 'd1');
  await expect.poll(() => standings(page)).toEqual(['present']);
  await chart.switchTo('MSFT');
  await chart.expectComplete('MSFT', 'd1');
  await expect.poll(() => standings(page)).toEqual(['present']);
  let asked = 0;
  await page.route('**/standing**', () => {
    asked += 1;
  });
  await page.evaluate(() => {
    const log: boolean[] = [];
    const note = () => log.push(document.querySelector('.segment') !== null);
    new MutationObserver(note).observe(document.querySelector('.coverage')!, { childList: true, subtree: true });
    Object.assign(globalThis, { log });
  });
  await chart.switchTo('AAPL');
  await chart.expectComplete('AAPL', 'd1');
  await expect(said(page)).toHaveText('Coverage: Present 100 %');
  await expect.poll(() => asked).toBe(1);
  expect(await page.evaluate(() => (globalThis as any).log), 'it never goes').not.toContain(false);
});
