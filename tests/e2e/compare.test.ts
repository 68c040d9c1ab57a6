import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type Deployment, startDeployment } from '../support/deployment.ts';
import { type McpClient, mixedFaces } from '../support/mcp-client.ts';
import { recite, type Script, vendorModels, vendors } from '../support/vendors.ts';

let deployment: Deployment;
beforeAll(async () => {
  deployment = await startDeployment();
});
afterAll(() => deployment?.end());

const { openai, anthropic, google, mistral, ollama } = vendorModels;
/** The longest answer first, so that no result comes in the order asked. */
const asked = [ollama, google, openai, mistral, anthropic];
const answerLength: Record<string, number> = { ollama: 80, google: 60, openai: 40, mistral: 20, anthropic: 8 };

const sized: Script = ({ vendor }) => ({
  text: vendor[0]?.repeat(answerLength[vendor] ?? 0) ?? '',
  inputTokens: 50,
  outputTokens: answerLength[vendor] ?? 0,
});

/** As sized, but this vendor refuses. */
const refusedBy =
  (vendor: string): Script =>
  (call) =>
    call.vendor === vendor
      ? { error: { message: 'no such setting', type: 'invalid_request_error' }, status: 400 }
      : sized(call);

describe.each(mixedFaces)('compare_models, for a client of version $era over $transport,', (face) => {
  let mcp: McpClient;
  beforeAll(async () => {
    mcp = await deployment.connect(face);
  });
  beforeEach(() => deployment.vendors.say(sized));

  test('gives every answer in the order asked, and a summary of them', async () => {
    const { isError, text, structured } = await mcp.call('compare_models', { prompt: 'Who are you?', models: asked });

    expect(isError).toBe(false);
    expect(structured.status).toBe('succeeded');
    expect(structured.job_id).toMatch(/^cmp_/);
    expect(structured.results.map(({ model }: { model: string }) => model)).toEqual(asked);
    for (const [index, result] of structured.results.entries()) {
      const vendor = vendors.find((known) => asked[index]?.startsWith(`${known}/`)) ?? '';
      const outputTokens = answerLength[vendor] ?? 0;
      expect(result).toMatchObject({
        status: 'succeeded',
        provider: vendor,
        text: vendor[0]?.repeat(outputTokens),
        usage: { input_tokens: 50, output_tokens: outputTokens },
      });
      expect(result.latency_ms).toBeGreaterThan(0);
      expect(text).toContain(`## ${index + 1}. ${asked[index]}`);
    }
    const { summary } = structured;
    const costs = structured.results.map(({ cost_usd: cost }: { cost_usd: number }) => cost);
    expect(summary).toMatchObject({
      succeeded: 5,
      failed: 0,
      longest: ollama,
      cheapest: ollama,
      total_input_tokens: 250,
      total_output_tokens: 208,
    });
    expect(asked).toContain(summary.fastest);
    expect(summary.total_cost_usd).toBeCloseTo(
      costs.reduce((sum: number, cost: number) => sum + cost, 0),
      9,
    );
  });

  test('reports each model that has finished', async () => {
    const { progress } = await mcp.call(
      'compare_models',
      { prompt: 'Who are you?', models: asked },
      { onProgress: () => undefined },
    );

    const finished = progress.filter(({ message = '' }) => / finished in .* \(\d of 5\)$/.test(message));
    expect(finished.map(({ progress: step, total }) => [step, total])).toEqual(
      [1, 2, 3, 4, 5].map((step) => [step, 5]),
    );
    expect(new Set(finished.map(({ message = '' }) => message.split(' ')[0]))).toEqual(new Set(asked));
    const steps = progress.map((message) => message.progress);
    expect(steps).toEqual([...new Set(steps)].toSorted((a, b) => a - b));
  });

  test.each(vendors)('lets the others stand when %s fails', async (failing) => {
    deployment.vendors.say(refusedBy(failing));

    const { isError, text, structured, progress } = await mcp.call(
      'compare_models',
      { prompt: 'Who are you?', models: asked },
      { onProgress: () => undefined },
    );

    expect(isError).toBe(false);
    const results: { provider: string; status: string; error: { hint: string; message: string } }[] =
      structured.results;
    const failed = results.find(({ provider }) => provider === failing);
    expect(failed).toMatchObject({
      status: 'failed',
      model: vendorModels[failing],
      error: { code: 'invalid_request', provider: failing, retryable: false },
    });
    expect(failed?.error.hint).not.toBe('');
    expect(text).toContain(failed?.error.message);
    const others = results.filter((result) => result !== failed);
    expect(others.map(({ status }) => status)).toEqual(['succeeded', 'succeeded', 'succeeded', 'succeeded']);
    expect(structured.summary).toMatchObject({ succeeded: 4, failed: 1 });
    expect(progress.some(({ message }) => message?.startsWith(`${vendorModels[failing]} failed: `))).toBe(true);
  });

  test('has the answers judged by a model that does not see who gave them', async () => {
    const judged: string[] = [];
    deployment.vendors.say((call) => {
      if (call.vendor !== 'mistral') return { text: `The river of ${call.vendor}.`, inputTokens: 50, outputTokens: 8 };
      judged.push(call.prompt);
      const [best, other] = /A">\s*The river of anthropic/.test(call.prompt) ? 'AB' : 'BA';
      const ranking = [
        { answer: best, score: 9, reason: 'It is right.' },
        { answer: other, score: 4, reason: 'It is not.' },
      ];
      return { text: JSON.stringify({ ranking }), inputTokens: 300, outputTokens: 40 };
    });

    const { text, structured } = await mcp.call('compare_models', {
      prompt: 'Which river is longest?',
      models: [openai, anthropic],
      judge: mistral,
      criteria: 'truth',
    });

    expect(structured.judgement).toMatchObject({
      judge: mistral,
      winner: anthropic,
      ranking: [
        { model: anthropic, score: 9, reason: 'It is right.' },
        { model: openai, score: 4, reason: 'It is not.' },
      ],
    });
    expect(structured.judgement.error).toBeUndefined();
    expect(text).toContain(`Best: ${anthropic}.`);
    expect(judged).toHaveLength(1);
    expect(judged[0]).toContain('Which river is longest?');
    expect(judged[0]).not.toContain('openai/');
    expect(judged[0]).not.toContain('anthropic/');
    const judgement = await mcp.call('get_job', { job_id: structured.judgement.job_id });
    expect(judgement.structured).toMatchObject({ status: 'succeeded', model: mistral, usage: { input_tokens: 300 } });
  });

  test('keeps the answers when the judge fails', async () => {
    deployment.vendors.say((call) => (call.vendor === 'mistral' ? refusedBy('mistral')(call) : recite(call)));

    const { isError, structured } = await mcp.call('compare_models', {
      prompt: 'Who are you?',
      models: [openai, ollama],
      judge: mistral,
    });

    expect(isError).toBe(false);
    expect(structured.summary).toMatchObject({ succeeded: 2, failed: 0 });
    expect(structured.judgement).toMatchObject({ judge: mistral, ranking: [], error: { code: 'invalid_request' } });
  });
});
