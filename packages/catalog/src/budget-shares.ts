import { createHash } from 'node:crypto';
import type { BudgetShare, ClientBudget, GenerationRequest, Warning } from '@aimm/contracts';
import { estimateCost, toHighest } from './budget-estimate.ts';
import { type BudgetPeriod, toBudgetPeriod } from './budget-period.ts';
import type { BudgetConfig } from './budgets.ts';
import type { Catalog } from './catalog.ts';

/** What one request would hold of each budget that concerns it. Empty where none does. */
export interface SharePlan {
  shares: BudgetShare[];
  warnings: Warning[];
}

interface Asked {
  client: string;
  provider: string;
  request: Pick<GenerationRequest, 'model' | 'messages' | 'settings'>;
  fallbacks?: readonly { provider: string; model: string }[] | undefined;
}

/** A counter is kept for requests that end after its period. */
const keepForMs = 3 * 24 * 3_600_000;

/**
 * The dearest of a request's models decides what is held, for a budget of one provider the dearest of that provider's; each at its price
 * in the service tier asked for, or at the ordinary one where that is higher or all that is known.
 * A request whose models are all free (a local server) takes nothing of any budget. `at`: epoch milliseconds.
 */
export function planShares(
  catalog: Catalog,
  budgets: readonly BudgetConfig[],
  asked: Asked,
  at: number,
  furtherInputTokens = 0,
): SharePlan {
  if (budgets.length === 0) return { shares: [], warnings: [] };
  const models = [{ provider: asked.provider, model: asked.request.model }, ...(asked.fallbacks ?? [])];
  const costs = models.map(({ provider, model }) => {
    const cost = estimateCost(catalog, { ...asked.request, provider, model }, at, furtherInputTokens);
    const nanoUsd = toHighest(cost);
    return { provider, name: `${provider}/${model}`, nanoUsd, isKnown: cost.askedNanoUsd !== null };
  });
  const shares = budgets.flatMap((budget): BudgetShare[] => {
    if (budget.client !== undefined && budget.client !== asked.client) return [];
    const own = costs.filter(({ provider }) => budget.provider === undefined || budget.provider === provider);
    if (own.every(({ nanoUsd }) => nanoUsd === 0)) return [];
    const { key, keepUntil } = toCounter(budget, at);
    return [
      {
        key,
        ...(budget.provider !== undefined && { provider: budget.provider }),
        heldNanoUsd: Math.max(...own.map(({ nanoUsd }) => nanoUsd ?? 0)),
        keepUntil,
      },
    ];
  });
  const unpriced = shares.length === 0 ? [] : costs.filter(({ isKnown }) => !isKnown);
  return { shares, warnings: unpriced.map(({ name, nanoUsd }) => warnOfPrice(name, nanoUsd === null)) };
}

function warnOfPrice(name: string, isOfModel: boolean): Warning {
  const message = isOfModel
    ? `The price of ${name} is unknown: nothing of a budget is reserved for it, and it will count as no more than the request has reserved.`
    : `The price of ${name} in the service tier asked for is unknown: its ordinary price is reserved of budgets, and will count.`;
  return { code: 'unknown_price', message };
}

/** The counter of a budget in the period of `at`, and until when it is kept. */
export function toCounter(budget: BudgetConfig, at: number): BudgetPeriod & { keepUntil: number } {
  const period = toBudgetPeriod(budget, at);
  return { ...period, key: `${budget.name}:${period.key}-${toScope(budget)}`, keepUntil: period.renewsAt + keepForMs };
}

/** Tells budgets of one name apart that count other calls: a changed one begins with what the ledger says of its own. */
function toScope({ provider = '', client = '', timeZone }: BudgetConfig): string {
  return createHash('sha256').update([provider, client, timeZone].join('\0')).digest('hex').slice(0, 8);
}

/** Whose counter this is. @throws TypeError where none of these is */
export function getBudgetOf<B extends BudgetConfig>(budgets: readonly B[], key: string): B {
  const name = key.slice(0, key.lastIndexOf(':'));
  const budget = budgets.find((one) => one.name === name);
  if (budget === undefined) throw new TypeError('shares are made of budgets');
  return budget;
}

/** A counter's own period, whatever time it is by now. */
export function toPeriodOf(budget: BudgetConfig, keepUntil: number): BudgetPeriod {
  return toBudgetPeriod(budget, keepUntil - keepForMs - 1);
}

/** A budget of the configuration, or one that an access token brings. */
export interface Budget extends BudgetConfig {
  /** The access token whose budget it is. */
  token?: string;
}

/**
 * A budget in the configuration has no colon in its name, so that none is taken for this one. It is the client's and not the token's:
 * who gets a new token of the same name has spent what was spent.
 */
export function toTokenBudgets(client: string, budgets: readonly ClientBudget[]): Budget[] {
  return budgets.map((budget) => ({ ...budget, name: `token:${client}:${budget.period}`, client, token: client }));
}
