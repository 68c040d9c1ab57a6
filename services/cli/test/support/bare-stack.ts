import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type StackInfo, toStackPaths } from '@aimm/local-stack';
import { createLogger } from '@aimm/runtime';
import { onTestFinished } from 'vitest';
import { type ControlServer, openControlServer } from '../../src/stack/control-server.ts';

/** What a stack says of itself that has no process but this one. */
export function toStackInfo(dataDir: string, more: Partial<StackInfo> = {}): StackInfo {
  return {
    pid: process.pid,
    version: '0.0.0',
    dataDir,
    redisUrl: 'unix:/nowhere',
    databaseUrl: 'file:/nowhere',
    demo: true,
    configured: [],
    startedAt: 0,
    foreground: false,
    workers: 1,
    clients: 0,
    problems: [],
    ...more,
  };
}

/** A data directory of its own, ready for a control server; gone at the test's end. */
export function makeStackDirectory(): string {
  const dataDir = mkdtempSync(join(tmpdir(), 'aimm-bare-stack-'));
  mkdirSync(toStackPaths(dataDir).runDir, { recursive: true });
  onTestFinished(() => rmSync(dataDir, { recursive: true, force: true }));
  return dataDir;
}

/** The control server of that directory's stack: it is starting until it publishes what it is. */
export async function openBareStack(dataDir: string): Promise<ControlServer> {
  const server = await openControlServer({
    path: toStackPaths(dataDir).controlSocket,
    logger: await createLogger({ name: 'test', level: 'silent', format: 'json' }),
    onHandover: async () => undefined,
    onChange: () => undefined,
    onStop: () => undefined,
  });
  onTestFinished(() => server.close());
  return server;
}
