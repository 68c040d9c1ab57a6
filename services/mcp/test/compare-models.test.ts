import { expect, it } from 'vitest';
import { createFakeManager, createReadyManager } from './support/fake-manager.ts';
import { answer, comparison, comparisonId, generationId } from './support/fixtures.ts';
import { callTool, connect, eras } from './support/connect.ts';

const args = { prompt: 'Capital of France?', models: ['openai/gpt-5-mini', 'mistral/mistral-large'] };

it.each(eras)('every answer stands under its model, the failed one with its way out, in version %s', async (era) => {
  const client = await connect(createReadyManager(), { era });
  const { isError, text, structured } = await callTool(client, 'compare_models', args);
  expect(isError).toBe(false);
  expect(text).toMatchInlineSnapshot(`
    [
      "## 1. openai/gpt-5-mini

    Paris.

    [openai/gpt-5-mini · 12 in, 3 out tokens · $0.0000090 · 850 ms · gen_0198c0de-0000-7000-8000-000000000001]
    Warning: gpt-5-mini does not take temperature.",
      "## 2. mistral/mistral-large

    mistral allows no more requests now.
    Wait and call again, or use a model of another provider.
    (error: rate_limited · job_id: gen_0198c0de-0000-7000-8000-000000000004)",
      "## Summary

    1 of 2 answered.
    fastest openai/gpt-5-mini, cheapest openai/gpt-5-mini, longest answer openai/gpt-5-mini.
    [12 in, 3 out tokens · $0.0000090 · 900 ms · cmp_0198c0de-0000-7000-8000-000000000002]

    ## Judgement by anthropic/claude-haiku-4-5

    Best: openai/gpt-5-mini.
    1. openai/gpt-5-mini (9): Short and right.",
    ]
  `);
  expect(structured).toMatchObject({
    job_id: comparisonId,
    status: 'succeeded',
    results: [
      { status: 'succeeded', model: 'openai/gpt-5-mini', text: 'Paris.', cost_usd: 0.000009, job_id: generationId },
      { status: 'failed', model: 'mistral/mistral-large', error: { code: 'rate_limited' } },
    ],
    summary: { succeeded: 1, failed: 1, fastest: 'openai/gpt-5-mini', total_cost_usd: 0.000009, total_ms: 900 },
    judgement: { judge: 'anthropic/claude-haiku-4-5', winner: 'openai/gpt-5-mini', ranking: [{ score: 9 }] },
  });
});

it('tells what the judge took, and that the totals are with it', async () => {
  const { summary, judgement } = comparison;
  const judged = {
    ...comparison,
    summary: { ...summary, totalCostNanoUsd: 2_009_000 },
    ...(judgement && { judgement: { ...judgement, costNanoUsd: 2_000_000, inputTokens: 400, outputTokens: 30 } }),
  };
  const manager = createReadyManager({
    compare: async () => ({ requestId: comparisonId, models: args.models, result: Promise.resolve(judged) }),
  });
  const { text, structured } = await callTool(await connect(manager), 'compare_models', args);
  expect(structured).toMatchObject({ summary: { total_cost_usd: 0.002009 }, judgement: { cost_usd: 0.002 } });
  expect(text.join('\n')).toMatch(/\$0\.0020\d* with the judge/);
});

it('asks the models in the order given, with judge and criteria', async () => {
  const manager = createReadyManager();
  await callTool(await connect(manager), 'compare_models', { ...args, judge: 'a/judge', criteria: 'brevity' });
  expect(manager.calls[0]?.args[1]).toMatchObject({ models: args.models, judge: 'a/judge', criteria: 'brevity' });
});

it('comes back at once with the id when asked for in the background', async () => {
  const { structured } = await callTool(await connect(createFakeManager()), 'compare_models', {
    ...args,
    background: true,
  });
  expect(structured).toMatchObject({ job_id: comparisonId, status: 'queued' });
});

it('hands back what has finished so far before the client gives up', async () => {
  const finished = { type: 'model_finished', provider: 'openai', model: 'gpt-5-mini', finished: 1, total: 2 } as const;
  const manager = createFakeManager({
    compare: async (_caller, { models }, options) => {
      options?.onProgress?.({ ...finished, result: answer });
      return { requestId: comparisonId, models, result: new Promise(() => undefined) };
    },
  });
  const client = await connect(manager, { timing: { handBackMs: 10 } });
  const { isError, structured } = await callTool(client, 'compare_models', args);
  expect(isError).toBe(false);
  expect(structured).toMatchObject({
    job_id: comparisonId,
    status: 'running',
    progress: { finished: 1, total: 2 },
    results: [
      { model: 'openai/gpt-5-mini', status: 'succeeded', text: 'Paris.' },
      { model: 'mistral/mistral-large', status: 'running' },
    ],
  });
});
