import { closeSync, ftruncateSync, mkdtempSync, openSync, readFileSync, rmSync, statSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLogger } from '@aimm/runtime';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { boundLog } from '../src/stack/bound-log.ts';

const logger = await createLogger({ name: 'test', level: 'silent', format: 'json' });
const tooLarge = 10 * 1024 * 1024;

describe('boundLog', () => {
  let directory: string;
  let path: string;
  let log: number;
  beforeEach(() => {
    vi.useFakeTimers();
    directory = mkdtempSync(join(tmpdir(), 'aimm-log-'));
    path = join(directory, 'stack.log');
    log = openSync(path, 'a');
  });
  afterEach(() => {
    vi.useRealTimers();
    vi.restoreAllMocks();
    closeSync(log);
    rmSync(directory, { recursive: true });
  });
  const grow = () => {
    ftruncateSync(log, tooLarge);
    vi.advanceTimersByTime(30_000);
  };

  it('puts a large log aside, and goes on at its start', () => {
    const bound = boundLog(path, logger, log);
    writeSync(log, 'first');
    vi.advanceTimersByTime(30_000);
    expect(readFileSync(path, 'utf8')).toBe('first');
    grow();
    writeSync(log, 'next');
    expect(readFileSync(path, 'utf8')).toBe('next');
    expect(readFileSync(`${path}.1`, 'utf8').slice(0, 5)).toBe('first');
    bound.close();
  });

  it('empties one that cannot be put aside, says so once, and ends nothing', () => {
    const warn = vi.spyOn(logger, 'warn');
    const bound = boundLog(join(directory, 'gone/stack.log'), logger, log);
    grow();
    grow();
    expect(statSync(path).size).toBe(0);
    expect(warn).toHaveBeenCalledOnce();
    bound.close();
  });
});
