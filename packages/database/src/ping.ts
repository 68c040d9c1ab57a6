import { ModelManagerError } from '@aimm/contracts';
import { within } from '@aimm/runtime/within';
import type { Client } from './client.ts';
import { type DatabaseKind, databaseNames } from './database-url.ts';

/** The milliseconds of one round trip. @throws ModelManagerError `unavailable` without an answer within `timeoutMs` */
export async function pingDatabase(kind: DatabaseKind, client: Client, timeoutMs: number): Promise<number> {
  const startedAt = performance.now();
  await within(timeoutMs, client.$queryRaw`SELECT 1`, () => {
    throw new ModelManagerError('unavailable', `${databaseNames[kind]} did not answer within ${timeoutMs} ms.`);
  });
  return performance.now() - startedAt;
}
