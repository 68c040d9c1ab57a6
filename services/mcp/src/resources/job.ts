import { type RequestKind, RequestId, requestKinds } from '@aimm/contracts';
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
    const page = toPage(begun);
    if (page === undefined) return [];
    const { jobs } = await manager.listJobs(caller, { ...page, limit: mostCompletions });
    return jobs.map(({ requestId }) => requestId).filter((id) => id.startsWith(begun));
  },
};

const lastUuid = 'ffffffff-ffff-7fff-bfff-ffffffffffff';
const timeChars = 'ffffffff-ffff'.length;

/** Where the ids that begin so are in the list, which is by the time in them; undefined: there can be none. */
function toPage(begun: string): { kind?: RequestKind; cursor?: string } | undefined {
  const [, prefix, time = ''] = /^(gen|cmp|bat)_(.*)$/.exec(begun) ?? [];
  if (prefix === undefined) return {};
  // One of those that the expression lets through.
  const kind = requestKinds[prefix as keyof typeof requestKinds];
  if (time === '') return { kind };
  const known = time.slice(0, timeChars);
  const cursor = RequestId.safeParse(`${prefix}_${known}${lastUuid.slice(known.length)}`);
  return cursor.success ? { kind, cursor: cursor.data } : undefined;
}
