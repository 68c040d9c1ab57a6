import { createHash } from 'node:crypto';
import { type BatchRecord, ModelManagerError } from '@aimm/contracts';
import type { BatchState } from '@aimm/providers';
import { sumCosts } from '../batch/to-batch-record.ts';
import { findCalls } from './find-calls.ts';
import type { Held, StepContext } from './keeper-options.ts';
import { toVendorId } from './load-generations.ts';
import { mayGoOn, nextTryAt } from './next-try.ts';
import { settleUndone } from './settle-budgets.ts';

export type Conclusion =
  /** Nothing of it was or will be done. */
  | ({ outcome: 'cancelled' } & Partial<Unanswered>)
  /** Some of it was not done. */
  | ({ outcome: 'unanswered' } & Unanswered)
  /** None of it was tried, or nobody can tell. */
  | { outcome: 'failed'; error: ModelManagerError }
  /** None of it was tried in this round: it is too large to be sent at once. */
  | { outcome: 'too_large' }
  /** Some of it the vendor cannot be asked. */
  | { outcome: 'refused'; refused: Undone[]; again: string[] };

interface Unanswered {
  state: BatchState;
  /** Of all of it, where it failed. */
  error?: ModelManagerError;
  again: Undone[];
  missing: string[];
  /** Those that made a call in this round. */
  called: ReadonlySet<string>;
}

interface Undone {
  id: string;
  error: ModelManagerError;
}

/**
 * Ends a submission's requests that have no result: recorded as they ended, or put into a submission that follows it, which has
 * an id of its own making, so that doing this twice does it once.
 */
export async function concludeRequests(held: Held, context: StepContext, conclusion: Conclusion): Promise<void> {
  const { submission } = held;
  const all = submission.requests.map(({ item }) => toVendorId(item));
  switch (conclusion.outcome) {
    case 'cancelled': {
      const { again, missing } = conclusion;
      const ids = again === undefined ? all : [...again.map(({ id }) => id), ...(missing ?? [])];
      const error = new ModelManagerError('cancelled', 'The batch was cancelled.', { provider: submission.provider });
      return endAs(
        held,
        context,
        'cancelled',
        ids.map((id) => ({ id, error })),
      );
    }
    case 'failed': {
      const { error } = conclusion;
      if (error.retryable && mayGoOn(held, context)) return submitAgain(held, context, all, { wasTried: true, error });
      return endAs(
        held,
        context,
        'failed',
        all.map((id) => ({ id, error })),
      );
    }
    case 'too_large': {
      const half = Math.ceil(all.length / 2);
      await submitAgain(held, context, all.slice(0, half), { wasTried: false });
      return submitAgain(held, context, all.slice(half), { wasTried: false, id: toHalfId(submission.id) });
    }
    case 'refused':
      await endAs(held, context, 'failed', conclusion.refused);
      return submitAgain(held, context, conclusion.again, { wasTried: false });
    case 'unanswered': {
      const lost = conclusion.error ?? toUnanswered(submission.provider, conclusion.state);
      const undone = [...conclusion.again, ...conclusion.missing.map((id) => ({ id, error: lost }))];
      if (!mayGoOn(held, context)) return endAs(held, context, 'failed', undone);
      const hopeless = undone.filter(({ error }) => !error.retryable);
      await endAs(held, context, 'failed', hopeless);
      const rest = undone.filter((one) => !hopeless.includes(one));
      return submitAgain(
        held,
        context,
        rest.map(({ id }) => id),
        { wasTried: true, called: conclusion.called, error: rest[0]?.error },
      );
    }
  }
}

async function endAs(
  held: Held,
  context: StepContext,
  status: 'failed' | 'cancelled',
  undone: readonly Undone[],
): Promise<void> {
  const { submission, batch, column } = held;
  const { database, now, onRecorded } = context;
  const byId = new Map(submission.requests.map((request) => [toVendorId(request.item), request]));
  const ids = undone.map(({ id }) => id);
  const callsOf = await findCalls(
    context,
    ids.flatMap((id) => byId.get(id)?.requestId ?? []),
  );
  await settleUndone(held, context, ids, callsOf);
  const records = undone.flatMap(({ id, error }): BatchRecord[] => {
    const request = byId.get(id);
    if (request === undefined) return [];
    return [
      {
        batchId: batch.id,
        column: column.number,
        item: request.item,
        requestId: request.requestId,
        status,
        // Of the rounds before; where there was no call it is nothing.
        costNanoUsd: sumCosts(callsOf(request.requestId)),
        error: error.toShape(),
        endedAt: Math.round(now()),
      },
    ];
  });
  const atOnce = 500;
  for (let at = 0; at < records.length; at += atOnce) await database.batches.record(records.slice(at, at + atOnce));
  if (records.length > 0) onRecorded?.(batch.id);
}

async function submitAgain(
  { submission }: Held,
  context: StepContext,
  ids: readonly string[],
  {
    wasTried,
    called,
    error,
    id = toNextId(submission.id),
  }: {
    /** A round counts. */
    wasTried: boolean;
    called?: ReadonlySet<string>;
    error?: ModelManagerError | undefined;
    id?: string;
  },
): Promise<void> {
  if (ids.length === 0) return;
  const { batchId, column, provider, model, round, requests, createdAt } = submission;
  const wanted = new Set(ids);
  await context.database.batchSubmissions.create({
    id,
    batchId,
    column,
    provider,
    model,
    round: wasTried ? round + 1 : round,
    requests: requests.flatMap(({ item, requestId, calls }) => {
      const vendorId = toVendorId(item);
      if (!wanted.has(vendorId)) return [];
      return [{ item, requestId, calls: called?.has(vendorId) === true ? calls + 1 : calls }];
    }),
    createdAt,
    nextAt: wasTried ? nextTryAt({ tries: round }, context, error) : context.now(),
  });
}

/** `x` is followed by `x-r2`, that by `x-r3`. */
export function toNextId(id: string): string {
  const [, base = id, number = '1'] = /^(.*?)(?:-r(\d+))?$/.exec(id) ?? [];
  return `${base}-r${Number(number) + 1}`;
}

/** The second half's: as long as any, however often it is halved. */
function toHalfId(id: string): string {
  return createHash('sha256').update(`second half of ${id}`).digest('hex').slice(0, 32);
}

function toUnanswered(provider: string, state: BatchState): ModelManagerError {
  if (state === 'ended') {
    return new ModelManagerError('outcome_unknown', `${provider} ended the batch without a word on this request.`, {
      provider,
      retryable: true,
      hint: 'It may have been done, and billed.',
    });
  }
  if (state === 'cancelled') {
    // Not by us: whoever did it there did not want it asked again.
    return new ModelManagerError('cancelled', `Somebody cancelled the batch at ${provider}.`, { provider });
  }
  return new ModelManagerError('timeout', `${provider} did not get to this request before its batch ended.`, {
    provider,
  });
}
