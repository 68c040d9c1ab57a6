import { ErrorCode, RequestStatus } from '@aimm/contracts';
import type { JobList } from '@aimm/manager';
import * as z from 'zod';
import { formatSeconds, toIsoTime } from './units.ts';
import { formatPlace, formatPutAside } from './wait.ts';

export const JobListSchema = z.object({
  jobs: z.array(
    z.object({
      job_id: z.string(),
      kind: z.enum(['generation', 'comparison', 'batch']),
      status: RequestStatus,
      models: z.array(z.string()),
      client: z.string(),
      created_at: z.string(),
      age_seconds: z.int(),
      position: z.int().optional().describe('Place in the queue while status is queued; 1 is next.'),
      estimated_wait_ms: z.int().optional(),
      error_code: ErrorCode.optional(),
    }),
  ),
  next_cursor: z.string().optional().describe('There are more: ask with this.'),
  warnings: z.array(z.string()).optional(),
});

const batchesMissing = 'Batches are not listed: the database cannot be read at the moment. Try again later.';

export function toJobListOutput({ jobs, nextCursor, withoutBatches }: JobList): z.input<typeof JobListSchema> {
  return {
    jobs: jobs.map(({ requestId, kind, status, models, client, createdAt, ageMs, wait, errorCode }) => ({
      job_id: requestId,
      kind,
      status,
      models,
      client,
      created_at: toIsoTime(createdAt),
      age_seconds: Math.floor(ageMs / 1_000),
      ...(wait?.position !== undefined && { position: wait.position }),
      ...(wait?.estimatedWaitMs !== undefined && { estimated_wait_ms: Math.round(wait.estimatedWaitMs) }),
      ...(errorCode !== undefined && { error_code: errorCode }),
    })),
    ...(nextCursor !== undefined && { next_cursor: nextCursor }),
    ...(withoutBatches && { warnings: [batchesMissing] }),
  };
}

export function formatJobList({ jobs, nextCursor, withoutBatches }: JobList): string {
  const warnings = withoutBatches ? [`Warning: ${batchesMissing}`] : [];
  if (jobs.length === 0 && nextCursor === undefined)
    return ['No such request of the last 24 hours, and no such batch.', ...warnings].join('\n');
  const lines = jobs.map(({ requestId, status, models, ageMs, wait, errorCode }) => {
    const place =
      wait === undefined
        ? ''
        : `, ${wait.position === undefined ? formatPutAside(wait) : formatPlace({ ...wait, position: wait.position })}`;
    const why = errorCode === undefined ? '' : ` (${errorCode})`;
    return `${requestId} · ${status}${why}${place} · ${models.join(', ')} · ${formatSeconds(ageMs)} ago`;
  });
  const more = nextCursor === undefined ? [] : [`There are more: cursor ${nextCursor}.`];
  return [...lines, ...more, ...warnings].join('\n');
}
