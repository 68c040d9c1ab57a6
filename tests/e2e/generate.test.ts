import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Deployment, startDeployment } from '../support/deployment.ts';
import { type McpClient, mixedFaces, type Progress } from '../support/mcp-client.ts';
import { recite, vendorModels, vendors } from '../support/vendors.ts';

let deployment: Deployment;
beforeAll(async () => {
  deployment = await startDeployment();
});
afterAll(() => deployment?.end());

describe.each(mixedFaces)('generate, for a client of version $era over $transport,', (face) => {
  let mcp: McpClient;
  beforeAll(async () => {
    mcp = await deployment.connect(face);
  });

  test.each(vendors)('%s answers with text, counts, cost and times', async (vendor) => {
    const model = vendorModels[vendor];
    const prompt = `Ask ${vendor} over ${face.transport} in ${face.era}`;
    const expected = answerOf(model, prompt);

    const { isError, text, structured } = await mcp.call('generate', { model, prompt });

    expect(isError).toBe(false);
    expect(text.startsWith(expected.text)).toBe(true);
    expect(text).toContain(model);
    const { inputTokens, outputTokens } = expected;
    expect(structured).toMatchObject({
      status: 'succeeded',
      text: expected.text,
      model,
      provider: vendor,
      finish_reason: 'stop',
      usage: { input_tokens: inputTokens, output_tokens: outputTokens },
      cached: false,
      warnings: [],
    });
    expect(structured.job_id).toMatch(/^gen_/);
    expect(structured.cost_usd).toBeCloseTo(await priceOf(model, inputTokens, outputTokens), 9);
    expect(structured.first_token_ms).toBeGreaterThan(0);
    expect(structured.latency_ms).toBeGreaterThanOrEqual(structured.first_token_ms + structured.queue_ms);
    expect(deployment.vendors.calls().filter((call) => call.prompt === prompt)).toEqual([
      { vendor, model: model.slice(vendor.length + 1), prompt },
    ]);
  });

  test.each(vendors)('%s sends its text as progress before the result', async (vendor) => {
    const model = vendorModels[vendor];
    const prompt = 'Tell it piece by piece';
    const seen: Progress[] = [];

    const call = mcp.call('generate', { model, prompt }, { onProgress: (progress) => seen.push(progress) });
    const { structured, progress } = await call;

    const [started, ...texts] = progress.map(({ message = '' }) => message);
    expect(started).toBe(`${model} started`);
    expect(texts.length).toBeGreaterThan(1);
    expect(texts.join('')).toBe(answerOf(model, prompt).text);
    expect(structured).toMatchObject({ status: 'succeeded', text: texts.join('') });
    const steps = progress.map((message) => message.progress);
    expect(steps).toEqual([...new Set(steps)].toSorted((a, b) => a - b));
    // What the client's application got while it waited.
    expect(seen.length).toBeGreaterThan(1);
    expect(seen).toEqual(progress.slice(0, seen.length));
  });

  async function priceOf(model: string, inputTokens: number, outputTokens: number): Promise<number> {
    const { structured } = await mcp.call('get_model_info', { model });
    const { input_per_million_usd: input, output_per_million_usd: output } = structured.prices;
    return (input * inputTokens + output * outputTokens) / 1e6;
  }
});

function answerOf(model: string, prompt: string): { text: string; inputTokens: number; outputTokens: number } {
  const [vendor = '', ...id] = model.split('/');
  const answer = recite({ vendor: vendors.find((known) => known === vendor) ?? 'openai', model: id.join('/'), prompt });
  if ('error' in answer) throw new Error('recite never fails');
  return answer;
}
