import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { acquireStackLock } from '../src/stack/stack-lock.ts';

const holderScript = fileURLToPath(new URL('fixtures/hold-lock.ts', import.meta.url));

describe('acquireStackLock', { timeout: 15_000 }, () => {
  let directory: string;
  let path: string;
  let holder: ChildProcess | undefined;

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'aimm-lock-'));
    path = join(directory, 'stack.lock');
  });
  afterEach(() => {
    holder?.kill('SIGKILL');
    rmSync(directory, { recursive: true, force: true });
  });
  const holdElsewhere = async () => {
    const child = spawn(process.execPath, [holderScript, path], { stdio: ['ignore', 'pipe', 'inherit'] });
    holder = child;
    await once(child.stdout, 'data');
    return child;
  };

  it('keeps other processes out while it is held', async () => {
    await holdElsewhere();
    expect(acquireStackLock(path)).toBeUndefined();
  });

  it('is free again at once when its holder is killed', async () => {
    const child = await holdElsewhere();
    child.kill('SIGKILL');
    await once(child, 'exit');
    const lock = acquireStackLock(path);
    expect(lock).toBeDefined();
    lock?.release();
  });

  it('can be taken again after its release', () => {
    acquireStackLock(path)?.release();
    const lock = acquireStackLock(path);
    expect(lock).toBeDefined();
    lock?.release();
  });
});
