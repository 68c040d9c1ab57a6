import type { GeneratePayload } from '@aimm/contracts';
import { hopOf, type Requests, toSuccessor } from '@aimm/queue';

/**
 * The job that a request goes on as, by what its last one left behind. Undefined where there is none, and where the request has gone
 * on already: that job may have answered and made room for others by now, and would call once more.
 */
export async function findSuccessor(
  requests: Pick<Requests, 'find'>,
  ...[payload, outcome, left]: Parameters<typeof toSuccessor>
): Promise<GeneratePayload | undefined> {
  const next = toSuccessor(payload, outcome, left);
  if (next === undefined) return undefined;
  const record = await requests.find(payload.requestId);
  // One that names a job before this one is about to name this one.
  return record === undefined || hopOf(record.jobId) <= (payload.hop ?? 0) ? next : undefined;
}
