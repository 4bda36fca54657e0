import type { Page } from '@playwright/test';
import { expectAccessible } from './axe.ts';

export const sizes = { desktop: { width: 1280, height: 800 }, phone: { width: 390, height: 844 } };

/** The page as it is, dark and light, on a desk and on a phone: axe finds nothing. */
export async function expectLook(page: Page, name: string): Promise<void> {
  for (const [size, viewport] of Object.entries(sizes)) {
    await page.setViewportSize(viewport);
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
      await expectAccessible(page, `${name}, ${size}, ${colorScheme}`);
    }
  }
}
