import { type Page, expect } from '@playwright/test';
import { fileURLToPath } from 'node:url';

const stylePath = fileURLToPath(new URL('picture.css', import.meta.url));

/** The page looks as it did when its picture was kept, but for what depends on today. */
export async function expectPicture(page: Page, name: string): Promise<void> {
  await page.mouse.move(0, 0);
  await expect(page).toHaveScreenshot(`${name}.png`, { stylePath });
}
