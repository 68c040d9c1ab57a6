import type { BudgetShare, GeneratePayload, LedgerRow } from '@aimm/contracts';
import type { Redis } from 'ioredis';
import { chargeScript, holdScript, reopenScript, reserveScript, settleScript } from './budget-scripts.ts';
import { withRedis } from './connection.ts';
import { keys } from './names.ts';

/** One budget in its period and what requests want to hold of it. Nano-dollars; times in epoch milliseconds. */
export interface BudgetClaim {
  key: string;
  limitNanoUsd: number;
  keepUntil: number;
  /** What the ledger says was spent, for a counter that is not there yet or was not compared with it for an hour. */
  seedNanoUsd?: number;
  /** Where the ledger could not say it: how long that is believed, in place of the hour. */
  seedForMs?: number;
  /** None: the counter is only read. */
  holds: { requestId: string; nanoUsd: number; expiresAt: number }[];
}

/** Indexes are those of the claims; counts are as they were (`exceeded`) or became (`held`). */
export type Reserved =
  | { state: 'held'; counts: { spentNanoUsd: number; heldNanoUsd: number }[] }
  | { state: 'unseeded'; indexes: number[] }
  | { state: 'exceeded'; index: number; spentNanoUsd: number; heldNanoUsd: number };

/** What a job must still own for its settlement to count. */
export interface Fence {
  lockKey: string;
  token: string;
}

export interface Budgets {
  /** Every hold of every claim, or none. Can be repeated. @throws unavailable */
  reserve(claims: readonly BudgetClaim[]): Promise<Reserved>;
  /**
   * Counts what the calls of a request have cost so far that goes on, and holds on: before the ledger knows of them. Nothing where it is
   * settled. Can be repeated.
   */
  charge(requestId: string, costs: readonly { key: string; nanoUsd: number }[], fence?: Fence): Promise<void>;
  /** Puts what the request cost in place of what it holds, once: a repetition does nothing. */
  settle(requestId: string, costs: readonly { key: string; nanoUsd: number }[], fence?: Fence): Promise<void>;
  /** Holds without asking: for a request that was let in when it needed none. */
  hold(requestId: string, shares: readonly BudgetShare[], deadlineAt: number): Promise<void>;
  /** Holds again for a request that was settled with `costs` and is run once more: its next settlement is of all its calls. Can be repeated. */
  reopen(
    requestId: string,
    shares: readonly BudgetShare[],
    costs: readonly { key: string; nanoUsd: number }[],
    deadlineAt: number,
  ): Promise<void>;
}

/** A hold outlives its request's deadline by this much: time for a crash to be found and settled. */
const holdGraceMs = 600_000;

function toHoldExpiry(deadlineAt: number): number {
  return Math.ceil(deadlineAt) + holdGraceMs;
}

/** Every hold of these requests, by budget. `limitOf`: what the budget of a key may come to. */
export function toBudgetClaims(
  holders: readonly { requestId: string; deadlineAt: number; budget?: BudgetShare[] | undefined }[],
  limitOf: (key: string) => number,
): BudgetClaim[] {
  const claims = new Map<string, BudgetClaim>();
  for (const { requestId, deadlineAt, budget: shares = [] } of holders) {
    for (const { key, keepUntil, heldNanoUsd } of shares) {
      const claim = claims.get(key) ?? { key, limitNanoUsd: limitOf(key), keepUntil, holds: [] };
      claims.set(key, claim);
      claim.holds.push({ requestId, nanoUsd: heldNanoUsd, expiresAt: toHoldExpiry(deadlineAt) });
    }
  }
  return [...claims.values()];
}

type Scripted = Redis & {
  aimmReserve(count: number, ...argv: string[]): Promise<ReservedReply>;
  aimmCharge(count: number, ...argv: (string | number)[]): Promise<number>;
  aimmSettle(count: number, ...argv: (string | number)[]): Promise<number>;
  aimmHoldBudget(count: number, ...argv: (string | number)[]): Promise<number>;
  aimmReopen(count: number, ...argv: (string | number)[]): Promise<number>;
};

export type ReservedReply = [state: string, ...values: (string | number)[]];

