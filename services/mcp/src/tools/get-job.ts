import { RequestId } from '@aimm/contracts';
import type { JobView } from '@aimm/manager';
import * as z from 'zod';
import { cancelledByClient, defineTool, type ToolContext } from '../define-tool.ts';
import { formatBatch, formatBatchResults } from '../format/batch.ts';
import { createFollower, endWithin } from '../follow.ts';
import { formatJob, jobFields, toJobOutput } from '../format/job.ts';
import { toMs } from '../input/to-ask.ts';

export const getJob = defineTool({
  name: 'get_job',
  title: 'Read a job',
  description:
    'Reads a request by the job_id that generate, compare_models or start_batch gave: its place in the queue, the text so far, or the whole answer; of a batch progress, a summary per model and a page of results. Waits for the end where wait_seconds says so.',
  input: z.strictObject({
    job_id: RequestId,
    wait_seconds: z.number().min(0).max(3600).optional().describe('How long to wait for the end; default 0.'),
    cursor: z
      .string()
      .regex(/^\d{1,9}(\.\d{1,4})?$/, 'expected next_cursor of the page before')
      .optional(),
    limit: z.int().min(1).max(100).optional().describe('Results per page; default 100.'),
  }),
  output: z.object({
    ...jobFields,
    next_cursor: z.string().optional().describe('There are more results: ask with this.'),
  }),
  annotations: { readOnlyHint: true, destructiveHint: false, idempotentHint: true, openWorldHint: false },
  // Who may ask must be able to read what took longer than the call.
  scopes: ['read', 'generate'],
  meta: { 'anthropic/maxResultSizeChars': 500_000 },
  steps: ({ job_id: jobId }) => (jobId.startsWith('gen_') ? undefined : 'later'),
  async run(input, context) {
    const view = await readJob(input, toMs(input.wait_seconds) ?? 0, context);
    if (view.batch !== undefined) return toBatchAnswer(view, view.batch);
    const { page, nextCursor } = pageOf(view, Number(input.cursor ?? 0), input.limit ?? 100);
    return {
      text: [...formatJob(page), nextCursor === undefined ? '' : `There are more results: cursor ${nextCursor}.`],
      structured: { ...toJobOutput(page), ...(nextCursor !== undefined && { next_cursor: nextCursor }) },
    };
  },
});

/** Waits no longer than the client does. Giving up the wait leaves the job alone: only cancel_job ends it. */
async function readJob(
  { job_id: jobId, cursor, limit }: { job_id: string; cursor?: string | undefined; limit?: number | undefined },
  askedMs: number,
  context: ToolContext,
): Promise<JobView> {
  const manager = await context.manager();
  const patienceMs = context.progress === undefined ? Math.max(0, context.handBackAt - Date.now()) : Infinity;
  const waitMs = Math.min(askedMs, patienceMs);
  const { onProgress } = createFollower(context.progress, followedKinds[jobId.slice(0, 3)] ?? 'comparison');
  const reading = manager.getJob(context.caller, jobId, {
    waitMs,
    onProgress,
    signal: context.gone,
    ...(jobId.startsWith('bat_') && { cursor, limit }),
  });
  const view = await endWithin<JobView | undefined>(reading, undefined, undefined, context.gone);
  if (view === undefined) throw cancelledByClient();
  return view;
}

const followedKinds: Readonly<Record<string, 'generation' | 'batch'>> = { gen: 'generation', bat: 'batch' };

function toBatchAnswer(view: JobView, batch: NonNullable<JobView['batch']>) {
  const { generations = [], nextCursor } = view;
  const columns = batch.columns.map(({ column }) => column);
  const ended = generations.filter(({ status }) => status !== 'waiting' && status !== 'queued');
  return {
    text: [
      ...formatBatch(batch),
      formatBatchResults(ended, columns),
      nextCursor === undefined ? '' : `There are more results: cursor ${nextCursor}.`,
    ],
    structured: { ...toJobOutput(view), ...(nextCursor !== undefined && { next_cursor: nextCursor }) },
  };
}

/** A comparison's answers by pages. Where there are none yet, its models (10 at most) stand there together with how they are. */
function pageOf(view: JobView, start: number, limit: number): { page: JobView; nextCursor: string | undefined } {
  const { comparison } = view;
  if (comparison === undefined) return { page: view, nextCursor: undefined };
  const end = start + limit;
  return {
    page: { ...view, comparison: { ...comparison, entries: comparison.entries.slice(start, end) } },
    nextCursor: end < comparison.entries.length ? String(end) : undefined,
  };
}
