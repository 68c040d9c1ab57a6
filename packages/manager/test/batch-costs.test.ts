import { loadCatalog } from '@aimm/catalog';
import type { GenerationSettings } from '@aimm/contracts';
import type { NewColumn } from '@aimm/database';
import { describe, expect, it } from 'vitest';
import { createBatchCosts } from '../src/batch/batch-costs.ts';
import { requireAffordable } from '../src/batch/max-cost.ts';

const { catalog } = loadCatalog({ env: {} });
const at = Date.parse('2026-11-23');
const column = (number: number, model: string, more: Partial<NewColumn> = {}): NewColumn => ({
  number,
  provider: 'mistral',
  model,
  lane: 'queue',
  template: { attempts: 1, timeoutMs: 1, settings: {}, warnings: [], expectedNanoUsd: null },
  ...more,
});
const item = (text: string, maxOutputTokens?: number) => ({
  id: text.slice(0, 5),
  messages: [{ role: 'user' as const, content: [{ type: 'text' as const, text }] }],
  ...(maxOutputTokens !== undefined && { settings: { maxOutputTokens } }),
});
const priced = 'mistral-medium-3-5';

describe('what a batch is expected to cost', () => {
  it('is the sum over its items and columns, by what each item asks for', () => {
    const costs = createBatchCosts(catalog, [column(0, priced), column(1, priced, { judges: [0] })]);
    costs.add(item('short', 100));
    costs.add(item('short', 100));
    const { byColumn, totalNanoUsd } = costs.price(at);
    const one = byColumn.get(0) ?? 0;
    expect(one).toBeGreaterThan(0);
    // The judge reads the answer of 100 tokens, and what it is told.
    expect(byColumn.get(1)).toBeGreaterThan(one);
    expect(totalNanoUsd).toBe(Math.round(2 * (one + (byColumn.get(1) ?? 0))));
    const longer = createBatchCosts(catalog, [column(0, priced)]);
    longer.add(item('short', 1_000));
    expect(longer.price(at).byColumn.get(0)).toBeGreaterThan(one * 5);
  });

  it('counts what a judge goes by in each verdict', () => {
    const inputOf = (criteria?: string) => {
      const costs = createBatchCosts(catalog, [column(0, priced), column(1, priced, { judges: [0] })], { criteria });
      costs.add(item('short', 100));
      return costs.price(at).byColumn.get(1) ?? 0;
    };
    const { costNanoUsd } = catalog.priceCall({
      provider: 'mistral',
      model: priced,
      usage: { inputTokens: 3_000, outputTokens: 0 },
      at,
    });
    expect(inputOf('x'.repeat(12_000)) - inputOf()).toBe(costNanoUsd);
  });

  it('counts a schema and tools once, whether the batch brings them or each item; a judge is given neither', () => {
    const schema = { type: 'object', description: 'x'.repeat(12_000) };
    const settings: GenerationSettings = {
      responseFormat: { type: 'json_schema', schema },
      tools: [{ name: 'look', parameters: schema }],
      maxOutputTokens: 100,
    };
    const priceOf = (given: GenerationSettings, own: GenerationSettings) => {
      const { template } = column(0, priced);
      const judge = column(1, priced, { judges: [0] });
      const costs = createBatchCosts(catalog, [
        column(0, priced, { template: { ...template, settings: given } }),
        judge,
      ]);
      costs.add({ ...item('short'), settings: own });
      return costs.price(at).byColumn;
    };
    const [plain, byBatch, byItem] = [
      priceOf({}, { maxOutputTokens: 100 }),
      priceOf(settings, {}),
      priceOf({}, settings),
    ];
    expect(byBatch.get(0)).toBeGreaterThan((plain.get(0) ?? 0) * 5);
    expect(byItem).toEqual(byBatch);
    expect(priceOf(settings, settings)).toEqual(byBatch);
    expect(byBatch.get(1)).toBe(plain.get(1));
  });

  it('goes by the service tier that is asked for, and by that of a batch in the lane of batches', () => {
    const price = (serviceTier: string | undefined, lane: NewColumn['lane'] = 'queue') => {
      const template = {
        ...column(0, priced).template,
        settings: { ...(serviceTier !== undefined && { serviceTier }) },
      };
      const costs = createBatchCosts(catalog, [column(0, 'gpt-5-mini', { provider: 'openai', lane, template })]);
      costs.add(item('short', 1_000));
      return costs.price(at).totalNanoUsd;
    };
    const ordinary = price(undefined) ?? 0;
    expect(price('priority')).toBe(ordinary * 1.8);
    expect(price('scale')).toBeNull();
    expect(price('priority', 'provider_batch')).toBe(ordinary / 2);
  });

  it('is unknown where one of its models has no price', () => {
    const costs = createBatchCosts(catalog, [column(0, priced), column(1, 'nobody-knows')]);
    costs.add(item('a'));
    const { byColumn, totalNanoUsd } = costs.price(at);
    expect([totalNanoUsd, byColumn.get(1)]).toEqual([null, null]);
    expect(byColumn.get(0)).toBeGreaterThan(0);
  });
});

describe('what a batch may cost', () => {
  const estimate = { items: 1, generations: 1 };
  const ask = (estimatedNanoUsd: number | null, maxCostNanoUsd: number | undefined, answer?: boolean | 'limited') =>
    requireAffordable(
      { ...estimate, estimatedNanoUsd, maxCostNanoUsd },
      answer === undefined ? undefined : async () => answer,
    );

  it('stays its limit where the estimate is within it', async () => {
    expect([await ask(5, 5), await ask(5, undefined)]).toEqual([5, undefined]);
  });

  it('is asked about above it, also where the estimate is unknown; a no leaves it at that', async () => {
    expect([await ask(6, 5, 'limited'), await ask(null, 5, 'limited')]).toEqual([5, 5]);
    expect([await ask(6, 5, true), await ask(null, 5, true)]).toEqual([undefined, undefined]);
    await expect(ask(6, 5, false)).rejects.toMatchObject({ code: 'budget_exceeded' });
    await expect(ask(null, 5)).rejects.toMatchObject({
      message: expect.stringContaining('price of a model is unknown'),
    });
  });
});
