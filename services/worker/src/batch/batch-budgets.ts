import {
  type Budget,
  type Catalog,
  getBudgetOf,
  planShares,
  toCounter,
  toPeriodOf,
  toTokenBudgets,
} from '@aimm/catalog';
import type { GeneratePayload, LedgerRow } from '@aimm/contracts';
import type { Database, StoredBatch } from '@aimm/database';
import { type BudgetClaim, type Budgets, toBudgetClaims, toBudgetCosts } from '@aimm/queue';
import { formatCost } from '@aimm/runtime/format';

/** Why a batch must wait, and until when. */
export interface BudgetRefusal {
  because: string;
  renewsAt: number;
}

/** What batches hold of budgets: as any request does, each generation by itself. */
export interface BatchBudgets {
  /** The payload with what it is to hold, where budgets concern it. `at`: when it was queued; default: now. */
  plan(batch: StoredBatch, payload: GeneratePayload, at?: number): GeneratePayload;
  /**
   * Reserves for as many as there is room for, from the first on. Gives those, and what refused the next. @throws unavailable
   */
  reserve(
    batch: StoredBatch,
    payloads: readonly GeneratePayload[],
  ): Promise<{ reserved: GeneratePayload[]; refusal?: BudgetRefusal }>;
  /** What a request holds that will not be made after all. */
  release(requestId: string, shares: NonNullable<GeneratePayload['budget']>): Promise<void>;
  /** The same of one of which only its time is known. */
  releaseLost(batch: StoredBatch, requestId: string, queuedAt: number): Promise<void>;
  /** What a request has cost so far that goes on, and holds on since `at`: before the ledger knows. Can be repeated. */
  charge(batch: StoredBatch, payload: GeneratePayload, at: number, rows: readonly LedgerRow[]): Promise<void>;
  /** What a request did cost, in place of what it holds since `at`. Can be repeated. */
  settle(batch: StoredBatch, payload: GeneratePayload, at: number, rows: readonly LedgerRow[]): Promise<void>;
  /** Whether any budget may concern the batch. */
  concern(batch: StoredBatch): boolean;
}

export function createBatchBudgets({
  budgets,
  catalog,
  database,
  now,
}: {
  budgets: Budgets;
  catalog: Catalog;
  database: () => Promise<Pick<Database, 'ledger'>>;
  now: () => number;
}): BatchBudgets {
  const budgetsOf = ({ client, spec }: StoredBatch): Budget[] => [
    ...catalog.budgets,
    ...toTokenBudgets(client, spec.clientBudgets ?? []),
  ];

  /** A counter that is not there yet begins with what the ledger knows. */
  const seed = async (own: readonly Budget[], claim: BudgetClaim): Promise<BudgetClaim> => {
    const budget = getBudgetOf(own, claim.key);
    const { startsAt: from, renewsAt: to } = toPeriodOf(budget, claim.keepUntil);
    const { ledger } = await database();
    const { provider, client } = budget;
    return { ...claim, seedNanoUsd: await ledger.sumCosts({ from, to, provider, client }) };
  };

  const tryToReserve = async (own: readonly Budget[], payloads: readonly GeneratePayload[]) => {
    const claims = toBudgetClaims(payloads, (key) => getBudgetOf(own, key).limitNanoUsd);
    const answer = await budgets.reserve(claims);
    if (answer.state !== 'unseeded') return { claims, answer };
    const seeded = await Promise.all(
      claims.map(async (claim, index) => (answer.indexes.includes(index) ? seed(own, claim) : claim)),
    );
    return { claims: seeded, answer: await budgets.reserve(seeded) };
  };

  const toCosts = (batch: StoredBatch, payload: GeneratePayload, at: number, rows: readonly LedgerRow[]) =>
    toBudgetCosts(planShares(catalog, budgetsOf(batch), payload, at).shares, rows);

  return {
    concern: (batch) => budgetsOf(batch).length > 0,

    plan(batch, payload, at = now()) {
      const { shares, warnings } = planShares(catalog, budgetsOf(batch), payload, at);
      if (shares.length === 0) return payload;
      return { ...payload, budget: shares, warnings: [...payload.warnings, ...warnings] };
    },

    async reserve(batch, payloads) {
      const own = budgetsOf(batch);
      let refusal: BudgetRefusal | undefined;
      for (let count = payloads.length; count > 0; count = Math.floor(count / 2)) {
        const some = payloads.slice(0, count);
        if (some.every(({ budget }) => budget === undefined)) return { reserved: some };
        const { claims, answer } = await tryToReserve(own, some);
        if (answer.state !== 'exceeded') return { reserved: some, ...(refusal !== undefined && { refusal }) };
        const claim = claims[answer.index];
        if (claim === undefined) throw new TypeError('the script names a claim');
        const budget = getBudgetOf(own, claim.key);
        const { renewsAt } = toPeriodOf(budget, claim.keepUntil);
        refusal = { renewsAt, because: explain(budget, answer, renewsAt) };
      }
      return { reserved: [], ...(refusal !== undefined && { refusal }) };
    },

    async release(requestId, shares) {
      const costs = shares.map(({ key, spentNanoUsd = 0 }) => ({ key, nanoUsd: spentNanoUsd }));
      await budgets.settle(requestId, costs);
    },

    async charge(batch, payload, at, rows) {
      await budgets.charge(payload.requestId, toCosts(batch, payload, at, rows));
    },

    async settle(batch, payload, at, rows) {
      await budgets.settle(payload.requestId, toCosts(batch, payload, at, rows));
    },

    async releaseLost(batch, requestId, queuedAt) {
      const costs = budgetsOf(batch).map((budget) => ({ key: toCounter(budget, queuedAt).key, nanoUsd: 0 }));
      await budgets.settle(requestId, costs);
    },
  };
}

function explain(
  { name, token, limitNanoUsd, period }: Budget,
  { spentNanoUsd, heldNanoUsd }: { spentNanoUsd: number; heldNanoUsd: number },
  renewsAt: number,
): string {
  const named = token === undefined ? `The budget "${name}"` : `The budget of the access token "${token}"`;
  return (
    `${named} (${formatCost(limitNanoUsd)} a ${period}) has no room: ${formatCost(spentNanoUsd)} is spent and ` +
    `${formatCost(heldNanoUsd)} reserved. It renews at ${new Date(renewsAt).toISOString()}; the batch goes on by itself then.`
  );
}
