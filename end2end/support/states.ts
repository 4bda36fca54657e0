import { expect } from '@playwright/test';
import type { ChartPage } from './chart.ts';
import type { World } from './world.ts';

const DAY = 86_400_000;

/** A chart whose newest bars are here while the rest is on its way, and stays so. */
export async function openPartial(chart: ChartPage, world: World): Promise<void> {
  const old = Date.now() - 20 * DAY;
  await world.simulator.control('POST', 'faults', [{ kind: 'stall', symbol: 'X:BTCUSD', from: 0, to: old }]);
  await chart.open('X:BTCUSD');
  await chart.expectState('hydrating');
  await chart.expectCandles();
}

/** A chart whose provider has no bars. */
export async function openEmpty(chart: ChartPage, world: World): Promise<void> {
  await world.simulator.control('POST', 'faults', [{ kind: 'empty', symbol: 'X:BTCUSD' }]);
  await chart.open('X:BTCUSD', 'd1');
  await expect(chart.page.getByTestId('vacancy')).toContainText('No bars in this window');
}

/** A chart that no provider can be asked for. */
export async function openFailed(chart: ChartPage, world: World, timeframe?: string): Promise<void> {
  await world.simulator.program.end('SIGKILL');
  await chart.open('AAPL', timeframe);
  await chart.expectState('failed');
  await expect(chart.page.getByTestId('vacancy')).toContainText('The provider does not answer');
}
