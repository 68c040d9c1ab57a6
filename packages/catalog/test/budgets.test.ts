import { describe, expect, it } from 'vitest';
import { getBudgetOf, loadCatalog, planShares, toCounter } from '../src/index.ts';
import { loadFaultless, provider, writeConfig } from './temporary-config.ts';

const load = (budgets: unknown, env: Record<string, string> = {}) =>
  loadFaultless({ providers: { providers: [provider('openai'), provider('my-vllm')], budgets } }, { env }).budgets;

describe('budgets', () => {
  it('are none where none are set', () => {
    expect(load(undefined)).toEqual([]);
  });

  it('are read from providers.json, in whole nano-dollars and in UTC unless it says otherwise', () => {
    const budgets = load([
      { name: 'team', limitUsd: 12.5, period: 'month', client: 'team', timeZone: 'Europe/Berlin' },
      { name: 'vendor', limitUsd: 0.000001, period: 'day', provider: 'openai' },
    ]);
    expect(budgets).toEqual([
      { name: 'team', limitNanoUsd: 12_500_000_000, period: 'month', client: 'team', timeZone: 'Europe/Berlin' },
      { name: 'vendor', limitNanoUsd: 1_000, period: 'day', provider: 'openai', timeZone: 'UTC' },
    ]);
  });

  it('are added and changed by the environment', () => {
    const env = { BUDGET_USD_PER_DAY: '2', BUDGET_USD_PER_MONTH: '', MY_VLLM_BUDGET_USD_PER_MONTH: '30.5' };
    expect(load([{ name: 'all', limitUsd: 1, period: 'day' }], env)).toEqual([
      { name: 'all', limitNanoUsd: 2e9, period: 'day', timeZone: 'UTC' },
      { name: 'my-vllm-month', limitNanoUsd: 30.5e9, period: 'month', timeZone: 'UTC', provider: 'my-vllm' },
    ]);
  });

  it('with mistakes are told, each with its place and what is expected there', () => {
    const configDir = writeConfig({
      providers: {
        providers: [provider('openai')],
        budgets: [
          { name: 'a b', limitUsd: 1, period: 'day' },
          { name: 'x', limitUsd: 0, period: 'week' },
          { name: 'x', limitUsd: 1, period: 'day', timeZone: '+02:00', provider: 'opnai' },
        ],
      },
    });
    const { faults } = loadCatalog({ configDir, env: { BUDGET_USD_PER_DAY: '-3' } });
    expect(faults.map(({ path, expected }) => `${path}: ${expected}`).toSorted()).toEqual([
      'BUDGET_USD_PER_DAY: an amount in US dollars, more than 0 and at most 1000000',
      'budgets[0].name: a name of letters, digits, dots, dashes and underscores, at most 64',
      'budgets[1].limitUsd: an amount in US dollars, more than 0 and at most 1000000',
      'budgets[1].period: one of day, month',
      'budgets[2].name: a unique name (budgets[1] has this one)',
      'budgets[2].provider: a provider of this file (openai)',
      'budgets[2].timeZone: the name of a time zone like Europe/Berlin',
    ]);
  });
});

describe('the counter of a budget', () => {
  const at = Date.UTC(2026, 10, 23, 12);
  const all = { name: 'all', limitNanoUsd: 1e9, period: 'month', timeZone: 'UTC' } as const;
  const keyOf = (budget: Parameters<typeof toCounter>[0]) => toCounter(budget, at).key;

  it('is another one once other calls count, and the same whatever they may cost', () => {
    const others = [
      all,
      { ...all, provider: 'openai' },
      { ...all, client: 'openai' },
      { ...all, timeZone: 'Asia/Tokyo' },
    ];
    expect(new Set(others.map(keyOf)).size).toBe(4);
    expect(keyOf({ ...all, limitNanoUsd: 2e9 })).toBe(keyOf(all));
  });

  it('tells whose it is', () => {
    const budgets = [{ ...all, name: 'token:ci:month', client: 'ci' }, all];
    expect(budgets.map((budget) => getBudgetOf(budgets, keyOf(budget)))).toEqual(budgets);
  });
});

describe('what a request holds of a budget', () => {
  const prices = { inputPerMillionUsd: 1, outputPerMillionUsd: 2 };
  const tiers = { priority: 2, flex: 0.5, scale: null };
  const files = {
    providers: {
      providers: [provider('openai')],
      budgets: [{ name: 'all', limitUsd: 1, period: 'day' }],
    },
    models: {
      checkedOn: '2026-11-22',
      serviceTiers: { openai: tiers },
      models: [
        { provider: 'openai', id: 'a', prices },
        { provider: 'openai', id: 'unpriced', prices: null },
      ],
    },
  };
  const plan = (serviceTier?: string, model = 'a', fallbacks: { provider: string; model: string }[] = []) => {
    const settings = { maxOutputTokens: 1_000, ...(serviceTier !== undefined && { serviceTier }) };
    const request = { model, messages: [], settings };
    const catalog = loadFaultless(files);
    const { shares, warnings } = planShares(
      catalog,
      catalog.budgets,
      { client: 'local', provider: 'openai', request, fallbacks },
      Date.UTC(2026, 10, 23),
    );
    return { held: shares[0]?.heldNanoUsd ?? 0, warnings: warnings.map(({ message }) => message) };
  };

  it('is its price in the service tier that it asks for, and never less than the ordinary one', () => {
    const ordinary = plan().held;
    expect(ordinary).toBeGreaterThanOrEqual(2_000_000);
    expect(plan('priority')).toEqual({ held: 2 * ordinary, warnings: [] });
    // It may be served as any other.
    expect(plan('flex')).toEqual({ held: ordinary, warnings: [] });
    expect(plan('auto')).toEqual({ held: ordinary, warnings: [] });
  });

  it('is the ordinary price where nobody knows that of the tier, and says so', () => {
    for (const tier of ['scale', 'ultrafast']) {
      expect(plan(tier)).toEqual({
        held: plan().held,
        warnings: [expect.stringMatching(/^The price of openai\/a in the service tier .* its ordinary price/)],
      });
    }
  });

  it('is nothing where nobody knows the price of its model, and says so', () => {
    const unknown = expect.stringMatching(/^The price of openai\/unpriced is unknown/);
    expect(plan('priority', 'unpriced')).toEqual({ held: 0, warnings: [unknown] });
    expect(plan('priority', 'unpriced', [{ provider: 'openai', model: 'a' }])).toEqual({
      held: 2 * plan().held,
      warnings: [unknown],
    });
  });
});

describe('the rule for the cache', () => {
  it('keeps nothing unasked unless routing.json says so', () => {
    expect(loadFaultless({}).routing.cache).toEqual({ temperatureZero: false, ttlMs: 3_600_000 });
  });

  it('is read from routing.json', () => {
    const routing = { auto: { candidates: [] }, cache: { temperatureZero: true, ttlSeconds: 60 } };
    expect(loadFaultless({ routing }).routing.cache).toEqual({ temperatureZero: true, ttlMs: 60_000 });
  });
});
