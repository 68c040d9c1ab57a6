import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLogger } from '@aimm/runtime';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type SupervisedOptions, superviseProcess, type SupervisedProcess } from '../src/stack/supervised-process.ts';

const logger = await createLogger({ name: 'test', level: 'silent', format: 'json' });

describe('superviseProcess', { timeout: 15_000 }, () => {
  let directory: string;
  let child: SupervisedProcess | undefined;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'aimm-child-'));
  });
  afterEach(async () => {
    await child?.stop();
    rmSync(directory, { recursive: true, force: true });
  });

  /** Runs `script`, which has the child's pid and what it was sent written to files. Gives the urls it reported. */
  const supervise = (
    script: string,
    more: Partial<Pick<SupervisedOptions, 'environment' | 'graceMs' | 'onKey' | 'onStoredKeys'>> = {},
  ) => {
    const file = join(directory, 'child.mjs');
    writeFileSync(file, script);
    const reported: (string | undefined)[] = [];
    child = superviseProcess({
      name: 'child',
      args: [file],
      environment: more.environment ?? (() => ({})),
      logger,
      graceMs: more.graceMs ?? 5_000,
      ...(more.onStoredKeys !== undefined && { onStoredKeys: more.onStoredKeys }),
      onReady: ({ url }) => reported.push(url),
      ...(more.onKey !== undefined && { onKey: more.onKey }),
    });
    return { child, reported };
  };

  it('starts a child again that ended, with the environment of that moment', async () => {
    let turn = 0;
    const { reported } = supervise(
      `process.send({ type: 'ready', url: process.env.TURN }, () => process.env.TURN === '1' && process.exit(7)); setInterval(() => {}, 1000)`,
      { environment: () => ({ TURN: String(++turn) }) },
    );
    await vi.waitFor(() => expect(reported).toEqual(['1', '2']), { timeout: 8_000 });
  });

  it('says how a child ended until it works again', async () => {
    const { child: supervised } = supervise(`process.exit(7)`);
    await vi.waitFor(() => expect(supervised.problem()).toBe('child ended with code 7; it is started again'), 5_000);
  });

  it('has a child read its configuration anew once it works, and ends none that only starts', async () => {
    const target = join(directory, 'reloads');
    const { child: supervised, reported } = supervise(
      `import { appendFileSync } from 'node:fs';
       process.on('message', () => {
         process.on('SIGHUP', () => appendFileSync(${JSON.stringify(target)}, 'x'));
         process.send({ type: 'ready' });
       });
       process.send({ type: 'stored-keys', providers: [] });`,
      {
        onStoredKeys: () => {
          supervised.reload();
          supervised.send({ type: 'environment', environment: {} });
        },
      },
    );
    await vi.waitFor(() => expect(reported).toHaveLength(1), 5_000);
    supervised.reload();
    await vi.waitFor(() => expect(readFileSync(target, 'utf8')).toBe('x'), 5_000);
    expect(supervised.problem()).toBeUndefined();
  });

  it('passes on what a child tells of keys', async () => {
    const told: unknown[] = [];
    const key = { provider: 'openai', mark: '0123456789abcdef', refused: true };
    supervise(`process.send({ type: 'key', ...${JSON.stringify(key)} }); setInterval(() => {}, 1000)`, {
      onKey: (verdict) => told.push(verdict),
    });
    await vi.waitFor(() => expect(told).toEqual([{ type: 'key', ...key }]), 5_000);
  });

  it('hands messages to the child', async () => {
    const target = join(directory, 'received.json');
    const { child: supervised, reported } = supervise(
      `import { writeFileSync } from 'node:fs';
       process.on('message', (message) => writeFileSync(${JSON.stringify(target)}, JSON.stringify(message)));
       process.send({ type: 'ready' });`,
    );
    await vi.waitFor(() => expect(reported).toHaveLength(1), 5_000);
    const message = { type: 'environment', environment: { OPENAI_API_KEY: 'k' } } as const;
    supervised.send(message);
    await vi.waitFor(() => expect(JSON.parse(readFileSync(target, 'utf8'))).toEqual(message), 5_000);
  });

  it('kills a child that does not leave in time', async () => {
    const { child: supervised, reported } = supervise(
      `process.on('SIGTERM', () => {}); process.send({ type: 'ready' }); setInterval(() => {}, 1000)`,
      { graceMs: 200 },
    );
    await vi.waitFor(() => expect(reported).toHaveLength(1), 5_000);
    await supervised.stop();
    expect(supervised.problem()).toBeUndefined();
  });
});
