import { describe, expect, it } from 'vitest';
import { callTool, caller, connect, eras } from './support/connect.ts';
import { createReadyManager } from './support/fake-manager.ts';
import { comparisonId, generationId } from './support/fixtures.ts';

describe.each(eras)('in version %s', (era) => {
  it('set_preference hands on models and settings, and leaves out what was not given', async () => {
    const manager = createReadyManager();
    const client = await connect(manager, { era });
    const args = { name: 'work', model: 'openai/gpt-5-mini', max_output_tokens: 200, system: 'Be brief.' };
    const { text, structured } = await callTool(client, 'set_preference', args);
    expect(manager.calls[0]?.args).toMatchObject([
      caller,
      { name: 'work', models: ['openai/gpt-5-mini'], settings: { maxOutputTokens: 200, system: 'Be brief.' } },
    ]);
    expect(text[0]).toBe('Set. Now work (yours): openai/gpt-5-mini; max_output_tokens 200; system Be brief.');
    expect(structured).toMatchObject({ change: 'set', preference: { settings: { max_output_tokens: 200 } } });
    await callTool(client, 'set_preference', { name: 'work', model: ['a/b', 'c/d'] });
    expect(manager.calls[1]?.args[1]).toMatchObject({ models: ['a/b', 'c/d'] });
    await callTool(client, 'set_preference', { name: 'work' });
    expect(manager.calls[2]?.args[1]).toMatchObject({ models: undefined });
    const { isError } = await callTool(client, 'set_preference', { name: 'work', model: [] });
    expect(isError).toBe(true);
  });

  it('get_preferences names what each name stands for', async () => {
    const { text, structured } = await callTool(await connect(createReadyManager(), { era }), 'get_preferences', {});
    expect(text[0]).toContain('- work (yours): openai/gpt-5-mini; max_output_tokens 200');
    expect(structured).toMatchObject({ preferences: [{ name: 'work', scope: 'own', models: ['openai/gpt-5-mini'] }] });
  });

  it('estimate_cost gives a range per model, and why there is none', async () => {
    const manager = createReadyManager();
    const args = { prompt: 'Hi', models: ['fast', 'ollama/own'], max_output_tokens: 4_096 };
    const { text, structured } = await callTool(await connect(manager, { era }), 'estimate_cost', args);
    expect(manager.calls[0]?.args[1]).toMatchObject({ models: args.models, settings: { maxOutputTokens: 4_096 } });
    expect(text[0]).toContain(
      'openai/gpt-5-mini (fast): $0.0010, at most $0.0082 · about 12 in, 500 to 4,096 out tokens',
    );
    expect(text[0]).toContain('ollama/own: price unknown');
    expect(structured).toMatchObject({
      estimates: [{ expected_cost_usd: 0.001_003 }, { expected_cost_usd: null, reason: expect.any(String) }],
    });
    const messages = [{ role: 'nobody', content: 'x' }];
    const wrong = await callTool(await connect(manager, { era }), 'estimate_cost', { messages, models: ['fast'] });
    expect(wrong.isError).toBe(true);
  });

  it('list_jobs shows what waits and where, and the way to the next page', async () => {
    const manager = createReadyManager();
    const query = { kind: 'generation', status: 'queued', limit: 5 };
    const { text, structured } = await callTool(await connect(manager, { era }), 'list_jobs', query);
    expect(manager.calls[0]?.args).toEqual([caller, query]);
    expect(text[0]).toBe(
      `${generationId} · queued, 3rd of 9 in line · openai/gpt-5-mini · 4.2 s ago\nThere are more: cursor ${comparisonId}.`,
    );
    expect(structured).toMatchObject({ jobs: [{ job_id: generationId, position: 3 }], next_cursor: comparisonId });
  });

  it('list_jobs says that batches are missing while the database is away', async () => {
    const manager = { ...createReadyManager(), listJobs: async () => ({ jobs: [], withoutBatches: true as const }) };
    const { text, structured } = await callTool(await connect(manager, { era }), 'list_jobs', {});
    expect(text[0]).toMatch(
      /^No such request of the last 24 hours, and no such batch\.\nWarning: Batches are not listed/,
    );
    expect(structured).toMatchObject({ jobs: [], warnings: [expect.stringContaining('the database')] });
  });

  it('jobs are read and completed as resources', async () => {
    const client = await connect(createReadyManager(), { era });
    const { resourceTemplates } = await client.listResourceTemplates();
    expect(resourceTemplates.map(({ uriTemplate }) => uriTemplate)).toContain('jobs://{id}');
    const { contents } = await client.readResource({ uri: `jobs://${generationId}` });
    expect(JSON.stringify(contents)).toContain('queued');
    const complete = async (value: string) => {
      const ref = { type: 'ref/resource' as const, uri: 'jobs://{id}' };
      return (await client.complete({ ref, argument: { name: 'id', value } })).completion.values;
    };
    expect(await complete('gen_')).toEqual([generationId]);
    expect(await complete('cmp_')).toEqual([]);
  });

  it('prompts are listed with their arguments, filled in, and complete names of models', async () => {
    const client = await connect(createReadyManager(), { era });
    const { prompts } = await client.listPrompts();
    expect(prompts.map(({ name, arguments: given }) => `${name}: ${given?.map((one) => one.name).join(' ')}`)).toEqual([
      'compare_models: question models judge criteria',
      'choose_model: task priority needs',
      'review_usage: period',
    ]);
    const filled = { question: 'Why is the sky blue?', models: 'fast, openai/gpt-5-mini', judge: '' };
    const { messages } = await client.getPrompt({ name: 'compare_models', arguments: filled });
    const text = JSON.stringify(messages);
    for (const said of ['Why is the sky blue?', 'fast, openai/gpt-5-mini', 'compare_models', 'get_job'])
      expect(text).toContain(said);
    expect(text).not.toContain('judge');
    const complete = async (prompt: string, name: string, value: string) => {
      const ref = { type: 'ref/prompt' as const, name: prompt };
      return (await client.complete({ ref, argument: { name, value } })).completion.values;
    };
    expect(await complete('compare_models', 'models', 'fast,op')).toEqual(['fast, openai/gpt-5-mini']);
    expect(await complete('compare_models', 'judge', 'f')).toEqual(['fast']);
    expect(await complete('review_usage', 'period', '30')).toEqual(['30d']);
    await expect(client.getPrompt({ name: 'compare_models', arguments: {} })).rejects.toThrow(/question/);
  });
});

it('a completion that fails offers nothing, and says nothing', async () => {
  const client = await connect(() => Promise.reject(new Error('starting')));
  const ref = { type: 'ref/prompt' as const, name: 'compare_models' };
  const { completion } = await client.complete({ ref, argument: { name: 'judge', value: 'o' } });
  expect(completion.values).toEqual([]);
});
