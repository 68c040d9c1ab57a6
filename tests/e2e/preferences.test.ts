import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Deployment, startDeployment } from '../support/deployment.ts';
import { type McpClient, mixedFaces } from '../support/mcp-client.ts';
import { vendorModels } from '../support/vendors.ts';

let deployment: Deployment;
beforeAll(async () => {
  deployment = await startDeployment();
});
afterAll(() => deployment?.end());

describe.each(mixedFaces)('over $transport in $era:', (face) => {
  let mcp: McpClient;
  beforeAll(async () => {
    mcp = await deployment.connect(face);
  });

  test('an alias is set, used, listed and removed', async () => {
    const set = await mcp.call('set_preference', { name: 'mine', model: vendorModels.mistral, max_output_tokens: 50 });
    expect(set.structured).toMatchObject({ change: 'set', preference: { models: [vendorModels.mistral] } });
    const { isError, structured } = await mcp.call('generate', { model: 'mine', prompt: 'Hi' });
    expect(isError).toBe(false);
    expect(structured).toMatchObject({ model: vendorModels.mistral, alias: 'mine' });
    expect(structured.warnings).toContain(`The alias mine (yours) is ${vendorModels.mistral}.`);
    const compared = await mcp.call('compare_models', { models: ['mine', vendorModels.openai], prompt: 'Hi' });
    expect(compared.structured.results).toMatchObject([{ alias: 'mine' }, { model: vendorModels.openai }]);

    const list = await mcp.call('get_preferences');
    const names = list.structured.preferences.map(
      ({ name, scope }: { name: string; scope: string }) => `${name} ${scope}`,
    );
    expect(names).toEqual(['code built_in', 'fast built_in', 'mine own', 'smart built_in']);
    expect((await mcp.call('set_preference', { name: 'mine' })).structured.change).toBe('removed');
    const gone = await mcp.call('generate', { model: 'mine', prompt: 'Hi' });
    expect(gone.structured.error).toMatchObject({
      code: 'unknown_model',
      hint: expect.stringContaining('fast, smart'),
    });
  });

  test('fast is there without any set-up', async () => {
    const { structured } = await mcp.call('generate', { model: 'fast', prompt: 'Hi' });
    expect(structured).toMatchObject({ status: 'succeeded', alias: 'fast' });
  });

  test('a cost is estimated, and nobody is asked', async () => {
    const before = deployment.vendors.calls().length;
    const models = [vendorModels.openai, vendorModels.anthropic, 'fast'];
    const { structured } = await mcp.call('estimate_cost', { prompt: 'Hi', models });
    expect(structured.estimates.length).toBeGreaterThanOrEqual(3);
    const costs: number[] = structured.estimates.map((one: { expected_cost_usd: number }) => one.expected_cost_usd);
    expect(costs).toEqual(costs.toSorted((a, b) => a - b));
    expect(deployment.vendors.calls()).toHaveLength(before);
  });

  test('jobs are listed by pages, completed by how their ids begin, and read', async () => {
    const made = await mcp.call('generate', { model: vendorModels.openai, prompt: 'a private question' });
    const jobId: string = made.structured.job_id;
    const { structured, text } = await mcp.call('list_jobs', { limit: 1, kind: 'generation' });
    expect(structured.jobs).toMatchObject([{ job_id: jobId, status: 'succeeded', models: [vendorModels.openai] }]);
    expect(text).not.toContain('private');
    const next = await mcp.call('list_jobs', { limit: 100, cursor: structured.next_cursor });
    expect(next.structured.jobs.map((job: { job_id: string }) => job.job_id)).not.toContain(jobId);
    const ref = { type: 'ref/resource' as const, uri: 'jobs://{id}' };
    const { completion } = await mcp.client.complete({ ref, argument: { name: 'id', value: jobId.slice(0, -3) } });
    expect(completion.values).toContain(jobId);
    const newer = Array.from({ length: 101 }, (_, index) =>
      mcp.call('generate', { model: 'fast', prompt: `newer ${index}` }),
    );
    await Promise.all(newer);
    const again = await mcp.client.complete({ ref, argument: { name: 'id', value: jobId.slice(0, -3) } });
    expect(again.completion.values).toContain(jobId);
    const { contents } = await mcp.client.readResource({ uri: `jobs://${jobId}` });
    expect(JSON.stringify(contents)).toContain('succeeded');
  });

  test('prompts name our tools, and complete models', async () => {
    const { prompts } = await mcp.client.listPrompts();
    expect(prompts.map(({ name }) => name)).toEqual(['compare_models', 'choose_model', 'review_usage']);
    const ref = { type: 'ref/prompt' as const, name: 'compare_models' };
    const argument = { name: 'models', value: 'fast, mistral/' };
    const { completion } = await mcp.client.complete({ ref, argument });
    expect(completion.values).toContain(`fast, ${vendorModels.mistral}`);
    const { messages } = await mcp.client.getPrompt({ name: 'choose_model', arguments: { task: 'Sort letters' } });
    expect(JSON.stringify(messages)).toMatch(/list_models.*estimate_cost.*set_preference.*Sort letters/);
  });
});

test('one client’s requests are seen by its other front', async () => {
  const [first, second] = await Promise.all(mixedFaces.map((face) => deployment.connect(face)));
  const made = await first?.call('generate', { model: vendorModels.google, prompt: 'Hi' });
  const list = await second?.call('list_jobs', { limit: 1 });
  expect(list?.structured.jobs).toMatchObject([{ job_id: made?.structured.job_id }]);
});
