import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadEnvironment } from '@aimm/runtime';
import { afterEach, describe, expect, it } from 'vitest';
import { ensureStackDirectories, toStackPaths } from '../src/index.ts';

describe('toStackPaths', () => {
  const made: string[] = [];
  const temporary = () => {
    const directory = mkdtempSync(join(tmpdir(), 'aimm-paths-'));
    made.push(directory);
    return directory;
  };
  afterEach(() => {
    for (const directory of made.splice(0)) rmSync(directory, { recursive: true, force: true });
  });

  it('keeps the sockets in the data directory', () => {
    expect(toStackPaths('/data/aimm').controlSocket).toBe('/data/aimm/run/control.sock');
  });

  it('keeps sockets connectable however long the data directory is', () => {
    const long = `/data/${'long/'.repeat(30)}`;
    const { controlSocket, redisSocket } = toStackPaths(long);
    expect(Buffer.byteLength(controlSocket)).toBeLessThanOrEqual(100);
    expect(Buffer.byteLength(redisSocket)).toBeLessThanOrEqual(100);
    expect(toStackPaths(`${long}x`).controlSocket).not.toBe(controlSocket);
  });

  it('has one socket for a long data directory however that is spelled', () => {
    const long = `/data/${'long/'.repeat(30)}`;
    const socketOf = (path: string) => toStackPaths(loadEnvironment({ AIMM_DATA_DIR: path }).env.dataDir).controlSocket;
    expect(socketOf(long)).toBe(socketOf(long.slice(0, -1)));
  });

  it('keeps everything from other users', () => {
    const paths = toStackPaths(join(temporary(), 'deep', 'data'));
    ensureStackDirectories(paths);
    for (const path of [paths.dataDir, paths.runDir, paths.logDir, paths.redisDir]) {
      expect(statSync(path).mode & 0o777).toBe(0o700);
    }
  });

  it('refuses a place for its sockets that is no directory of its own', () => {
    const paths = toStackPaths(temporary());
    writeFileSync(paths.runDir, '');
    expect(() => ensureStackDirectories(paths)).toThrow('EEXIST');
  });
});
