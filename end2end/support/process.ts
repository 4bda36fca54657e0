import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';

/** The repository's root. */
export const root = fileURLToPath(new URL('../..', import.meta.url));
/** Where the binaries under test are: `debug`, or `release` for `make bench`. */
export const binaries = `${root}target/${process.env.TIDEMARK_PROFILE ?? 'debug'}`;
/** Where the page that goes with them is, from the root. */
export const siteRoot = process.env.LEPTOS_SITE_ROOT ?? 'target/site';

/** A port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

/** Resolves when `condition` does not fail or answer false any more; fails after `seconds`, saying what was awaited. */
export async function until(what: string, condition: () => Promise<boolean>, seconds = 30): Promise<void> {
  const deadline = Date.now() + seconds * 1000;
  for (;;) {
    if (await condition().catch(() => false)) return;
    if (Date.now() > deadline) throw new Error(`${what}: not within ${seconds} s`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}

const running = new Set<Program>();
// A test run that is interrupted leaves nothing behind.
process.on('exit', () => running.forEach((program) => program.signalGroup('SIGKILL')));

/** A program in a process group of its own, with everything it printed. */
export class Program {
  log = '';
  private constructor(
    readonly name: string,
    private readonly child: ChildProcess,
  ) {
    running.add(this);
    for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk) => (this.log += chunk));
  }

  static start(name: string, args: string[], settings: Record<string, string> = {}): Program {
    const env: NodeJS.ProcessEnv = { PATH: process.env.PATH, HOME: process.env.HOME, ...settings };
    const child = spawn(`${binaries}/${name}`, args, { cwd: root, env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
    return new Program(name, child);
  }

  get hasEnded(): boolean {
    return this.child.exitCode !== null || this.child.signalCode !== null;
  }

  /** Waits until `isReady`; a program that ended before that is an error with its last words. */
  async ready(isReady: () => Promise<boolean>): Promise<this> {
    await until(`${this.name} ready`, async () => this.hasEnded || (await isReady())).catch((error) => {
      throw new Error(`${error}\n${this.log}`);
    });
    if (this.hasEnded) throw new Error(`${this.name} ended at once:\n${this.log}`);
    return this;
  }

  /** Ends the program alone and answers its exit code, null where the signal ended it. */
  async end(signal: NodeJS.Signals): Promise<number | null> {
    return this.after(() => this.child.kill(signal));
  }

  /** As Ctrl-C does: the whole process group hears it. */
  async interrupt(): Promise<number | null> {
    return this.after(() => this.signalGroup('SIGINT'));
  }

  /** Ends the program and whatever it started, for the end of a test. */
  async destroy(): Promise<void> {
    await this.after(() => this.signalGroup('SIGKILL'));
    running.delete(this);
  }

  private async after(signal: () => void): Promise<number | null> {
    if (!this.hasEnded) {
      const ended = once(this.child, 'exit');
      signal();
      await ended;
    }
    return this.child.exitCode;
  }

  signalGroup(signal: NodeJS.Signals): void {
    if (this.child.pid !== undefined && !this.hasEnded) process.kill(-this.child.pid, signal);
  }
}
