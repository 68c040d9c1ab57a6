import { RequestId } from '@aimm/contracts';
import * as z from 'zod';
import { defineTool } from '../define-tool.ts';
import { toErrorOutput } from '../errors.ts';
import { formatCancelled, jobFields } from '../format/job.ts';
import { toIsoTime } from '../format/units.ts';

const { job_id, status, kind, created_at, error } = jobFields;

export const cancelJob = defineTool({
  name: 'cancel_job',
  title: 'Cancel a job',
  description:
    'Cancels a request by its job_id: what waits is removed, what runs is aborted. What had ended stays as it ended.',
  input: z.strictObject({ job_id: RequestId }),
  output: z.object({ job_id, status, kind, created_at, error }),
  annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: true, openWorldHint: false },
  scopes: ['generate'],
  async run(input, context) {
    const manager = await context.manager();
    const view = await manager.cancelJob(context.caller, input.job_id);
    return {
      text: [formatCancelled(view)],
      structured: {
        job_id: view.requestId,
        status: view.status,
        kind: view.kind,
        created_at: toIsoTime(view.createdAt),
        error: view.error && toErrorOutput(view.error),
      },
    };
  },
});
