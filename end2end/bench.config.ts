import config from './playwright.config.ts';

// What `make bench` runs: one measurement after the other, on a release build.
export default {
  ...config,
  testDir: '../bench',
  outputDir: 'test-results/bench',
  workers: 1,
  timeout: 300_000,
  reporter: [['list']],
};
