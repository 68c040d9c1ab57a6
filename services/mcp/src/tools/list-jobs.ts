import { RequestStatus } from '@aimm/contracts';
import * as z from 'zod';
import { defineTool } from '../define-tool.ts';
import { formatJobList, JobListSchema, toJobListOutput } from '../format/job-list.ts';

export const listJobs = defineTool({
  name: 'list_jobs',
  title: 'List jobs',
  description:
    'Lists requests of the last 24 hours and all batches, yours (for admins everybody’s), newest first, with status, models and place in the queue. get_job reads one.',
  input: z.strictObject({
    kind: z.enum(['generation', 'comparison', 'batch']).optional(),
    status: RequestStatus.optional(),
    limit: z.int().min(1).max(100).optional().describe('Default 20.'),
    cursor: z.string().min(1).max(100).optional().describe('next_cursor of the page before.'),
  }),
  output: JobListSchema,
  annotations: { readOnlyHint: true, destructiveHint: false, idempotentHint: true, openWorldHint: false },
  scopes: ['read', 'generate'],
  async run(input, context) {
    const manager = await context.manager();
    const list = await manager.listJobs(context.caller, input);
    return { text: [formatJobList(list)], structured: toJobListOutput(list) };
  },
});