export function createBudgets(redis: Redis): Budgets {
  redis.defineCommand('aimmReserve', { lua: reserveScript });
  redis.defineCommand('aimmCharge', { lua: chargeScript });
  redis.defineCommand('aimmSettle', { lua: settleScript });
  redis.defineCommand('aimmHoldBudget', { lua: holdScript });
  redis.defineCommand('aimmReopen', { lua: reopenScript });
  const scripted = redis as Scripted;

  return {
    async reserve(claims) {
      const counters = claims.map(({ key }) => keys.budget(key));
      const reply = await withRedis(redis, () =>
        scripted.aimmReserve(counters.length, ...counters, toBudgetsArgument(claims)),
      );
      return parseReserved(reply);
    },
    async charge(requestId, costs, fence) {
      const billed = costs.filter(({ nanoUsd }) => nanoUsd > 0);
      if (billed.length > 0) await scripted.aimmCharge(...toCostArguments(requestId, billed, fence));
    },
    async settle(requestId, costs, fence) {
      if (costs.length > 0) await scripted.aimmSettle(...toCostArguments(requestId, costs, fence));
    },
    async hold(requestId, shares, deadlineAt) {
      if (shares.length === 0) return;
      await scripted.aimmHoldBudget(
        shares.length,
        ...shares.map(({ key }) => keys.budget(key)),
        requestId,
        toHoldExpiry(deadlineAt),
        ...shares.flatMap(({ heldNanoUsd, keepUntil }) => [heldNanoUsd, keepUntil]),
      );
    },
    async reopen(requestId, shares, costs, deadlineAt) {
      if (shares.length === 0) return;
      const costOf = new Map(costs.map(({ key, nanoUsd }) => [key, Math.round(nanoUsd)]));
      await scripted.aimmReopen(
        shares.length,
        ...shares.map(({ key }) => keys.budget(key)),
        requestId,
        toHoldExpiry(deadlineAt),
        ...shares.flatMap(({ key, heldNanoUsd, keepUntil }) => [heldNanoUsd, keepUntil, costOf.get(key) ?? 0]),
      );
    },
  };
}

/** KEYS: lock, counters. ARGV: token, request, costs. */
function toCostArguments(
  requestId: string,
  costs: readonly { key: string; nanoUsd: number }[],
  fence: Fence | undefined,
): [count: number, ...argv: (string | number)[]] {
  const counters = costs.map(({ key }) => keys.budget(key));
  return [
    counters.length + 1,
    fence?.lockKey ?? counters[0] ?? '',
    ...counters,
    fence?.token ?? '',
    requestId,
    ...costs.map(({ nanoUsd }) => Math.round(nanoUsd)),
  ];
}

/** The claims as the script `reserve` reads them. */
export function toBudgetsArgument(claims: readonly BudgetClaim[]): string {
  return JSON.stringify(
    claims.map(({ key, limitNanoUsd, keepUntil, seedNanoUsd, seedForMs, holds }) => ({
      key: keys.budget(key),
      limit: limitNanoUsd,
      keepUntil,
      ...(seedNanoUsd !== undefined && { seed: seedNanoUsd }),
      ...(seedForMs !== undefined && { seedForMs }),
      holds: holds.map(({ requestId, nanoUsd, expiresAt }) => [requestId, nanoUsd, expiresAt]),
    })),
  );
}

export function parseReserved([state, ...values]: ReservedReply): Reserved {
  const numbers = values.map(Number);
  switch (state) {
    case 'unseeded':
      return { state, indexes: numbers.map((index) => index - 1) };
    case 'exceeded': {
      const [index = 1, spentNanoUsd = 0, heldNanoUsd = 0] = numbers;
      return { state, index: index - 1, spentNanoUsd, heldNanoUsd };
    }
    default: {
      const counts = numbers.flatMap((spentNanoUsd, index) =>
        index % 2 === 0 ? [{ spentNanoUsd, heldNanoUsd: numbers[index + 1] ?? 0 }] : [],
      );
      return { state: 'held', counts };
    }
  }
}

/** What a request's calls cost each of its budgets: `rows` are this job's, the hops before it are in the shares. */
export function toBudgetCosts(
  shares: readonly BudgetShare[],
  rows: readonly LedgerRow[],
): { key: string; nanoUsd: number }[] {
  return shares.map((share) => ({ key: share.key, nanoUsd: (share.spentNanoUsd ?? 0) + sumUp(share, rows) }));
}

/** The payload with what its job's calls cost put into its shares: for the hop that comes next. */
export function withBudgetCosts(payload: GeneratePayload, rows: readonly LedgerRow[]): GeneratePayload {
  const { budget } = payload;
  if (budget === undefined) return payload;
  const spent = new Map(toBudgetCosts(budget, rows).map(({ key, nanoUsd }) => [key, nanoUsd]));
  return { ...payload, budget: budget.map((share) => ({ ...share, spentNanoUsd: spent.get(share.key) ?? 0 })) };
}

function sumUp({ provider, heldNanoUsd }: BudgetShare, rows: readonly LedgerRow[]): number {
  return rows
    .filter((row) => provider === undefined || row.provider === provider)
    .reduce((sum, row) => sum + (row.demo ? 0 : (row.costNanoUsd ?? (mayBeBilled(row) ? heldNanoUsd : 0))), 0);
}

/**
 * Whether a vendor bills what has no cost, or may: an answer whose price nobody knows, and a call that nobody saw the end of. It then
 * counts as what was reserved for it. A provider that cannot be reached, or fails by its own account, bills nothing: else its outage
 * would use up the budget.
 */
function mayBeBilled({ status, errorCode }: LedgerRow): boolean {
  const isAnswer = status === 'succeeded' || status === 'partial';
  return isAnswer || status === 'outcome_unknown' || status === 'cancelled' || errorCode === 'timeout';
}
