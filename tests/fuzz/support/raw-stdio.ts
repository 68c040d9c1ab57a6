import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { binPath } from '../../support/mcp-client.ts';
import { within } from './fuzz.ts';
import type { Watched } from './watch.ts';

/** `aimm mcp` at the end of three pipes, for bytes that no client would write. */
export interface RawStdio extends Watched {
  /** Every line it wrote to stdout since this was read last. */
  takeLines(): string[];
  write(bytes: Buffer | string): Promise<void>;
  /** Sends a request, and resolves with its answer. @throws after five seconds, or when the process ends */
  ask(method: string, params?: object): Promise<Record<string, unknown>>;
  /** Resolves when a line answers this id. @throws after five seconds, or when the process ends */
  answered(id: string | number): Promise<Record<string, unknown>>;
  stopReading(): void;
  goOnReading(): void;
  /** Closes stdin and resolves with the exit code. */
  end(): Promise<number | null>;
}

const handshake = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'raw', version: '1' } };

/** Starts a front; without `greet` not even the handshake has been. */
export async function startRawStdio(environment: Record<string, string>, { greet = true } = {}): Promise<RawStdio> {
  const { PATH = '', HOME = '' } = process.env;
  const child = spawn(process.execPath, [binPath, 'mcp'], { env: { PATH, HOME, ...environment } });
  const killOnExit = () => child.kill('SIGKILL');
  process.once('exit', killOnExit);
  const closed = once(child, 'close').then(([code]) => code as number | null);
  void closed.then(() => process.removeListener('exit', killOnExit));
  let log = '';
  child.stderr.on('data', (piece: Buffer) => (log += piece.toString()));
  // Told as `it has ended` below.
  child.stdin.on('error', () => undefined);
  const reader = createInterface({ input: child.stdout });
  let lines: string[] = [];
  const answers = new Map<string | number, Record<string, unknown>>();
  reader.on('line', (line) => {
    lines.push(line);
    const message = parseObject(line);
    const { id } = message;
    if (typeof id === 'string' || typeof id === 'number') answers.set(id, message);
  });
  let asked = 0;
  const left = closed.then((code) => {
    throw new Error(`the stdio front left with code ${code}:\n${log.slice(-3_000)}`);
  });
  left.catch(() => undefined);

  const answered = async (id: string | number) => {
    const wait = async () => {
      for (;;) {
        const found = answers.get(id);
        if (found !== undefined) return found;
        await Promise.race([once(reader, 'line'), left]);
      }
    };
    return within(`an answer to request ${id}`, wait());
  };
  const raw: RawStdio = {
    name: 'the stdio front',
    pid: child.pid ?? 0,
    log: () => log,
    takeLines() {
      const taken = lines;
      lines = [];
      answers.clear();
      return taken;
    },
    async write(bytes) {
      if (child.stdin.writable && !child.stdin.write(bytes)) await Promise.race([once(child.stdin, 'drain'), closed]);
    },
    async ask(method, params) {
      const id = `own-${(asked += 1)}`;
      await raw.write(`${JSON.stringify({ jsonrpc: '2.0', id, method, ...(params && { params }) })}\n`);
      return answered(id);
    },
    answered,
    stopReading: () => void reader.pause(),
    goOnReading: () => void reader.resume(),
    async end() {
      child.stdin.end();
      return within('the end of the stdio front', closed, 15_000);
    },
  };
  if (greet) {
    await raw.ask('initialize', handshake);
    await raw.write(`${JSON.stringify({ jsonrpc: '2.0', method: 'notifications/initialized' })}\n`);
  }
  return raw;
}

function parseObject(line: string): Record<string, unknown> {
  try {
    return JSON.parse(line) as Record<string, unknown>;
  } catch {
    return {};
  }
}
