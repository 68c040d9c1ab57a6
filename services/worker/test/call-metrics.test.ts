import { type Catalog, createLiveCatalog, loadCatalog } from '@aimm/catalog';
import type { LedgerRow } from '@aimm/contracts';
import { expect, test } from 'vitest';
import { createCallMetrics } from '../src/call-metrics.ts';

test('a model that comes with a reload has its name in the metrics; what the catalog lacks shares one', () => {
  const { catalog } = loadCatalog({ env: {} });
  const before: Catalog = { ...catalog, listModels: () => [], hasEntry: () => false };
  const live = createLiveCatalog(before);
  const labels: (string | undefined)[] = [];
  const tally = {
    count: (_name: string, { model }: { model?: string }) => void labels.push(model),
    observe: () => undefined,
  };
  // It counts and observes.
  const metrics = createCallMetrics(tally as never, live.catalog);
  const end = (model: string) => {
    labels.length = 0;
    // No more of a row is looked at.
    metrics.ended({ provider: 'openai', model, status: 'succeeded', costNanoUsd: 1 } as LedgerRow);
    return [...new Set(labels)];
  };
  expect(end('gpt-5-mini')).toEqual(['other']);
  live.replace(catalog);
  expect(end('gpt-5-mini')).toEqual(['gpt-5-mini']);
  expect(end('gpt-5-mini-2031-01-01')).toEqual(['other']);
});

test('what demo answers would have cost is neither money spent nor a price that is missing', () => {
  const { catalog } = loadCatalog({ env: {} });
  const counted = (costNanoUsd: number | null) => {
    const names: string[] = [];
    const tally = { count: (name: string) => void names.push(name), observe: () => undefined };
    const metrics = createCallMetrics(tally as never, catalog);
    for (const demo of [true, false])
      metrics.ended({ provider: 'openai', model: 'gpt-5-mini', status: 'succeeded', costNanoUsd, demo } as LedgerRow);
    return names.filter((name) => !['calls', 'tokens'].includes(name));
  };
  expect(counted(9)).toEqual(['cost']);
  expect(counted(null)).toEqual(['unpricedCalls']);
});
