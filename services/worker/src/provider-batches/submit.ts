import { setImmediate as nextTurn } from 'node:timers/promises';
import { ModelManagerError, toModelManagerError } from '@aimm/contracts';
import type { SubmissionChange } from '@aimm/database';
import type { BatchEndpoint, BatchRequest, FoundBatch } from '@aimm/providers';
import { toKeyFault } from '../key-ring.ts';
import { askOrGiveUp } from './ask-or-give-up.ts';
import { concludeRequests } from './conclude.ts';
import { findEndpoint, type KeyedEndpoint } from './find-endpoint.ts';
import type { Held, StepContext } from './keeper-options.ts';
import { loadGenerations, toVendorId } from './load-generations.ts';
import { isInVain, nextTryAt } from './next-try.ts';

/** Errors after which nobody knows whether the vendor took the batch: what says that it is overloaded may be a gateway before it. */
const mayHaveArrived: ReadonlySet<ModelManagerError['code']> = new Set([
  'network',
  'timeout',
  'cancelled',
  'server_error',
  'overloaded',
]);

/**
 * Sends a submission that the vendor does not have yet. That it is tried stands in the database before it is sent, and its
 * name with it: whoever finds that after a crash looks for a batch of that name first.
 */
export async function submit(held: Held, context: StepContext): Promise<SubmissionChange> {
  const { submission, batch } = held;
  const { database, providers, now, pace, signal } = context;
  if (submission.attemptedAt !== undefined) {
    const settledAt = submission.attemptedAt + pace.settleMs;
    if (now() < settledAt) return { nextAt: settledAt };
    const open = await database.batchSubmissions.listOpen([submission.provider]);
    const taken = new Set(open.map(({ handle }) => handle?.['id']));
    const asked = await askOrGiveUp(held, context, ({ endpoint }) => findOurs(held, endpoint, { taken, signal }));
    if ('ended' in asked) return asked.ended;
    if (asked.found !== undefined) return adopt(held, asked.found.answer, context);
  }
  if (batch.status === 'cancelled') {
    await concludeRequests(held, context, { outcome: 'cancelled' });
    return { status: 'ended', endedAt: now() };
  }
  if (batch.status === 'paused') return { attemptedAt: null, nextAt: now() + pace.firstPollMs };
  const keyed = findEndpoint(providers, submission.provider);
  if (keyed === undefined) return { nextAt: nextTryAt(submission, context) };
  const isAway = submission.problem !== undefined && away.has(submission.problem.code);
  if (isAway && isInVain(submission.tries, keyed.endpoint, pace)) return giveUp(held, context);
  return send(held, keyed, context);
}

/** What a vendor that is away says; one that names a limit has to be waited for. */
const away: ReadonlySet<ModelManagerError['code']> = new Set(['server_error', 'overloaded']);

/** Whatever was tried last is settled by now: the vendor has nothing of it. */
async function giveUp(held: Held, context: StepContext): Promise<SubmissionChange> {
  const { submission } = held;
  if (submission.problem === undefined) throw new TypeError('nothing was tried in vain');
  context.logger.error({ submission: submission.id, tries: submission.tries }, 'A vendor takes no batch; giving it up');
  // Another round would be no other.
  const error = ModelManagerError.fromShape({ ...submission.problem, retryable: false });
  await concludeRequests(held, context, { outcome: 'failed', error });
  return { attemptedAt: null, status: 'ended', endedAt: context.now() };
}

/** The batch that an earlier attempt made, where there is one. `taken`: ids of those that open submissions have. */
async function findOurs(
  { submission }: Held,
  endpoint: BatchEndpoint,
  { taken, signal }: { taken: ReadonlySet<unknown>; signal: AbortSignal },
): Promise<FoundBatch | undefined> {
  const { id: name, model, requests, attemptedAt = 0 } = submission;
  const candidates = await endpoint.find({ name, model, requests: requests.length, since: attemptedAt, signal });
  // One that bears its name is its own, whoever took it for theirs.
  return candidates.find(({ handle, certain }) => certain || !taken.has(handle['id']));
}

