import { type Budget, toTokenBudgets } from '@aimm/catalog';
import type { Caller } from './caller.ts';
import type { Resources } from './resources.ts';

/** The use cases as one caller has them: with what its access token may spend. */
export function asCaller(resources: Resources, caller: Caller): Resources {
  if (caller.budgets === undefined || caller.budgets.length === 0) return resources;
  return { ...resources, ownBudgets: toTokenBudgets(caller.client, caller.budgets) };
}

/** Every budget that may concern a request. */
export function budgetsOf({ catalog, ownBudgets = [] }: Pick<Resources, 'catalog' | 'ownBudgets'>): readonly Budget[] {
  return ownBudgets.length === 0 ? catalog.budgets : [...catalog.budgets, ...ownBudgets];
}
