import { findStack, lookForStack } from '@aimm/local-stack';
import { expect, it } from 'vitest';
import { withoutPassword } from '../src/commands/status.ts';
import { findPlace } from '../src/stack/find-place.ts';
import { makeStackDirectory, openBareStack } from './support/bare-stack.ts';
import { runCli } from './support/run-cli.ts';

it.each([
  ['redis://:hush@host:6379', 'redis://:…@host:6379'],
  ['postgresql://me:hush@hush@host/db', 'postgresql://me:…@host/db'],
  [
    'postgresql://host/db?user=me&password=hush&sslmode=require',
    'postgresql://host/db?user=me&password=…&sslmode=require',
  ],
  ['redis://me@host', 'redis://me@host'],
  ['file:/data/aimm.db', 'file:/data/aimm.db'],
])('shows %s without a password', (url, shown) => {
  expect(withoutPassword(url)).toBe(shown);
});

it(
  'tells a stack that is starting from none, and lets no command act elsewhere meanwhile',
  { timeout: 30_000 },
  async () => {
    const dataDir = makeStackDirectory();
    expect(await lookForStack(dataDir, 100)).toBeUndefined();
    // It never says that it is ready.
    await openBareStack(dataDir);
    expect(await lookForStack(dataDir, 100)).toBe('starting');
    expect(await findStack(dataDir, 100)).toBeUndefined();
    await expect(findPlace({ dataDir }, 100)).rejects.toThrow(/starting in .*Try again/);

    const { PATH = '', HOME = '' } = process.env;
    const { code, stdout } = await runCli(['status', '--json'], { PATH, HOME, AIMM_DATA_DIR: dataDir });
    expect({ code, ...JSON.parse(stdout) }).toEqual({ code: 1, running: false, starting: true, dataDir });
  },
);
