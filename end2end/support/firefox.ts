import { existsSync, mkdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { type Browser, type Page, launch } from 'puppeteer-core';
import { expect } from '@playwright/test';
import { RULES } from './axe.ts';
import { colouredPixels } from './chart.ts';

// Playwright needs a newer Firefox than Debian's, or one of its own build; Puppeteer drives any.
const program = process.env.FIREFOX ?? '/usr/bin/firefox-esr';

/** Whether there is a Firefox here. */
export const hasFirefox = existsSync(program);

/** `home` is made for it: it refuses to start where the usual one is another user's. */
export async function startFirefox(home: string): Promise<Browser> {
  mkdirSync(home, { recursive: true });
  return launch({
    browser: 'firefox',
    executablePath: program,
    headless: true,
    defaultViewport: { width: 1280, height: 800 },
    env: { ...process.env, HOME: home },
  });
}

/** The chart page in Firefox, as its reader sees it. */
export class FirefoxPage {
  constructor(
    readonly page: Page,
    private readonly url: string,
  ) {}

  async open(path: string): Promise<void> {
    await this.page.goto(`${this.url}${path}`);
  }

  /** The text of what bears that test id; empty where nothing does. */
  async text(id: string): Promise<string> {
    return this.page.evaluate((id) => document.querySelector(`[data-testid="${id}"]`)?.textContent ?? '', id);
  }

  async attribute(id: string, name: string): Promise<string | null> {
    return this.page.evaluate((id, name) => document.querySelector(`[data-testid="${id}"]`)?.getAttribute(name) ?? null, id, name);
  }

  async expectText(id: string, text: string | RegExp): Promise<void> {
    await expect.poll(() => this.text(id), { timeout: 60_000 }).toMatch(text);
  }

  async expectChart(name: string, value: string | RegExp): Promise<void> {
    await expect.poll(() => this.attribute('chart', name), { timeout: 30_000 }).toMatch(value);
  }

  async click(id: string): Promise<void> {
    await this.page.locator(`[data-testid="${id}"]`).click();
  }

  /** Types it into a field in place of what stands there, and presses Enter. */
  async enter(id: string, text: string): Promise<void> {
    await this.page.locator(`[data-testid="${id}"]`).fill(text);
    await this.page.focus(`[data-testid="${id}"]`);
    await this.page.keyboard.press('Enter');
  }

  /** Waits until all is fetched and drawn. */
  async expectComplete(symbol: string, timeframe: string): Promise<void> {
    await this.expectChart('data-symbol', symbol);
    await this.expectText('banner', `${symbol} ${timeframe} is up to date`);
    await expect.poll(() => this.candlePixels()).toBeGreaterThan(200);
  }

  /** A place of the chart, given as parts of its width and height, in pixels of the window. */
  async at(x: number, y: number): Promise<[number, number]> {
    const box = await this.page.evaluate(() => {
      const { left, top, width, height } = document.querySelector('[data-testid=chart]')!.getBoundingClientRect();
      return { left, top, width, height };
    });
    return [box.left + box.width * x, box.top + box.height * y];
  }

  async drag(from: [number, number], to: [number, number]): Promise<void> {
    await this.page.mouse.move(...(await this.at(...from)));
    await this.page.mouse.down();
    await this.page.mouse.move(...(await this.at(...to)), { steps: 5 });
    await this.page.mouse.up();
  }

  async candlePixels(): Promise<number> {
    return this.page.$eval('[data-testid=chart] canvas', colouredPixels);
  }

  /** Axe finds nothing against WCAG 2.2 AA. */
  async expectAccessible(what: string): Promise<void> {
    await this.page.addScriptTag({ path: createRequire(import.meta.url).resolve('axe-core') });
    const found = await this.page.evaluate(async (tags) => {
      const { violations } = await (globalThis as any).axe.run(document, { runOnly: { type: 'tag', values: tags } });
      return violations.map((it: any) => `${it.id} at ${it.nodes.map((node: any) => node.target.join(' ')).join(', ')}`);
    }, RULES);
    expect(found, what).toEqual([]);
  }
}
