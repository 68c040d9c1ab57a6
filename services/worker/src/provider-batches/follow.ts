import { type JsonObject, toModelManagerError } from '@aimm/contracts';
import type { SubmissionChange } from '@aimm/database';
import type { BatchHandle } from '@aimm/providers';
import { askOrGiveUp } from './ask-or-give-up.ts';
import { collectResults } from './collect.ts';
import { endWithoutKey } from './end-without-key.ts';
import { findEndpointOf } from './find-endpoint.ts';
import type { Held, StepContext } from './keeper-options.ts';
import { makeRoom } from './make-room.ts';
import { nextTryAt } from './next-try.ts';

/** Asks after a submission that the vendor has; at its end takes over what came of it. */
export async function follow(held: Held, context: StepContext): Promise<SubmissionChange> {
  const { submission, batch } = held;
  const { providers, now, signal, logger } = context;
  const handle: BatchHandle = submission.handle ?? {};
  const tries = submission.tries + 1;
  const hasKey = findEndpointOf(providers, submission) !== undefined;
  const isGuess = handle['certain'] === false;
  const asked = await askOrGiveUp(held, context, (keyed) =>
    keyed.endpoint.poll(handle, signal).catch((error: unknown) => {
      // The key is of another account, or whoever made what was only guessed to be ours has deleted it.
      if (!toModelManagerError(error).retryable && (!hasKey || isGuess)) return undefined;
      throw error;
    }),
  );
  if ('ended' in asked) return asked.ended;
  if (asked.found === undefined) return hasKey ? lookAgain(held, context) : endWithoutKey(held, context);
  const {
    keyed: { endpoint },
    answer: progress,
  } = asked.found;
  const seen: JsonObject = { state: progress.state, counts: { ...progress.counts } };
  const hasFailed = progress.state === 'failed';
  const isOver = hasFailed || ['ended', 'expired', 'cancelled'].includes(progress.state);
  const tidyUp = () =>
    endpoint.remove(handle, signal).catch((error: unknown) => {
      logger.warn({ submission: submission.id, err: error }, 'What a vendor keeps of a batch was not deleted');
    });

  const error = hasFailed
    ? (progress.error ?? toModelManagerError(new Error('the vendor said nothing of why its batch failed')))
    : undefined;
  const problem = error?.toShape() ?? null;
  const room = error === undefined ? undefined : await makeRoom(held, context, progress, error);
  if (room !== undefined) {
    await tidyUp();
    return { progress: seen, problem, ...room };
  }
  if (!isOver) {
    const cancels = batch.status === 'cancelled' && submission.cancelledAt === undefined;
    if (cancels) await endpoint.cancel(handle, signal);
    return {
      progress: seen,
      problem: null,
      tries: cancels ? 0 : tries,
      ...(cancels && { cancelledAt: now() }),
      nextAt: nextTryAt({ tries: cancels ? 0 : tries }, context),
    };
  }
  const { ours } = await collectResults(held, context, endpoint, { ...progress, ...(error && { error }) });
  if (!ours) return lookAgain(held, context);
  await tidyUp();
  return { status: 'ended', endedAt: now(), progress: seen, problem };
}

/** Of what was taken for ours where the vendor has no names: another may be it, and tells so once it has ended. */
function lookAgain({ submission }: Held, { now, logger }: StepContext): SubmissionChange {
  logger.warn({ submission: submission.id }, 'The batch that was found is somebody else’s; looking for it again');
  return { status: 'prepared', handle: null, tries: 0, nextAt: now() };
}
