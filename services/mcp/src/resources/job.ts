import type { JsonResourceTemplate } from '../define-resource.ts';
import { toJobOutput } from '../format/job.ts';

/** Completions that a protocol answer may carry. */
const mostCompletions = 100;

export const jobResource: JsonResourceTemplate = {
  name: 'job',
  uriTemplate: 'jobs://{id}',
  title: 'Job',
  description: 'A request of the last 24 hours: its place in the queue, the text so far, or the whole answer.',
  cacheHint: { ttlMs: 0, cacheScope: 'private' },
  scopes: ['read', 'generate'],
  read: async (manager, caller, id) => toJobOutput(await manager.getJob(caller, id)),
  complete: async (manager, caller, begun) => {
    const { jobs } = await manager.listJobs(caller, { limit: mostCompletions });
    return jobs.map(({ requestId }) => requestId).filter((id) => id.startsWith(begun));
  },
};
