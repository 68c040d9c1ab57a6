import type { JobView } from '@aimm/manager';
import * as z from 'zod';
import { formatError, toErrorOutput } from '../errors.ts';
import { batchFields, BatchResultSchema, formatBatch, toBatchOutput, toBatchResultOutput } from './batch.ts';
import { comparisonFields, formatComparison, toComparisonOutput } from './comparison.ts';
import { formatGeneration, generationFields, toGenerationOutput } from './generation.ts';
import { toIsoTime } from './units.ts';
import { formatPlace, formatPutAside } from './wait.ts';

/** A request as it stands: what its own tool would answer, and how far it is. */
export const jobFields = {
  ...comparisonFields,
  ...generationFields,
  batch: z.object(batchFields).optional(),
  generations: z.array(BatchResultSchema).optional().describe('A page of a batch’s results.'),
  kind: z.enum(['generation', 'comparison', 'batch']).optional(),
  created_at: z.string().optional(),
  position: z.int().optional().describe('Place in the queue while status is queued; 1 is next.'),
  estimated_wait_ms: z.int().optional(),
  waiting_for: z.enum(['queue', 'rate_limit', 'provider', 'retry']).optional(),
  waiting_until: z.string().optional(),
};
const JobOutput = z.object(jobFields);
export type JobOutput = z.input<typeof JobOutput>;

export function toJobOutput(view: JobView): JobOutput {
  const children = view.children ?? [];
  return {
    ...(view.generation && toGenerationOutput(view.generation)),
    ...(view.comparison && toComparisonOutput(view.comparison)),
    ...(view.comparison === undefined &&
      children.length > 0 && {
        results: children.map((child) => ({ job_id: child.requestId, status: child.status, model: child.model })),
        progress: { finished: children.filter(hasEnded).length, total: children.length },
      }),
    ...(view.batch && { batch: toBatchOutput(view.batch) }),
    ...(view.generations && { generations: view.generations.map(toBatchResultOutput) }),
    job_id: view.requestId,
    kind: view.kind,
    status: view.status,
    created_at: toIsoTime(view.createdAt),
    ...(view.model !== undefined && view.generation === undefined && { model: view.model }),
    position: view.position,
    ...(view.wait !== undefined && {
      estimated_wait_ms: view.wait.estimatedWaitMs,
      waiting_for: view.wait.waitingFor,
      ...(view.wait.waitingUntil !== undefined && { waiting_until: toIsoTime(view.wait.waitingUntil) }),
    }),
    partial_text: view.partialText,
    error: view.error && toErrorOutput(view.error),
  };
}

function hasEnded({ status }: { status: JobView['status'] }): boolean {
  return status === 'succeeded' || status === 'failed' || status === 'cancelled';
}

export function formatJob(view: JobView): string[] {
  if (view.batch !== undefined) return formatBatch(view.batch);
  if (view.generation !== undefined) return formatGeneration(view.generation);
  if (view.comparison !== undefined) return formatComparison(view.comparison);
  const what = `${view.requestId}${view.model === undefined ? '' : ` (${view.model})`}`;
  switch (view.status) {
    case 'queued': {
      const aside = view.wait === undefined ? '' : `: ${formatPutAside(view.wait)}`;
      const place = view.position === undefined ? aside : `, ${formatPlace({ ...view.wait, position: view.position })}`;
      return [`${what} is waiting${place}. ${callAgain}`, formatChildren(view)];
    }
    case 'running':
      return [
        view.partialText ?? '',
        `${what} is running${view.partialText === undefined ? '' : '; the text so far is above'}. ${callAgain}`,
        formatChildren(view),
      ];
    case 'failed':
    case 'cancelled':
      return [
        view.partialText ?? '',
        view.error === undefined ? `${what} ${view.status}.` : formatError(view.error, view.requestId),
        formatChildren(view),
      ];
    case 'succeeded':
      return [`${what} succeeded; its answer is no longer kept.`];
  }
}

const callAgain = 'Call get_job with wait_seconds to wait for the end.';

function formatChildren({ children = [] }: JobView): string {
  return children.map((child) => `${child.model}: ${child.status} (${child.requestId})`).join('\n');
}

/** What a call says that gives back the id in place of the answer. */
export function formatHandBack(jobId: string, partialText: string): string[] {
  return [
    partialText,
    `Not finished yet${partialText === '' ? '' : '; the text so far is above'}. The job goes on: call get_job with job_id ${jobId} and wait_seconds to read the answer.`,
  ];
}

export function formatQueued(jobId: string, models: readonly string[]): string[] {
  return [`Queued for ${models.join(', ')}. Call get_job with job_id ${jobId} to read the answer.`];
}

/** What cancelling came to. */
export function formatCancelled({ requestId, status }: JobView): string {
  switch (status) {
    case 'cancelled':
      return `${requestId} is cancelled.`;
    case 'succeeded':
      return `${requestId} had succeeded before it could be cancelled; get_job reads its answer.`;
    case 'failed':
      return `${requestId} had failed before it could be cancelled; get_job says why.`;
    case 'queued':
    case 'running':
      return `${requestId} is being cancelled; get_job shows when it has ended.`;
  }
}
