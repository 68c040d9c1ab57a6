import type { BudgetConfig } from '@aimm/catalog';
import type { Caller } from './manager.ts';
import type { Resources } from './resources.ts';

/** A budget of the configuration, or one that an access token brings. */
export interface Budget extends BudgetConfig {
  /** The access token whose budget it is. */
  token?: string;
}

/** The use cases as one caller has them: with what its access token may spend. */
export function asCaller(resources: Resources, caller: Caller): Resources {
  if (caller.budgets === undefined || caller.budgets.length === 0) return resources;
  return { ...resources, ownBudgets: caller.budgets.map((budget) => toBudget(caller.client, budget)) };
}

/**
 * A budget in the configuration has no colon in its name, so that none is taken for this one. It is the client's and not the token's:
 * who gets a new token of the same name has spent what was spent.
 */
function toBudget(client: string, budget: NonNullable<Caller['budgets']>[number]): Budget {
  return { ...budget, name: `token:${client}:${budget.period}`, client, token: client };
}

/** Every budget that may concern a request. */
export function budgetsOf({ catalog, ownBudgets = [] }: Pick<Resources, 'catalog' | 'ownBudgets'>): readonly Budget[] {
  return ownBudgets.length === 0 ? catalog.budgets : [...catalog.budgets, ...ownBudgets];
}
