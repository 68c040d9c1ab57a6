import {
  type BudgetShare,
  type Checkpoint,
  type GeneratePayload,
  isContinued,
  type LedgerRow,
  type Outcome,
} from '@aimm/contracts';
import type { Redis } from 'ioredis';
import { type Budgets, createBudgets, type Fence, toBudgetCosts } from './budgets.ts';
import { createFlights, type Flights } from './flights.ts';
import type { Producer } from './producer.ts';
import type { Follower } from './shared-answer.ts';

/** What of a job's payload its end concerns. */
interface Ending {
  requestId?: string;
  budget?: BudgetShare[] | undefined;
  flight?: GeneratePayload['flight'];
  judge?: { requestId: string; budget?: BudgetShare[] | undefined } | undefined;
}

/**
 * What a request's end does besides its outcome: its budgets are settled with what its calls cost, and whoever waited for the same
 * call is told. Where it goes on (no outcome, or one that `continues`) its budgets count what its calls have cost so far. Every part can
 * be repeated, and happens only while `fence` holds. Its scripts are sent before it first waits, so that they follow the outcome's on
 * the same connection. Gives those who were answered with the same answer.
 */
export type Settlement = (
  payload: Ending,
  end: { outcome?: Outcome; checkpoint?: Checkpoint | undefined; maxReplyBytes: number; fence?: Fence },
) => Promise<Follower[]>;

export function createSettlement(redis: Redis, producer: Pick<Producer, 'addGeneration'>): Settlement {
  const budgets = createBudgets(redis);
  const flights = createFlights({ redis, budgets, producer });
  return async (payload, { outcome, ...end }) => {
    if (outcome === undefined || isContinued(outcome)) {
      await charge(budgets, payload, end);
      return [];
    }
    const settled = settle(budgets, payload, end);
    const [followers] = await Promise.all([land(flights, payload, { outcome, ...end }), settled]);
    return followers;
  };
}

/** Where nothing is known of a request's calls, what was reserved is what it may have cost. */
export function toCharge(
  budget: readonly BudgetShare[],
  rows: readonly LedgerRow[] | undefined,
): { key: string; nanoUsd: number }[] {
  if (rows !== undefined) return toBudgetCosts(budget, rows);
  return budget.map(({ key, heldNanoUsd, spentNanoUsd = 0 }) => ({ key, nanoUsd: heldNanoUsd + spentNanoUsd }));
}

type Left = Omit<Parameters<Settlement>[1], 'outcome'>;

async function charge(budgets: Budgets, { requestId, budget }: Ending, { checkpoint, fence }: Left): Promise<void> {
  if (requestId === undefined || budget === undefined || checkpoint === undefined) return;
  await budgets.charge(requestId, toBudgetCosts(budget, checkpoint.rows), fence);
}

async function settle(budgets: Budgets, payload: Ending, { checkpoint, fence }: Left): Promise<void> {
  const { requestId, budget, judge } = payload;
  if (requestId !== undefined && budget !== undefined) {
    await budgets.settle(requestId, toCharge(budget, checkpoint?.rows), fence);
  }
  // A judge that had nothing to judge has settled nothing itself; one that did has settled already.
  if (judge?.budget !== undefined) await budgets.settle(judge.requestId, toBudgetCosts(judge.budget, []), fence);
}

async function land(
  flights: Flights,
  payload: Ending,
  { outcome, checkpoint, maxReplyBytes, fence }: Left & { outcome: Outcome },
): Promise<Follower[]> {
  if (payload.flight === undefined) return [];
  // Only a generation has a flight.
  return flights.land(payload as GeneratePayload, { outcome, rows: checkpoint?.rows ?? [], maxReplyBytes }, fence);
}
