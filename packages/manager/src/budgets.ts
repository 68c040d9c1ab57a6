import { type Budget, getBudgetOf, planShares, type SharePlan, toCounter, toPeriodOf } from '@aimm/catalog';
import { type BudgetShare, type GeneratePayload, ModelManagerError, type RequestRecord } from '@aimm/contracts';
import { type BudgetClaim, type Reserved, toBudgetClaims } from '@aimm/queue';
import { formatCost } from '@aimm/runtime/format';
import { askLedger } from './ask-ledger.ts';
import type { BudgetView } from './health-report.ts';
import { budgetsOf } from './own-budgets.ts';
import type { Resources } from './resources.ts';

/** The ledger is asked for a budget's first number; one that is slower than this is not waited for. */
const seedWithinMs = 800;
/** Where it did not answer, it is asked again after so long. */
const guessForMs = 10_000;

type Asked = Pick<GeneratePayload, 'requestId' | 'client' | 'provider' | 'request' | 'fallbacks' | 'deadlineAt'>;

/** What one request would hold of each budget that concerns it. */
export function planBudget(
  resources: Resources,
  asked: Omit<Asked, 'requestId' | 'deadlineAt'>,
  furtherInputTokens = 0,
): SharePlan {
  return planShares(resources.catalog, budgetsOf(resources), asked, resources.now(), furtherInputTokens);
}

/** The payload with what it is to hold, where budgets concern it. */
export function withBudget(resources: Resources, payload: GeneratePayload): GeneratePayload {
  const { shares, warnings } = planBudget(resources, payload);
  return shares.length === 0 ? payload : { ...payload, budget: shares, warnings: [...payload.warnings, ...warnings] };
}

type Holder = Pick<Asked, 'requestId' | 'deadlineAt'> & { budget?: BudgetShare[] | undefined };

/** Every hold of these requests, by budget. */
export function toClaims(resources: Resources, holders: readonly Holder[]): BudgetClaim[] {
  const own = budgetsOf(resources);
  return toBudgetClaims(holders, (key) => getBudgetOf(own, key).limitNanoUsd);
}

/** Reserves all of it or nothing. @throws budget_exceeded, unavailable */
export async function reserveBudgets(resources: Resources, claims: readonly BudgetClaim[]): Promise<void> {
  if (claims.length === 0) return;
  await settleWith(resources, claims, (ready) => resources.queue.budgets.reserve(ready));
}

/**
 * Runs what reserves, and again with the ledger's numbers where counters were not there yet; two fronts may both bring them,
 * the first counts. @throws budget_exceeded
 */
export async function settleWith<T extends { state: string }>(
  resources: Resources,
  claims: readonly BudgetClaim[],
  reserve: (claims: readonly BudgetClaim[]) => Promise<T | Reserved>,
): Promise<Exclude<T, Reserved> | Extract<Reserved, { state: 'held' }>> {
  let answer = await reserve(claims);
  if (isReserved(answer) && answer.state === 'unseeded')
    answer = await reserve(await seed(resources, claims, answer.indexes));
  if (isReserved(answer) && answer.state === 'exceeded') throw exceeded(resources, claims, answer);
  // Seeded counters are there: what is left is what was hoped for.
  return answer as Exclude<T, Reserved> | Extract<Reserved, { state: 'held' }>;
}

function isReserved(answer: { state: string }): answer is Reserved {
  return answer.state === 'held' || answer.state === 'unseeded' || answer.state === 'exceeded';
}

/** Gives back what a request holds that ended without a worker; what its earlier hops cost stays spent. */
export async function releaseBudget(
  { queue, logger }: Resources,
  { requestId, budget }: Pick<RequestRecord, 'requestId' | 'budget'>,
): Promise<void> {
  if (budget === undefined) return;
  const costs = budget.map(({ key, spentNanoUsd = 0 }) => ({ key, nanoUsd: spentNanoUsd }));
  await queue.budgets.settle(requestId, costs).catch((error: unknown) => {
    logger.warn({ err: error, requestId }, 'A reservation could not be given back; it ends by itself');
  });
}

