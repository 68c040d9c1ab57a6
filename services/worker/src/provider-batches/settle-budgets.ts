import type { GeneratePayload, LedgerRow } from '@aimm/contracts';
import type { Held, StepContext } from './keeper-options.ts';
import { loadGenerations, toVendorId } from './load-generations.ts';

/** Puts what a generation cost in place of what it holds of budgets, once it has ended. `rows`: of this round. */
export async function settleBudgets(
  { submission, batch }: Held,
  { budgets, database }: StepContext,
  payload: GeneratePayload,
  rows: readonly LedgerRow[],
): Promise<void> {
  if (budgets?.concern(batch) !== true) return;
  const earlier = submission.round === 1 ? [] : await database.ledger.findByRequest(payload.requestId);
  const others = earlier.filter(({ callNumber }) => rows.every((row) => row.callNumber !== callNumber));
  await budgets.settle(batch, payload, submission.createdAt, [...others, ...rows]);
}

/** The same of those that end without a result: whatever the ledger has of them is what they cost. */
export async function settleUndone(held: Held, context: StepContext, ids: readonly string[]): Promise<void> {
  const { budgets, database } = context;
  const { batch, submission } = held;
  if (ids.length === 0 || budgets?.concern(batch) !== true) return;
  const wanted = new Set(ids);
  const requests = submission.requests.filter(({ item }) => wanted.has(toVendorId(item)));
  const asked = await loadGenerations({ ...held, submission: { ...submission, requests } }, context);
  for (const { payload } of asked.values()) {
    const rows = await database.ledger.findByRequest(payload.requestId);
    await budgets.settle(batch, payload, submission.createdAt, rows);
  }
}
