import { createHash } from 'node:crypto';
import type { LedgerRow } from '@aimm/contracts';
import type { JobsOptions } from 'bullmq';

/** The database may be down for hours: never give up; the pauses grow to half a minute. */
export const untilTaken: JobsOptions = {
  attempts: 1_000_000,
  backoff: { type: 'custom' },
  removeOnComplete: true,
  stackTraceLimit: 0,
};

/** Names all of its rows: a request's later calls come together with the earlier ones, and must not pass for those. */
export function toUsageJobId(rows: readonly LedgerRow[]): string {
  const calls = rows.map(({ requestId, callNumber, status }) => [requestId, callNumber, status]);
  return `usage_${createHash('sha256').update(JSON.stringify(calls)).digest('hex')}`;
}

/** Of the job that carries a result to the database, where that was away. */
export function toBatchRecordJobId(requestId: string): string {
  return `result_${requestId}`;
}
