import { chmod, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ChartPage } from '../support/chart.ts';
import { Server, expect, test } from '../support/world.ts';

/** Command lines of running Postgres processes that serve this folder. */
async function postgresOf(folder: string): Promise<string[]> {
  const processes = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const commands = await Promise.all(processes.map((id) => readFile(`/proc/${id}/cmdline`, 'utf8').catch(() => '')));
  return commands.filter((command) => command.includes('postgres') && command.includes(folder));
}

// No simulator and no database beside it.
test.use({ baseURL: undefined });

test('without any configuration: a private Postgres, made-up bars that say so, and all of it there tomorrow', async ({
  page,
  browser,
}) => {
  const folder = await mkdtemp(join(tmpdir(), 'tidemark-demo-'));
  // As root, Postgres runs as another user, who must be able to get there.
  await chmod(folder, 0o755);
  let server: Server | undefined;
  try {
    server = await Server.start({ TIDEMARK_DATA_DIR: folder });
    expect(server.log).toContain(`Tidemark is at ${server.url}`);
    const chart = new ChartPage(page);
    await page.goto(`${server.url}/chart/AAPL?tf=h1`);
    await chart.expectComplete('AAPL');
    await expect(page.getByText(/synthetic/i).first()).toBeVisible();
    const stored = await chart.bars();
    expect(await postgresOf(folder)).not.toEqual([]);

    expect(await server.program.interrupt(), 'a clean end').toBe(0);
    expect(await postgresOf(folder), 'nothing is left behind').toEqual([]);

    await server.restart();
    // A browser that has nothing in its cache.
    const context = await browser.newContext();
    const other = new ChartPage(await context.newPage());
    const answer = other.page.waitForResponse('**/api/page/chart_data**');
    await other.page.goto(`${server.url}/chart/AAPL?tf=h1`);
    expect((await (await answer).body()).length, 'bars come with the first answer').toBeGreaterThan(stored);
    await other.expectComplete('AAPL');
    expect(await other.bars()).toBeGreaterThanOrEqual(stored);
    await context.close();
    expect(await server.program.end('SIGTERM')).toBe(0);
  } finally {
    await server?.program.end('SIGINT');
    await rm(folder, { recursive: true, force: true });
  }
});
