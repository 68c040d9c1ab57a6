import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Deployment, startDeployment } from '../support/deployment.ts';
import { type McpClient, mixedFaces } from '../support/mcp-client.ts';
import { recite, type Script, type VendorCall, vendorModels, vendors } from '../support/vendors.ts';

/** As recite, but this prompt is refused by everybody. */
const script: Script = (call) =>
  call.prompt === 'refuse me' ? { error: { message: 'no', type: 'invalid_request_error' }, status: 400 } : recite(call);

let deployment: Deployment;
let clients: McpClient[];
/** What the results said that they cost, by provider/model. */
const costs = new Map<string, number>();
let requests = 0;

/** Asks a known number of questions over both transports, and waits until the worker has written all it knows. */
beforeAll(async () => {
  deployment = await startDeployment();
  deployment.vendors.say(script);
  clients = await Promise.all(mixedFaces.map((face) => deployment.connect(face)));
  const note = ({ model, cost_usd: cost }: { model: string; cost_usd?: number }) =>
    cost !== undefined && costs.set(model, (costs.get(model) ?? 0) + cost);
  const generate = async (mcp: McpClient, args: Record<string, unknown>) => {
    requests += 1;
    note((await mcp.call('generate', args)).structured);
  };
  const models = Object.values(vendorModels);
  await Promise.all(
    clients.flatMap((mcp, index) => [
      ...models.map((model) => generate(mcp, { model, prompt: `by itself ${index}`, tags: ['single'] })),
      ...[vendorModels.openai, vendorModels.ollama].map((model) => generate(mcp, { model, prompt: 'refuse me' })),
    ]),
  );
  for (const mcp of clients) {
    requests += models.length;
    const { structured } = await mcp.call('compare_models', { models, prompt: 'all together', tags: ['group'] });
    for (const result of structured.results) note(result);
  }
  // A worker that leaves in order has written its last row.
  await deployment.worker?.end();
});
afterAll(() => deployment?.end());

interface Totals {
  key: string;
  requests: number;
  calls: number;
  failed: number;
  input_tokens: number;
  output_tokens: number;
  cost_usd: number;
}

describe.each(mixedFaces)('get_usage_stats, over $transport in $era:', ({ transport }) => {
  const ask = async (args: Record<string, unknown> = {}) => {
    const mcp = clients[mixedFaces.findIndex((face) => face.transport === transport)];
    const outcome = await mcp?.call('get_usage_stats', args);
    expect(outcome?.isError).toBe(false);
    return { text: outcome?.text ?? '', ...(outcome?.structured as { totals: Totals; groups: Totals[] }) };
  };

  test('every call that a vendor saw is there once, with its tokens', async () => {
    const { totals, text } = await ask({ period: '1h' });
    expect(totals).toMatchObject({ requests, ...sumOf(deployment.vendors.calls()), failed: 4, succeeded: 20 });
    expect(totals).toMatchObject({ cancelled: 0, partial: 0, outcome_unknown: 0, unpriced_calls: 0 });
    expect(totals).toMatchObject({ error_rate: 4 / 24 });
    expect(totals.cost_usd).toBeCloseTo(sum([...costs.values()]), 9);
    expect(text).toContain(`Total: ${requests} requests · 24 calls`);
  });

  test('by provider it says what each provider was asked', async () => {
    const { groups } = await ask({ group_by: 'provider' });
    expect(groups.map(({ key }) => key).toSorted()).toEqual(vendors.toSorted());
    for (const group of groups) {
      const calls = deployment.vendors.calls().filter(({ vendor }) => vendor === group.key);
      expect(group).toMatchObject(sumOf(calls));
    }
  });

  test('by model it says what each model cost', async () => {
    const { groups } = await ask({ group_by: 'model' });
    expect(groups.map(({ key }) => key).toSorted()).toEqual(Object.values(vendorModels).toSorted());
    for (const group of groups) {
      const calls = deployment.vendors.calls().filter(({ vendor, model }) => `${vendor}/${model}` === group.key);
      expect(group).toMatchObject(sumOf(calls));
      expect(group.cost_usd).toBeCloseTo(costs.get(group.key) ?? Number.NaN, 9);
    }
  });

  test('by day and by tag the parts are the whole', async () => {
    const days = await ask({ group_by: 'day' });
    expect(sum(days.groups.map(({ calls }) => calls))).toBe(24);
    expect(days.groups.every(({ key }) => /^\d{4}-\d\d-\d\d$/.test(key))).toBe(true);
    const tags = await ask({ group_by: 'tag' });
    const tagged = Object.fromEntries(tags.groups.map(({ key, calls }) => [key, calls]));
    expect(tagged).toMatchObject({ single: 10, group: 10 });
  });

  test('filters leave only what they name', async () => {
    const { totals: one } = await ask({ provider: 'mistral', tag: 'single' });
    const calls = deployment.vendors
      .calls()
      .filter(({ vendor, prompt }) => vendor === 'mistral' && /itself/.test(prompt));
    expect(one).toMatchObject({ requests: 2, ...sumOf(calls) });
    const { totals: none } = await ask({ from: '2020-01-01', to: '2020-02-01' });
    expect(none).toMatchObject({ requests: 0, calls: 0, input_tokens: 0, error_rate: 0 });
  });

  test('the resource says the same', async () => {
    const mcp = clients[mixedFaces.findIndex((face) => face.transport === transport)];
    const read = await mcp?.client.readResource({ uri: 'stats://usage' });
    const [content] = read?.contents ?? [];
    const usage = JSON.parse(content !== undefined && 'text' in content ? content.text : '');
    expect(usage.last_24h.totals).toMatchObject(sumOf(deployment.vendors.calls()));
    expect(usage.last_24h.by_provider).toHaveLength(5);
    expect(usage.last_30d.by_model).toHaveLength(5);
  });
});

/** The calls' number and tokens as the vendors' side has them. */
function sumOf(calls: VendorCall[]): Pick<Totals, 'calls' | 'input_tokens' | 'output_tokens'> {
  const answers = calls.map((call) => script(call)).flatMap((answer) => ('error' in answer ? [] : [answer]));
  return {
    calls: calls.length,
    input_tokens: sum(answers.map(({ inputTokens }) => inputTokens)),
    output_tokens: sum(answers.map(({ outputTokens }) => outputTokens)),
  };
}

function sum(numbers: number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
