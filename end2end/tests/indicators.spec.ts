import { readFile } from 'node:fs/promises';
import type { Page } from '@playwright/test';
import { ChartPage } from '../support/chart.ts';
import { expect, test } from '../support/world.ts';

/** As the page writes a value. */
function written(value: number): string {
  const size = Math.abs(value);
  return value.toFixed(size >= 1 || size === 0 ? 2 : size >= 0.01 ? 4 : 8);
}

const field = (page: Page, place: number, name: string) => page.getByTestId(`indicator-${place}-${name}`);

test('indicators are added, tuned and removed, and the address holds them', async ({ page }) => {
  const chart = new ChartPage(page);
  await chart.open('AAPL', 'd1');
  await chart.expectComplete('AAPL', 'd1');
  await page.keyboard.press('i');
  const dialogue = page.getByTestId('indicators');
  await expect(dialogue).toBeVisible();
  await page.getByTestId('indicator-add-sma').click();
  await page.getByTestId('indicator-add-rsi').click();
  await expect(page).toHaveURL(/\?tf=d1&ind=sma-20,rsi-14$/);
  await expect(page.getByTestId('indicators-count')).toHaveText('2 of 8 indicators');

  await field(page, 0, 'length').fill('0');
  await field(page, 0, 'length').press('Enter');
  await expect(page.getByTestId('indicator-error-0')).toContainText('Use 1 to 500');
  await expect(field(page, 0, 'length')).toHaveAttribute('aria-invalid', 'true');
  await expect(page, 'what is refused changes nothing').toHaveURL(/ind=sma-20,rsi-14$/);
  await field(page, 0, 'length').fill('50');
  await field(page, 0, 'length').press('Enter');
  await expect(page).toHaveURL(/ind=sma-50,rsi-14$/);
  await expect(page.getByTestId('indicator-error-0')).toBeHidden();
  await expect(field(page, 0, 'length'), 'the field keeps the focus').toBeFocused();

  await page.getByTestId('indicator-add-vwap').click();
  await expect(page.getByTestId('indicator-add-vwap')).toBeDisabled();
  await page.getByTestId('indicator-remove-1').click();
  await expect(page).toHaveURL(/ind=sma-50,vwap$/);
  await page.getByTestId('indicators-close').click();

  const legend = page.getByTestId('legend-sma-50');
  await expect(legend).toContainText('SMA 50');
  await expect(page.getByTestId('legend-rsi-14')).toHaveCount(0);
  await page.getByTestId('remove-vwap').click();
  await expect(page).toHaveURL(/ind=sma-50$/);

  await page.goBack();
  await expect(page.getByTestId('legend-vwap')).toBeVisible();
  await page.goForward();
  await expect(page.getByTestId('legend-vwap')).toHaveCount(0);
  await page.getByTestId('timeframe-h1').click();
  await expect(page, 'they outlive the timeframe').toHaveURL(/\?tf=h1&ind=sma-50$/);
  await chart.expectComplete('AAPL', 'h1');
  await chart.switchTo('MSFT');
  await expect(page, 'and the symbol').toHaveURL(/MSFT\?tf=h1&ind=sma-50$/);
  await chart.expectComplete('MSFT', 'h1');
  await page.reload();
  await expect(page.getByTestId('sma-50-sma')).toHaveText(/^\d+\.\d\d$/);
});

test('the legend tells the values that the API tells, at the newest bar and under the crosshair', async ({ page, world }) => {
  const chart = new ChartPage(page);
  const list = 'sma-20,ema-10,bb-20-2,rsi-14,macd-12-26-9,atr-14';
  await page.goto(`/chart/AAPL?tf=d1&ind=${list}`);
  await chart.expectComplete('AAPL', 'd1');
  const answer = await (await fetch(`${world.server.url}/api/v1/indicators?symbol=AAPL&tf=d1&of=${list}`)).json();
  const expectAt = async (place: number) => {
    for (const { indicator, lines } of answer.indicators) {
      for (const { name, values } of lines) {
        await expect(page.getByTestId(`${indicator}-${name}`), `${indicator} ${name}`).toHaveText(written(values.at(place)));
      }
    }
  };
  await expectAt(-1);
  await page.keyboard.press('Shift+ArrowLeft');
  await page.keyboard.press('Shift+ArrowLeft');
  await page.keyboard.press('Shift+ArrowLeft');
  await expectAt(-3);
  await page.keyboard.press('Escape');
  await expectAt(-1);

  const download = page.waitForEvent('download');
  await page.getByTestId('chart-csv').click();
  const csv = (await readFile((await (await download).path())!, 'utf8')).trim().split('\n');
  expect(csv[0]).toContain('close,volume,sma-20,ema-10,bb-20-2 middle,');
  const columns = csv[0].split(',');
  const last = csv.at(-1)!.split(',');
  const sma = answer.indicators[0].lines[0].values.at(-1);
  expect(Number(last[columns.indexOf('sma-20')])).toBeCloseTo(sma, 8);
});

test('what is computed is drawn: over the bars, and in panes that make the chart taller', async ({ page }) => {
  const chart = new ChartPage(page);
  await chart.open('AAPL', 'd1');
  await chart.expectComplete('AAPL', 'd1');
  const draw = () => chart.chart.locator('canvas').first().evaluate((it) => (it as HTMLCanvasElement).toDataURL());
  const pictures = [await draw()];
  await page.setViewportSize({ width: 390, height: 700 });
  const height = async () => (await chart.chart.boundingBox())!.height;
  const low = await height();
  for (const kind of ['sma', 'bb', 'rsi', 'macd']) {
    await page.keyboard.press('i');
    await page.getByTestId(`indicator-add-${kind}`).click();
    await page.getByTestId('indicators-close').click();
    await expect.poll(async () => pictures.includes(await draw()), kind).toBe(false);
    pictures.push(await draw());
  }
  expect(await height(), 'two panes').toBeGreaterThan(low + 50);
});

test('an indicator that is not known is refused with what to do', async ({ page }) => {
  const chart = new ChartPage(page);
  for (const [list, said] of [
    ['kama-3', 'is not an indicator. Use sma-20'],
    ['sma-0', "The length of sma can't be 0"],
    ['sma-1,sma-2,sma-3,sma-4,sma-5,sma-6,sma-7,sma-8,sma-9', 'more than 8 indicators'],
  ]) {
    await page.goto(`/chart/AAPL?tf=h1&ind=${list}`);
    await chart.expectState('invalid');
    await expect(chart.banner).toContainText(said);
  }
});
