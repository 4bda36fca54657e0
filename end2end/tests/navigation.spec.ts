import { ChartPage } from '../support/chart.ts';
import { expect, test } from '../support/world.ts';

test('the address is the state: deep link, timeframe, symbol, back and forward', async ({ page }) => {
  const chart = new ChartPage(page);
  await chart.open('MSFT', 'd1');
  await chart.expectComplete('MSFT', 'd1');

  await page.getByTestId('timeframe-h1').click();
  await expect(page).toHaveURL(/\/chart\/MSFT\?tf=h1$/);
  await chart.expectComplete('MSFT', 'h1');

  await chart.switchTo('aapl');
  await expect(page).toHaveURL(/\/chart\/AAPL\?tf=h1$/);
  await chart.expectComplete('AAPL', 'h1');

  await page.goBack();
  await chart.expectComplete('MSFT', 'h1');
  await page.goBack();
  await chart.expectComplete('MSFT', 'd1');
  await page.goForward();
  await chart.expectComplete('MSFT', 'h1');
});

test('the first answer holds the page already, before any script runs', async ({ request }) => {
  const html = await (await request.get('/chart/AAPL?tf=h1')).text();
  expect(html).toContain('data-testid="banner"');
  expect(html).toContain('AAPL');
});

test('a watched symbol is one click away', async ({ page }) => {
  const chart = new ChartPage(page);
  await chart.open('AAPL');
  await chart.expectComplete('AAPL');
  await chart.watchlist.getByRole('link', { name: 'MSFT' }).click();
  await chart.expectComplete('MSFT');
});
