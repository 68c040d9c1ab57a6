import type { LedgerRow, ModelManagerError } from '@aimm/contracts';
import type { BatchEndpoint, BatchProgress, BatchResult } from '@aimm/providers';
import { toUnknownRow } from '../ledger-rows.ts';
import { concludeRequests } from './conclude.ts';
import { findCalls } from './find-calls.ts';
import type { Held, StepContext } from './keeper-options.ts';
import { type AskedGeneration, loadGenerations } from './load-generations.ts';
import { tellBudgets } from './settle-budgets.ts';
import { mayGoOn } from './next-try.ts';
import { toLedgerAndRecord } from './to-record.ts';

/**
 * Takes over the results of a batch that is over, as they come: first budgets and the ledger, then the generation, each once however often
 * this runs. What may be asked again is submitted again. `ours`: false where nothing in it bears this submission's name,
 * although it was only guessed to be the one.
 */
export async function collectResults(
  held: Held,
  context: StepContext,
  endpoint: BatchEndpoint,
  { state, counts, error, resultsReady }: BatchProgress,
): Promise<{ ours: boolean }> {
  const { submission, batch } = held;
  const { pace, signal, ledger, database } = context;
  const asked = await loadGenerations(held, context);
  const seen = new Set<string>();
  const called = new Set<string>();
  const again: { id: string; error: ModelManagerError }[] = [];
  let pending: { result: BatchResult; generation: AskedGeneration }[] = [];

  const flush = async () => {
    const settled = [];
    // What the rounds before cost is part of what a generation costs.
    const before = pending.filter(({ generation }) => generation.callNumber > 1);
    const callsOf = await findCalls(
      context,
      before.map(({ generation }) => generation.payload.requestId),
    );
    for (const { result, generation } of pending) {
      const calls = callsOf(generation.payload.requestId);
      const earlier = calls.filter(({ callNumber }) => callNumber < generation.callNumber);
      settled.push(await settle(result, generation, earlier));
    }
    pending = [];
    // Budgets first: what they are told after the ledger has it, they might have from there already.
    await Promise.all(
      settled.map(({ row, earlier, record, payload }) =>
        tellBudgets(record === undefined ? 'charge' : 'settle', held, context, payload, [...earlier, row]),
      ),
    );
    await ledger.record(settled.map(({ row }) => row));
    await database.batches.record(settled.flatMap(({ record }) => record ?? []));
    for (const { row } of settled) context.onCall?.(row);
    context.onRecorded?.(batch.id);
  };
  const settle = async (result: BatchResult, generation: AskedGeneration, earlier: readonly LedgerRow[]) => {
    const { warnings } = await endpoint.prepare(generation.payload.request);
    const { row, record, error } = await toLedgerAndRecord(held, context, generation, { result, earlier, warnings });
    called.add(result.id);
    const goesOn = error?.retryable === true && mayGoOn(held, context);
    if (goesOn) again.push({ id: result.id, error });
    return { row, earlier, record: goesOn ? undefined : record, payload: generation.payload };
  };

  if (resultsReady) {
    for await (const result of endpoint.results(submission.handle ?? {}, signal)) {
      const generation = asked.get(result.id);
      if (generation === undefined) continue;
      seen.add(result.id);
      // It was not done, and is not billed: there was no call.
      if ('error' in result && isUndone(result.error)) {
        again.push({ id: result.id, error: result.error });
        continue;
      }
      pending.push({ result, generation });
      if (pending.length >= pace.recordAtOnce) await flush();
    }
    await flush();
  }
  if (seen.size === 0 && submission.handle?.['certain'] === false) return { ours: false };

  const missing = new Map([...asked].filter(([id]) => !seen.has(id)));
  // One that failed says how much it had done, and may not show all of that.
  const isShort = (counts.succeeded ?? 0) + (counts.failed ?? 0) > seen.size;
  if (state === 'ended' || (state === 'failed' && isShort)) {
    await recordLost(held, context, missing.values());
    for (const id of missing.keys()) called.add(id);
  }
  await concludeRequests(held, context, {
    outcome: batch.status === 'cancelled' ? 'cancelled' : 'unanswered',
    state,
    ...(error && { error }),
    again,
    called,
    missing: [...missing.keys()],
  });
  return { ours: true };
}

function isUndone({ code, vendorMessage }: ModelManagerError): boolean {
  // Of our own making, for what the vendor said it had not come to.
  return vendorMessage === undefined && (code === 'timeout' || code === 'cancelled');
}

/** Of what the vendor has, or may have, and nobody can ask after: it may have been done, and billed. */
export async function recordLost(
  { submission }: Held,
  { ledger, onCall, providers }: StepContext,
  generations: Iterable<AskedGeneration>,
): Promise<void> {
  const startedAt = submission.submittedAt ?? submission.createdAt;
  const demo = providers.isDemo();
  const rows = [...generations].map(({ payload, callNumber: number }) =>
    toUnknownRow(payload, { number, startedAt, demo }),
  );
  await ledger.record(rows);
  for (const row of rows) onCall?.(row);
}
