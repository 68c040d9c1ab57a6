import type { GeneratePayload, LedgerRow } from '@aimm/contracts';
import type { Held, StepContext } from './keeper-options.ts';
import { loadGenerations, toVendorId } from './load-generations.ts';

/**
 * Tells budgets what a generation has cost: to `settle` puts that in place of what it holds, once it has ended; to `charge` counts it
 * where another round follows. `rows`: of all its rounds by now.
 */
export async function tellBudgets(
  how: 'settle' | 'charge',
  { submission, batch }: Held,
  { budgets }: Pick<StepContext, 'budgets'>,
  payload: GeneratePayload,
  rows: readonly LedgerRow[],
): Promise<void> {
  if (budgets?.concern(batch) === true) await budgets[how](batch, payload, submission.createdAt, rows);
}

/** Settles those that end without a result: whatever the ledger has of them is what they cost. */
export async function settleUndone(
  held: Held,
  context: StepContext,
  ids: readonly string[],
  rowsOf: (requestId: string) => readonly LedgerRow[],
): Promise<void> {
  const { batch, submission } = held;
  if (ids.length === 0 || context.budgets?.concern(batch) !== true) return;
  const wanted = new Set(ids);
  const requests = submission.requests.filter(({ item }) => wanted.has(toVendorId(item)));
  const asked = await loadGenerations({ ...held, submission: { ...submission, requests } }, context);
  for (const { payload } of asked.values())
    await tellBudgets('settle', held, context, payload, rowsOf(payload.requestId));
}
