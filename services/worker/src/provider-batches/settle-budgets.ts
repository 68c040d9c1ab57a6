import type { GeneratePayload, LedgerRow } from '@aimm/contracts';
import type { Held, StepContext } from './keeper-options.ts';
import { loadGenerations, toVendorId } from './load-generations.ts';

/** Puts what a generation cost in place of what it holds of budgets, once it has ended. `rows`: of all its rounds. */
export async function settleBudgets(
  { submission, batch }: Held,
  { budgets }: Pick<StepContext, 'budgets'>,
  payload: GeneratePayload,
  rows: readonly LedgerRow[],
): Promise<void> {
  if (budgets?.concern(batch) !== true) return;
  await budgets.settle(batch, payload, submission.createdAt, rows);
}

/** Counts what a generation has cost so far that goes into another round. `rows`: of all its rounds by now. */
export async function chargeBudgets(
  { submission, batch }: Held,
  { budgets }: Pick<StepContext, 'budgets'>,
  payload: GeneratePayload,
  rows: readonly LedgerRow[],
): Promise<void> {
  if (budgets?.concern(batch) !== true) return;
  await budgets.charge(batch, payload, submission.createdAt, rows);
}

/** What {@link settleBudgets} does, of those that end without a result: whatever the ledger has of them is what they cost. */
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
  for (const { payload } of asked.values()) await settleBudgets(held, context, payload, rowsOf(payload.requestId));
}