function adopt(
  { submission: { id, attemptedAt = 0 } }: Held,
  { handle, certain }: FoundBatch,
  { now, pace, logger }: StepContext,
): SubmissionChange {
  logger.info({ submission: id, certain }, 'Found a batch whose submission was cut off');
  return { status: 'submitted', handle, submittedAt: attemptedAt, tries: 0, nextAt: now() + pace.firstPollMs };
}

async function send(held: Held, { endpoint, key }: KeyedEndpoint, context: StepContext): Promise<SubmissionChange> {
  const { submission } = held;
  const { database, now, owner, pace, providers, signal, logger } = context;
  const ring = providers.find(submission.provider);
  const asked = await loadGenerations(held, context);
  const requests: BatchRequest[] = [];
  const refused: { id: string; error: ModelManagerError }[] = [];
  const surplus = new Set<string>();
  const maxBytes = Math.min(pace.maxBytes, endpoint.limits.maxBytes);
  let bytes = 0;
  for (const [index, [id, { payload }]] of [...asked].entries()) {
    // Streams of the same process want their turn.
    if (index % 50 === 49) await nextTurn();
    try {
      const prepared = await endpoint.prepare(payload.request);
      // One that is too large by itself is the vendor's to refuse.
      if (requests.length > 0 && bytes + prepared.bytes > maxBytes) surplus.add(id);
      else {
        bytes += prepared.bytes;
        requests.push({ id, request: payload.request });
      }
    } catch (error) {
      refused.push({ id, error: toModelManagerError(error) });
    }
  }
  if (surplus.size > 0 && submission.round > 1) {
    // What waits again is asked as another request: these have calls already.
    await concludeRequests(held, context, { outcome: 'too_large' });
    return { status: 'ended', endedAt: now() };
  }
  if (refused.length > 0 || surplus.size > 0) {
    // A submission is what is sent, no more and no less: what it cannot hold leaves it, and the rest follows as another.
    const queued = held.submission.requests
      .filter(({ item }) => surplus.has(toVendorId(item)))
      .map(({ item, requestId }) => ({
        item,
        requestId,
        column: held.column.number,
        queuedAt: submission.createdAt,
      }));
    const back = await database.batches.putBack(held.batch.id, queued);
    for (const one of back) await context.budgets?.releaseLost(held.batch, one.requestId, submission.createdAt);
    await concludeRequests(held, context, { outcome: 'refused', refused, again: requests.map(({ id }) => id) });
    return { status: 'ended', endedAt: now() };
  }
  const attemptedAt = now();
  const keyId = key.name?.id;
  const kept = await database.batchSubmissions.change(submission.id, owner, {
    attemptedAt,
    ...(keyId !== undefined && { keyId }),
  });
  if (!kept) return {};
  try {
    const { handle } = await endpoint.submit({ name: submission.id, requests, signal });
    ring?.report(key, undefined);
    logger.info({ submission: submission.id, requests: requests.length, bytes }, 'Submitted a batch to a vendor');
    return {
      status: 'submitted',
      handle,
      submittedAt: now(),
      tries: 0,
      problem: null,
      nextAt: now() + pace.firstPollMs,
    };
  } catch (thrown) {
    const error = toModelManagerError(thrown);
    const problem = error.toShape();
    const tries = submission.tries + 1;
    logger.warn(
      { submission: submission.id, code: error.code, vendor: error.vendorMessage },
      'A batch was not submitted',
    );
    ring?.report(key, error);
    // Another key may do better.
    if (toKeyFault(error) !== undefined && ring?.hasNext(new Set([key])) === true) {
      return { attemptedAt: null, problem, tries, nextAt: now() };
    }
    const nextAt = nextTryAt({ tries }, context, error);
    if (mayHaveArrived.has(error.code)) {
      return { problem, tries, nextAt: Math.max(attemptedAt + pace.settleMs, nextAt) };
    }
    if (error.retryable) return { attemptedAt: null, problem, tries, nextAt };
    await concludeRequests(held, context, { outcome: 'failed', error });
    return { attemptedAt: null, status: 'ended', endedAt: now(), problem };
  }
}
