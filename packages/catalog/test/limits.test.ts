import { expect, test } from 'vitest';
import { loadCatalog } from '../src/index.ts';
import { loadFaultless, provider, writeConfig } from './temporary-config.ts';

const models = { checkedOn: '2026-11-22', models: [] };
const routing = { auto: { candidates: [] } };

test('models have limits of their own, and clients theirs or those that each client has', () => {
  const catalog = loadFaultless({
    providers: {
      providers: [provider('openai', { models: { slow: { requestsPerMinute: 6, concurrency: 1 } } })],
      clients: { nightly: { tokensPerMinute: 1_000 }, '*': { requestsPerMinute: 60 } },
    },
    models,
    routing,
  });
  expect(catalog.findProvider('openai')?.models?.['slow']).toEqual({ requestsPerMinute: 6, concurrency: 1 });
  expect(catalog.findClientLimits('nightly')).toEqual({ tokensPerMinute: 1_000 });
  expect(catalog.findClientLimits('anybody')).toEqual({ requestsPerMinute: 60 });
  expect(catalog.findClientLimits('toString')).toEqual({ requestsPerMinute: 60 });
});

test('mistakes in them are told with their place', () => {
  const { faults } = loadCatalog({
    env: {},
    configDir: writeConfig({
      providers: {
        providers: [provider('openai', { models: { slow: { requestsPerMinute: 0, perHour: 3 } } })],
        clients: { nightly: { concurrency: 'one' } },
      },
      models,
      routing,
    }),
  });
  expect(faults.map(({ path, expected }) => `${path}: ${expected}`).toSorted()).toEqual([
    'clients.nightly.concurrency: a whole number of at least 1',
    'providers[0].models.slow.perHour: limits: requestsPerMinute, tokensPerMinute, concurrency',
    'providers[0].models.slow.requestsPerMinute: a whole number of at least 1',
  ]);
});
