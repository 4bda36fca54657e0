import { type Locator, type Page, expect } from '@playwright/test';

/** How many pixels of a canvas have a colour (are neither grey nor clear), as only candles and volume have. It runs in the page. */
export function colouredPixels(canvas: Element): number {
  const { width, height } = canvas as HTMLCanvasElement;
  const { data } = (canvas as HTMLCanvasElement).getContext('2d')!.getImageData(0, 0, width, height);
  let count = 0;
  for (let i = 0; i < data.length; i += 4) {
    const spread = Math.max(data[i], data[i + 1], data[i + 2]) - Math.min(data[i], data[i + 1], data[i + 2]);
    if (data[i + 3] > 128 && spread > 60) count += 1;
  }
  return count;
}

/** The chart page as its reader sees it. */
export class ChartPage {
  readonly banner: Locator;
  readonly chart: Locator;
  readonly retry: Locator;
  readonly symbolInput: Locator;
  readonly watchlist: Locator;

  constructor(readonly page: Page) {
    this.banner = page.getByTestId('banner');
    this.chart = page.getByTestId('chart');
    this.retry = page.getByTestId('retry');
    this.symbolInput = page.getByTestId('symbol-input');
    this.watchlist = page.getByTestId('watchlist');
  }

  /** Keeps every text that the banner ever shows, for `bannerTexts`. Call it before the page is opened. */
  async recordBanner(): Promise<void> {
    await this.page.addInitScript(() => {
      const texts: string[] = [];
      Object.assign(window, { bannerTexts: texts });
      new MutationObserver(() => {
        const text = document.querySelector('[data-testid=banner]')?.textContent ?? '';
        if (text !== texts.at(-1)) texts.push(text);
      }).observe(document, { subtree: true, childList: true, characterData: true, attributes: true });
    });
  }

  async bannerTexts(): Promise<string[]> {
    return this.page.evaluate(() => (window as unknown as { bannerTexts: string[] }).bannerTexts);
  }

  async open(symbol: string, timeframe = 'h1'): Promise<void> {
    await this.page.goto(`/chart/${symbol}?tf=${timeframe}`);
  }

  /** Types another symbol into the input, as opposed to loading a page. */
  async switchTo(symbol: string): Promise<void> {
    await this.symbolInput.fill(symbol);
    await this.symbolInput.press('Enter');
  }

  async expectState(state: string): Promise<void> {
    await expect(this.banner).toHaveAttribute('data-state', state);
  }

  /** Waits until all is fetched and drawn. */
  async expectComplete(symbol: string, timeframe = 'h1'): Promise<void> {
    await expect(this.chart).toHaveAttribute('data-symbol', symbol);
    await expect(this.chart).toHaveAttribute('data-timeframe', timeframe);
    await expect(this.banner).toContainText(`${symbol} ${timeframe} is up to date`, { timeout: 60_000 });
    await this.expectCandles();
  }

  /** Waits until the chart holds bars, and something is drawn of them. */
  async expectCandles(): Promise<void> {
    await expect.poll(() => this.bars()).toBeGreaterThan(0);
    await expect.poll(() => this.candlePixels()).toBeGreaterThan(200);
  }

  async bars(): Promise<number> {
    return Number(await this.chart.getAttribute('data-bars'));
  }

  async candlePixels(): Promise<number> {
    return this.chart.locator('canvas').first().evaluate(colouredPixels);
  }
}

/** The percentages that the texts name, in their order. */
export function percentages(texts: string[]): number[] {
  return texts.flatMap((text) => [...text.matchAll(/(\d+)\s*%/g)].map((match) => Number(match[1])));
}
