import type { ConfigFault } from './catalog.ts';
import type { BudgetEntry } from './config-schemas.ts';
import type { Environment } from './environment.ts';

/** What may be spent in each day or month: by one client, with one provider, or in all. */
export interface BudgetConfig {
  /** Of its own; errors and `check_health` call it so. */
  name: string;
  limitNanoUsd: number;
  period: 'day' | 'month';
  /** Where the period's midnight is, as an IANA name. */
  timeZone: string;
  /** Only calls to this provider count. */
  provider?: string;
  /** Only what this client asks counts. */
  client?: string;
}

const periods = ['day', 'month'] as const;
/** Above it, sums of nano-dollars would come near the end of exact numbers. */
const maxUsd = 1_000_000;

/**
 * The budgets of providers.json, with those of the environment: `BUDGET_USD_PER_DAY` stands for the overall budget of a day,
 * `<PROVIDER>_BUDGET_USD_PER_DAY` for a provider's; where the file has it, the environment's limit replaces the file's.
 */
export function applyBudgetEnvironment(
  entries: readonly BudgetEntry[],
  providers: readonly { id: string }[],
  env: Environment,
): { budgets: BudgetConfig[]; faults: ConfigFault[] } {
  const faults: ConfigFault[] = [];
  const budgets = entries.map(({ limitUsd, ...entry }): BudgetConfig => ({
    ...entry,
    limitNanoUsd: toNanoUsd(limitUsd),
  }));
  for (const provider of [undefined, ...providers.map(({ id }) => id)]) {
    for (const period of periods) {
      const variable = toVariable(provider, period);
      const value = env[variable]?.trim();
      if (value === undefined || value === '') continue;
      const usd = parseUsd(value);
      if (usd === undefined) {
        faults.push({ source: 'environment', path: variable, expected: usdWords });
        continue;
      }
      const limitNanoUsd = toNanoUsd(usd);
      const index = budgets.findIndex(
        (budget) => budget.client === undefined && budget.provider === provider && budget.period === period,
      );
      const known = budgets[index];
      if (known !== undefined) budgets[index] = { ...known, limitNanoUsd };
      else {
        const name = toFreeName(`${provider ?? 'overall'}-${period}`, budgets);
        budgets.push({ name, limitNanoUsd, period, timeZone: 'UTC', ...(provider !== undefined && { provider }) });
      }
    }
  }
  return { budgets, faults };
}

export const usdWords = `an amount in US dollars, more than 0 and at most ${maxUsd}`;

export function isUsd(value: number): boolean {
  return value > 0 && value <= maxUsd;
}

function toVariable(provider: string | undefined, period: BudgetConfig['period']): string {
  const prefix = provider === undefined ? '' : `${provider.toUpperCase().replaceAll('-', '_')}_`;
  return `${prefix}BUDGET_USD_PER_${period.toUpperCase()}`;
}

function parseUsd(value: string): number | undefined {
  const usd = /^\d+(\.\d+)?$/.test(value) ? Number(value) : Number.NaN;
  return isUsd(usd) ? usd : undefined;
}

function toNanoUsd(usd: number): number {
  return Math.round(usd * 1e9);
}

function toFreeName(wanted: string, budgets: readonly BudgetConfig[]): string {
  const taken = new Set(budgets.map(({ name }) => name));
  let name = wanted;
  for (let count = 2; taken.has(name); count += 1) name = `${wanted}-${count}`;
  return name;
}