/** Every budget as it stands. @throws unavailable */
export async function readBudgets(resources: Resources): Promise<BudgetView[]> {
  const { queue, now } = resources;
  const budgets = budgetsOf(resources);
  if (budgets.length === 0) return [];
  const at = now();
  const claims = budgets.map((budget) => {
    const { key, keepUntil } = toCounter(budget, at);
    return toClaim(budget, key, keepUntil);
  });
  const reserved = await settleWith(resources, claims, (ready) => queue.budgets.reserve(ready));
  return budgets.map(({ name, limitNanoUsd, period, provider, client, token, ...rest }, index) => ({
    name: token === undefined ? name : `access token ${token}`,
    period,
    provider,
    client,
    limitNanoUsd,
    spentNanoUsd: reserved.counts[index]?.spentNanoUsd ?? 0,
    heldNanoUsd: reserved.counts[index]?.heldNanoUsd ?? 0,
    renewsAt: toCounter({ name, limitNanoUsd, period, ...rest }, at).renewsAt,
  }));
}

function toClaim({ limitNanoUsd }: Budget, key: string, keepUntil: number): BudgetClaim {
  return { key, limitNanoUsd, keepUntil, holds: [] };
}

async function seed(
  resources: Resources,
  claims: readonly BudgetClaim[],
  indexes: readonly number[],
): Promise<BudgetClaim[]> {
  const missing = new Set(indexes);
  return Promise.all(
    claims.map(async (claim, index) =>
      missing.has(index) ? { ...claim, ...(await readSpent(resources, claim)) } : claim,
    ),
  );
}

/** What the ledger knows of a period's cost; nothing for a while where it does not answer, since a request cannot wait for it. */
async function readSpent(
  resources: Resources,
  claim: BudgetClaim,
): Promise<Pick<BudgetClaim, 'seedNanoUsd' | 'seedForMs'>> {
  const { database, logger } = resources;
  const budget = getBudgetOf(budgetsOf(resources), claim.key);
  const { startsAt, renewsAt } = toPeriodOf(budget, claim.keepUntil);
  const { provider, client } = budget;
  const period = { from: startsAt, to: renewsAt, provider, client };
  try {
    return { seedNanoUsd: await askLedger(database, seedWithinMs, (ledger) => ledger.sumCosts(period)) };
  } catch (error) {
    const reason = (error as Error).message;
    logger.warn(
      { budget: budget.name, reason },
      'A budget goes by what Redis knows for a while: the ledger could not be asked',
    );
    return { seedNanoUsd: 0, seedForMs: guessForMs };
  }
}

function exceeded(
  resources: Resources,
  claims: readonly BudgetClaim[],
  { index, spentNanoUsd, heldNanoUsd }: Extract<Reserved, { state: 'exceeded' }>,
): ModelManagerError {
  const claim = claims[index];
  if (claim === undefined) throw new TypeError('the script names a claim');
  const budget = getBudgetOf(budgetsOf(resources), claim.key);
  const { renewsAt } = toPeriodOf(budget, claim.keepUntil);
  const wanted = claim.holds.reduce((sum, { nanoUsd }) => sum + nanoUsd, 0);
  const whose = [
    ...(budget.provider === undefined ? [] : [`for ${budget.provider}`]),
    ...(budget.client === undefined ? [] : [`of ${budget.client}`]),
  ].map((words) => ` ${words}`);
  const renews = new Date(renewsAt).toISOString();
  const name =
    budget.token === undefined
      ? `The budget "${budget.name}"${whose.join('')}`
      : `The budget of the access token "${budget.token}"`;
  const raise =
    budget.token === undefined
      ? 'raise the budget in config/providers.json or its BUDGET_USD variable'
      : 'have a token made with a larger budget (`aimm tokens create`)';
  return new ModelManagerError(
    'budget_exceeded',
    `${name} (${formatCost(budget.limitNanoUsd)} a ${budget.period}) has no room for this: ${formatCost(spentNanoUsd)} is spent, ${formatCost(heldNanoUsd)} reserved by requests under way, and this may cost up to ${formatCost(wanted)}. It renews at ${renews}.`,
    {
      retryable: false,
      hint: `Nothing was asked. Ask again after ${renews}, ask a cheaper model or for a shorter answer (max_output_tokens), or ${raise}.`,
    },
  );
}
