import { defineConfig } from '@playwright/test';

// Debian's Chromium, with what keeps it quiet and lets it run as root.
const args = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

export default defineConfig({
  testDir: 'tests',
  outputDir: 'test-results/artifacts',
  // Every test starts a server, a simulator and a browser page of its own.
  workers: 2,
  fullyParallel: true,
  timeout: 90_000,
  expect: {
    timeout: 30_000,
    // Room for the last price, which moves, and for edges; a missing sentence is more.
    toHaveScreenshot: { animations: 'disabled', caret: 'hide', maxDiffPixelRatio: 0.005 },
  },
  snapshotPathTemplate: 'pictures/{arg}{ext}',
  updateSnapshots: process.env.CI ? 'none' : 'missing',
  forbidOnly: !!process.env.CI,
  retries: 0,
  reporter: [['list'], ['json', { outputFile: 'test-results/results.json' }]],
  use: {
    browserName: 'chromium',
    headless: true,
    viewport: { width: 1280, height: 800 },
    screenshot: 'only-on-failure',
    launchOptions: { executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args },
  },
});
