// The page beside pictures of it. Bars follow from the simulator's seed, and the window is one of the past, so that a
// picture stays true; CONTRIBUTING.md says how pictures are renewed.
import { ChartPage } from '../support/chart.ts';
import { sizes } from '../support/look.ts';
import { expectPicture } from '../support/picture.ts';
import { openEmpty, openFailed, openPartial } from '../support/states.ts';
import { expect, test } from '../support/world.ts';

const PAST = '/chart/AAPL?tf=d1&from=2026-03-02T00:00:00Z&to=2026-08-28T00:00:00Z';

async function openPast(chart: ChartPage): Promise<void> {
  await chart.page.goto(PAST);
  await chart.expectComplete('AAPL', 'd1');
  await expect(chart.chart).toHaveAttribute('data-from', /^2026-03-02/);
  await expect(chart.watchlist.locator('.watch-link')).toHaveCount(7);
}

for (const [size, viewport] of Object.entries(sizes)) {
  for (const colorScheme of ['light', 'dark'] as const) {
    test.describe(`${size}, ${colorScheme}`, () => {
      test.use({ viewport, colorScheme });

      test('a chart', async ({ page }) => {
        await openPast(new ChartPage(page));
        await expectPicture(page, `chart-${size}-${colorScheme}`);
      });
    });
  }
}

test('loading', async ({ page }) => {
  await page.emulateMedia({ reducedMotion: 'reduce' });
  const chart = new ChartPage(page);
  await page.route('**/api/page/**', () => {});
  await chart.open('AAPL', 'd1');
  await chart.expectState('loading');
  await expect(page.locator('.skeleton')).toBeVisible();
  await expectPicture(page, 'loading');
});

test('empty', async ({ page, world }) => {
  const chart = new ChartPage(page);
  await openEmpty(chart, world);
  await expect(chart.watchlist.locator('.watch-link')).toHaveCount(7);
  await expectPicture(page, 'empty');
});

test('failed', async ({ page, world }) => {
  const chart = new ChartPage(page);
  await openFailed(chart, world, 'd1');
  await expectPicture(page, 'failed');
});

test('partial', async ({ page, world }) => {
  const chart = new ChartPage(page);
  await openPartial(chart, world);
  // The newest bars are others each day.
  await page.addStyleTag({ content: '.canvas { visibility: hidden }' });
  await expect(chart.watchlist.locator('.watch-link')).toHaveCount(7);
  await expectPicture(page, 'partial');
});

test('offline', async ({ page }) => {
  const chart = new ChartPage(page);
  await openPast(chart);
  await page.route('**/api/**', (route) => route.abort());
  await page.reload();
  await chart.expectState('offline');
  await expect(chart.chart).toHaveAttribute('data-from', /^2026-03-02/);
  await expectPicture(page, 'offline');
});
