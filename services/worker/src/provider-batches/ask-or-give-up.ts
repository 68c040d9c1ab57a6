import { ModelManagerError, toModelManagerError } from '@aimm/contracts';
import type { SubmissionChange } from '@aimm/database';
import { toKeyFault } from '../key-ring.ts';
import { recordLost } from './collect.ts';
import { concludeRequests } from './conclude.ts';
import { endWithoutKey } from './end-without-key.ts';
import { type KeyedEndpoint, listEndpointsOf } from './find-endpoint.ts';
import type { Held, StepContext } from './keeper-options.ts';
import { loadGenerations } from './load-generations.ts';
import { isInVain, toPatienceMs } from './next-try.ts';

/**
 * Asks the vendor what became of what it was sent, by each key that may show it. A vendor that has said nothing for as many tries in
 * a row as fit into the time that it is waited for is given up, and the submission with it: it may have been done, and billed, so
 * nothing is sent again, and what the vendor keeps of it stays there for whoever looks. Without a key it ends where it may.
 *
 * @param ask undefined: it is not there
 * @throws what `ask` throws, while it is to be asked again
 */
export async function askOrGiveUp<T>(
  held: Held,
  context: StepContext,
  ask: (keyed: KeyedEndpoint) => Promise<T | undefined>,
): Promise<{ found: Found<T> | undefined } | { ended: SubmissionChange }> {
  const { submission } = held;
  const { database, owner, providers, signal, logger } = context;
  const endpoints = listEndpointsOf(providers, submission);
  const [keyed] = endpoints;
  if (keyed === undefined) return { ended: await endWithoutKey(held, context) };
  const note = (change: SubmissionChange) => database.batchSubmissions.change(submission.id, owner, change);
  let found: Found<T> | undefined;
  try {
    found = await askEach(endpoints, ask);
  } catch (thrown) {
    const error = toModelManagerError(thrown);
    if (signal.aborted) throw error;
    const unanswered = submission.unanswered + 1;
    await note({ unanswered });
    if (!isHopeless(held, context, keyed, { error, unanswered })) throw error;
    logger.error(
      { submission: submission.id, unanswered, err: error },
      'A vendor says nothing of a batch; giving it up',
    );
    return { ended: await giveUp(held, context, error) };
  }
  const keyId = found?.keyed.key.name?.id;
  const hasOtherName = keyId !== undefined && keyId !== submission.keyId;
  if (hasOtherName)
    logger.info({ submission: submission.id }, 'A key by another name goes on with a batch at its vendor');
  // At once: whatever else keeps it from going on, the vendor does answer.
  await note({ ...(submission.unanswered > 0 && { unanswered: 0 }), ...(hasOtherName && { keyId }) });
  return { found };
}

interface Found<T> {
  keyed: KeyedEndpoint;
  answer: T;
}

/** The first that has it. That it is not there is known once all have said so who may be asked. */
async function askEach<T>(
  endpoints: readonly KeyedEndpoint[],
  ask: (keyed: KeyedEndpoint) => Promise<T | undefined>,
): Promise<Found<T> | undefined> {
  let answers = 0;
  let silence: ModelManagerError | undefined;
  let refusal: ModelManagerError | undefined;
  for (const keyed of endpoints) {
    try {
      const answer = await ask(keyed);
      if (answer !== undefined) return { keyed, answer };
      answers += 1;
    } catch (thrown) {
      const error = toModelManagerError(thrown);
      if (error.retryable) silence = error;
      else refusal = error;
    }
  }
  const error = silence ?? (answers === 0 ? refusal : undefined);
  if (error !== undefined) throw error;
  return undefined;
}

function isHopeless(
  { submission, batch }: Held,
  { now, pace }: StepContext,
  { endpoint }: KeyedEndpoint,
  { error, unanswered }: { error: ModelManagerError; unanswered: number },
): boolean {
  const isCancelled = batch.status === 'cancelled';
  // A key may be mended, as one that is gone may come back.
  if (toKeyFault(error) !== undefined && !isCancelled) return false;
  // An address that is not there stays away. The answers that the vendor has are waited for all the same, where they are wanted.
  const isRefused = !error.retryable && unanswered >= pace.maxFinds;
  if (isRefused && (isCancelled || submission.status === 'prepared')) return true;
  const sentAt = submission.submittedAt ?? submission.attemptedAt ?? 0;
  return now() >= sentAt + toPatienceMs(endpoint) && isInVain(unanswered, endpoint, pace);
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
