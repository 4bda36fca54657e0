// Time without bars, in the chart: hatched where it is, as long as it is, with the reason.
import { ChartPage } from '../support/chart.ts';
import { expect, test } from '../support/world.ts';

const HOUR = 3_600_000;
const BITCOIN = 'X:BTCUSD';
/** What lies right of the bars: the prices. */
const PRICES = 72;

interface Stretch {
  from: number;
  to: number;
}

/** The middle of a stretch of hours in the window, from the left of the page; each hour has its place in the chart. */
async function middle(chart: ChartPage, { from, to }: Stretch): Promise<{ x: number; y: number }> {
  const box = (await chart.chart.boundingBox())!;
  const first = Date.parse((await chart.chart.getAttribute('data-from'))!);
  const span = Number(await chart.chart.getAttribute('data-span'));
  const place = ((from + to) / 2 - first) / HOUR;
  return { x: box.x + (place / span) * (box.width - PRICES), y: box.y + box.height * 0.3 };
}

/** How many pixels around a point have the colour of what failed or fell. */
async function reds(chart: ChartPage, { x, y }: { x: number; y: number }): Promise<number> {
  return chart.chart.locator('canvas').first().evaluate((canvas, [left, top]) => {
    const { left: x0, top: y0, width } = canvas.getBoundingClientRect();
    const scale = (canvas as HTMLCanvasElement).width / width;
    const context = (canvas as HTMLCanvasElement).getContext('2d')!;
    const size = 24;
    const { data } = context.getImageData((left - x0 - size / 2) * scale, (top - y0 - size / 2) * scale, size, size);
    let count = 0;
    for (let i = 0; i < data.length; i += 4) if (data[i + 3] > 60 && data[i] > data[i + 1] + 50) count += 1;
    return count;
  }, [x, y]);
}

test.describe('a slice that fails for good', () => {
  test.use({ settings: { TIDEMARK_RETRY_MS: '20' } });

  test('is hatched where its bars would be, says why, and is gone after Retry', async ({ page, world }) => {
    const chart = new ChartPage(page);
    const time = Math.floor(Date.now() / HOUR) * HOUR - 29.5 * HOUR;
    await world.simulator.failAt(BITCOIN, time);
    await chart.open(BITCOIN);
    await chart.expectState('failed');
    await expect(chart.chart).toHaveAttribute('data-blanks', '1');
    const report = await (await fetch(`${world.server.url}/api/v1/coverage?symbol=${BITCOIN}&tf=h1`)).json();
    const failed = report.stretches.find((it: { standing: string }) => it.standing === 'failed');
    const hole: Stretch = { from: failed.range.start, to: failed.range.end };

    const point = await middle(chart, hole);
    await expect.poll(() => reds(chart, point)).toBeGreaterThan(20);
    await page.mouse.move(point.x, point.y);
    const note = page.getByTestId('lack');
    await expect(note).toContainText('Failed: ');
    const [{ error_message }] = await world.database.rows<{ error_message: string }>(
      `select error_message from job_runs where status = 'failed'`,
    );
    await expect(note).toContainText(error_message);
    await expect(page.getByTestId('summary')).toContainText(/No bars from .+ \(failed\)\./);
    await page.mouse.move(5, 5);
    await expect(note).toBeEmpty();

    // Whoever goes there by keys passes it in one step.
    for (let step = 0; step < 40; step += 1) {
      await page.keyboard.press('Shift+ArrowLeft');
      // What it brings is told with the next frame.
      await page.evaluate(() => new Promise((told) => requestAnimationFrame(() => setTimeout(told))));
      if ((await note.textContent())?.startsWith('Failed')) break;
    }
    await expect(note).toContainText('Failed: ');
    await page.keyboard.press('Shift+ArrowLeft');
    await expect(note).toBeEmpty();

    const [from, span] = [await chart.chart.getAttribute('data-from'), await chart.chart.getAttribute('data-span')];
    await world.simulator.clearFaults();
    await chart.retry.click();
    await chart.expectComplete(BITCOIN);
    await expect(chart.chart).toHaveAttribute('data-blanks', '0');
    expect(await chart.chart.getAttribute('data-span'), 'what comes takes its place').toBe(span);
    expect(await chart.chart.getAttribute('data-from')).toBe(from);
    await expect(page.getByTestId('summary')).not.toContainText('No bars from');
  });
});

test('what is on its way is hatched, and says that it is', async ({ page, world }) => {
  const chart = new ChartPage(page);
  await chart.open(BITCOIN, 'h1');
  await chart.expectComplete(BITCOIN, 'h1');
  await world.simulator.setLatency(60_000);
  await page.keyboard.press('Home');
  await expect(page.getByTestId('oldest')).toHaveText('Older bars are on their way.');
  await page.keyboard.press('ArrowLeft');
  await page.keyboard.press('ArrowLeft');
  const box = (await chart.chart.boundingBox())!;
  await page.mouse.move(box.x + 30, box.y + box.height * 0.3);
  await expect(page.getByTestId('lack')).toContainText(/Being fetched|Queued/);
  await world.simulator.setLatency(0);
});
