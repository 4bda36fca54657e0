import { test as base, expect } from '@playwright/test';
import pg from 'pg';
import { randomBytes } from 'node:crypto';
import { freePort, Program, siteRoot } from './process.ts';

// The tables' 64-bit numbers are small enough for a JavaScript number.
pg.types.setTypeParser(pg.types.builtins.INT8, Number);

/** A database of its own on the Postgres that `make test` provides. */
export class Database {
  private constructor(
    readonly url: string,
    private readonly client: pg.Client,
  ) {}

  static async create(): Promise<Database> {
    const given = process.env.DATABASE_URL;
    if (!given) throw new Error('DATABASE_URL is not set: run the tests with `make test`.');
    const name = `end2end_${randomBytes(6).toString('hex')}`;
    await once(given, `create database ${name}`);
    const url = new URL(given);
    url.pathname = `/${name}`;
    const client = new pg.Client({ connectionString: url.href });
    await client.connect();
    return new Database(url.href, client);
  }

  async rows<T extends object = Record<string, unknown>>(sql: string, values: unknown[] = []): Promise<T[]> {
    return (await this.client.query(sql, values)).rows;
  }

  async count(sql: string): Promise<number> {
    return Number((await this.rows<{ n: number }>(`select count(*) as n from ${sql}`))[0].n);
  }

  async drop(): Promise<void> {
    await this.client.end();
    const url = new URL(this.url);
    const name = url.pathname.slice(1);
    url.pathname = '/postgres';
    await once(url.href, `drop database if exists ${name} with (force)`);
  }
}

async function once(url: string, sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  await client.query(sql).finally(() => client.end());
}

/** The provider simulator, steered through its control endpoints. */
export class Simulator {
  program!: Program;
  private constructor(readonly url: string) {}

  static async start(latencyMs: number): Promise<Simulator> {
    const address = `127.0.0.1:${await freePort()}`;
    const simulator = new Simulator(`http://${address}`);
    await simulator.run(address, latencyMs);
    return simulator;
  }

  private async run(address: string, latencyMs: number): Promise<void> {
    const args = ['--addr', address, '--seed', '7', '--latency-ms', String(latencyMs)];
    this.program = Program.start('tidemark-simulator', args);
    await this.program.ready(async () => (await fetch(`${this.url}/control/requests`)).ok);
  }

  async control(method: string, path: string, body?: object): Promise<any> {
    const response = await fetch(`${this.url}/control/${path}`, {
      method,
      headers: { 'content-type': 'application/json' },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    if (!response.ok) throw new Error(`${method} /control/${path}: ${response.status} ${await response.text()}`);
    const text = await response.text();
    return text === '' ? undefined : JSON.parse(text);
  }

  async setLatency(milliseconds: number): Promise<void> {
    await this.control('POST', 'settings', { latency_ms: milliseconds });
  }

  /** How many requests for one slice were ever under way at once. */
  async overlap(): Promise<number> {
    return (await this.control('GET', 'requests')).max_concurrent_overlap;
  }

  async forgetRequests(): Promise<void> {
    await this.control('DELETE', 'requests');
  }

  async requestCount(): Promise<number> {
    return (await this.control('GET', 'requests')).requests.length;
  }

  /** Every request for the symbol's bars at that time gets a 500. */
  async failAt(symbol: string, time: number): Promise<void> {
    await this.control('POST', 'faults', [{ kind: 'server_error', symbol, from: time, to: time + 1 }]);
  }

  async clearFaults(): Promise<void> {
    await this.control('DELETE', 'faults');
  }
}

/** `tidemark serve` on a port that it keeps over restarts. */
export class Server {
  program!: Program;
  private constructor(
    readonly url: string,
    private readonly settings: Record<string, string>,
  ) {}

  static async start(settings: Record<string, string>): Promise<Server> {
    const address = `127.0.0.1:${await freePort()}`;
    // No test reaches the internet: the venues are off, or at the simulator.
    const venues: Record<string, string> = 'COINBASE_BASE_URL' in settings ? {} : { TIDEMARK_VENUES: '' };
    const usual = { TIDEMARK_ADDR: address, LEPTOS_SITE_ROOT: siteRoot, ...venues };
    const server = new Server(`http://${address}`, { ...usual, ...settings });
    await server.run();
    return server;
  }

  private async run(): Promise<void> {
    this.program = Program.start('tidemark', ['serve'], this.settings);
    await this.program.ready(async () => (await fetch(`${this.url}/healthz`)).ok);
  }

  get log(): string {
    return this.program.log;
  }

  /** How many event streams it has open. */
  async openStreams(): Promise<number> {
    const metrics = await (await fetch(`${this.url}/metrics`)).text();
    return Number(/^tidemark_event_streams (\d+)/m.exec(metrics)?.[1] ?? 0);
  }

  /** As a power cut would end it. */
  async kill9(): Promise<void> {
    await this.program.end('SIGKILL');
  }

  /** Starts it again, after a clean stop where it still runs. */
  async restart(): Promise<void> {
    await this.program.end('SIGTERM');
    await this.run();
  }
}

/** What one test runs against; all of it is its own. */
export interface World {
  database: Database;
  simulator: Simulator;
  server: Server;
}

export interface WorldOptions {
  /** What the simulator takes for each request, at first. */
  latencyMs: number;
  /** Settings of the server beyond the usual ones. */
  settings: Record<string, string>;
}

/** Settings under which the server asks the simulator for everything. */
export function providersAt(url: string): Record<string, string> {
  return {
    POLYGON_BASE_URL: url,
    POLYGON_API_KEY: 'end-to-end',
    TRADIER_BASE_URL: url,
    TRADIER_ACCESS_TOKEN: 'end-to-end',
    COINBASE_BASE_URL: url,
    BINANCE_BASE_URL: url,
    KRAKEN_BASE_URL: url,
  };
}

export const test = base.extend<WorldOptions & { world: World }>({
  latencyMs: [20, { option: true }],
  settings: [{}, { option: true }],
  world: async ({ latencyMs, settings }, use, info) => {
    const database = await Database.create();
    const simulator = await Simulator.start(latencyMs);
    const server = await Server.start({
      DATABASE_URL: database.url,
      TIDEMARK_LEASE_SECONDS: '5',
      // Tests count requests; those of the bar under way switch it on.
      TIDEMARK_LIVE_SECONDS: '0',
      ...providersAt(simulator.url),
      ...settings,
    });
    await use({ database, simulator, server });
    if (info.status !== info.expectedStatus) {
      await info.attach('server.log', { body: server.log, contentType: 'text/plain' });
      console.log(server.log.split('\n').slice(-40).join('\n'));
    }
    await server.program.destroy();
    await simulator.program.destroy();
    await database.drop();
  },
  // Paths in `page.goto` are the server's.
  baseURL: async ({ world }, use) => use(world.server.url),
});

export { expect };
