import { setTimeout as sleep } from 'node:timers/promises';
import { ModelManagerError } from '@aimm/contracts';
import type { Client } from './client.ts';
import { type DatabaseKind, databaseNames } from './database-url.ts';

/** The milliseconds of one round trip. @throws ModelManagerError `unavailable` without an answer within `timeoutMs` */
export async function pingDatabase(kind: DatabaseKind, client: Client, timeoutMs: number): Promise<number> {
  const startedAt = performance.now();
  const timer = new AbortController();
  const late = sleep(timeoutMs, 'late' as const, { signal: timer.signal });
  try {
    const first = await Promise.race([client.$queryRaw`SELECT 1`, late]);
    if (first !== 'late') return performance.now() - startedAt;
    throw new ModelManagerError('unavailable', `${databaseNames[kind]} did not answer within ${timeoutMs} ms.`);
  } finally {
    timer.abort();
    late.catch(() => undefined);
  }
}
