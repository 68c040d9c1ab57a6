import { ModelManagerError, toModelManagerError } from '@aimm/contracts';
import type { SubmissionChange } from '@aimm/database';
import { toKeyFault } from '../key-ring.ts';
import { recordLost } from './collect.ts';
import { concludeRequests } from './conclude.ts';
import type { KeyedEndpoint } from './find-endpoint.ts';
import type { Held, StepContext } from './keeper-options.ts';
import { loadGenerations } from './load-generations.ts';
import { isInVain, toPatienceMs } from './next-try.ts';

/**
 * Asks the vendor what became of what it was sent. A vendor that has said nothing for as many tries in a row as fit into the time
 * that it is waited for is given up, and the submission with it: it may have been done, and billed, so nothing is sent again, and
 * what the vendor keeps of it stays there for whoever looks.
 *
 * @throws what `ask` throws, while it is to be asked again
 */
export async function askOrGiveUp<T>(
  held: Held,
  context: StepContext,
  keyed: KeyedEndpoint,
  ask: () => Promise<T>,
): Promise<{ answer: T } | { givenUp: SubmissionChange }> {
  const { submission } = held;
  const { database, owner, signal, logger } = context;
  const count = (unanswered: number) => database.batchSubmissions.change(submission.id, owner, { unanswered });
  let answer: T;
  try {
    answer = await ask();
  } catch (thrown) {
    const error = toModelManagerError(thrown);
    if (signal.aborted) throw error;
    const unanswered = submission.unanswered + 1;
    await count(unanswered);
    if (!isHopeless(held, context, keyed, { error, unanswered })) throw error;
    logger.error(
      { submission: submission.id, unanswered, err: error },
      'A vendor says nothing of a batch; giving it up',
    );
    return { givenUp: await giveUp(held, context, error) };
  }
  // At once: whatever else keeps it from going on, the vendor does answer.
  if (submission.unanswered > 0) await count(0);
  return { answer };
}

function isHopeless(
  { submission, batch }: Held,
  { now, pace }: StepContext,
  { endpoint }: KeyedEndpoint,
  { error, unanswered }: { error: ModelManagerError; unanswered: number },
): boolean {
  // It may be mended, as one that is gone may come back.
  const isKeys = toKeyFault(error) !== undefined;
  if (isKeys && batch.status !== 'cancelled') return false;
  const sentAt = submission.submittedAt ?? submission.attemptedAt ?? 0;
  const isLate = now() >= sentAt + toPatienceMs(endpoint);
  // An address that is not there stays away. What the vendor had is waited for all the same.
  const isRefused = !error.retryable && !isKeys && unanswered >= pace.maxFinds;
  if (isRefused) return isLate || submission.status === 'prepared';
  return isLate && isInVain(unanswered, endpoint, pace);
}

async function giveUp(held: Held, context: StepContext, error: ModelManagerError): Promise<SubmissionChange> {
  const { submission, batch } = held;
  const { provider } = submission;
  await recordLost(held, context, (await loadGenerations(held, context)).values());
  const message =
    submission.status === 'prepared'
      ? `It is unknown whether ${provider} received this batch: it does not say which ones it has.`
      : `It is unknown what became of this batch: ${provider} does not say.`;
  const hint = `It may have been done, and billed. It said: ${error.message}`;
  const unknown = new ModelManagerError('outcome_unknown', message, { provider, retryable: false, hint });
  await concludeRequests(
    held,
    context,
    batch.status === 'cancelled' ? { outcome: 'cancelled' } : { outcome: 'failed', error: unknown },
  );
  return { status: 'ended', endedAt: context.now(), problem: unknown.toShape() };
}
