import { describe, expect, it } from 'vitest';
import { loadCatalog } from '../src/index.ts';
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

describe('the rule for the cache', () => {
  it('keeps nothing unasked unless routing.json says so', () => {
    expect(loadFaultless({}).routing.cache).toEqual({ temperatureZero: false, ttlMs: 3_600_000 });
  });

  it('is read from routing.json', () => {
    const routing = { auto: { candidates: [] }, cache: { temperatureZero: true, ttlSeconds: 60 } };
    expect(loadFaultless({ routing }).routing.cache).toEqual({ temperatureZero: true, ttlMs: 60_000 });
  });
});
