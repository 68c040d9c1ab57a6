import type { ModelManagerError } from '@aimm/contracts';
import type { SubmissionChange } from '@aimm/database';
import type { BatchProgress } from '@aimm/providers';
import { concludeRequests, toNextId } from './conclude.ts';
import type { Held, StepContext } from './keeper-options.ts';
import { nextTryAt } from './next-try.ts';

/** Those that wait try in turn, since each sends all of its requests for that; a cancelled batch should not wait for hours. */
const longestTurn = 6;

/**
 * A batch that its vendor took and then did not begin, because too much of the model waits there: nothing of it was tried, so no
 * round counts. While others of ours are there it is sent again later; alone it is too large, and goes on in two halves. Undefined
 * where it failed otherwise, or is a single request.
 */
export async function makeRoom(
  held: Held,
  context: StepContext,
  { counts }: BatchProgress,
  error: ModelManagerError,
): Promise<SubmissionChange | undefined> {
  const { submission, batch } = held;
  const { database, now, logger } = context;
  const wasBegun = (counts.succeeded ?? 0) + (counts.failed ?? 0) > 0;
  if (error.code !== 'rate_limited' || wasBegun || batch.status === 'cancelled') return undefined;
  const { id, provider, model, keyId } = submission;
  // Whoever halved it may have died before that stood in the row: then it must not be sent whole.
  const isHalved = (await database.batchSubmissions.find(toNextId(id))) !== undefined;
  const others = (await database.batchSubmissions.listOpen([provider])).filter(
    (other) => other.id !== id && other.model === model && other.keyId === keyId,
  );
  if (!isHalved && others.some(({ status }) => status === 'submitted')) {
    const waiting = others.filter((other) => other.status === 'prepared' && other.problem?.code === 'rate_limited');
    const turnMs = nextTryAt({ tries: Infinity }, context, error) - now();
    const nextAt = now() + turnMs * Math.min(waiting.length + 1, longestTurn);
    logger.info({ submission: id, nextAt }, 'A vendor has no room for a batch until others are done');
    return { status: 'prepared', handle: null, attemptedAt: null, tries: 0, nextAt };
  }
  if (submission.requests.length < 2) return undefined;
  logger.info(
    { submission: id, requests: submission.requests.length },
    'A batch is too large for a vendor; halving it',
  );
  await concludeRequests(held, context, { outcome: 'too_large' });
  return { status: 'ended', endedAt: now() };
}
