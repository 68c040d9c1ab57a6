import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Deployment, startDeployment } from '../support/deployment.ts';
import { type McpClient, mixedFaces } from '../support/mcp-client.ts';
import { startWorkerProcess } from '../support/processes.ts';
import { plantedKeys, vendorModels, vendors } from '../support/vendors.ts';

interface Model {
  model: string;
  provider: string;
  available?: boolean;
  capabilities?: string[];
}

describe('with a worker that has every key but one', () => {
  let deployment: Deployment;
  beforeAll(async () => {
    deployment = await startDeployment({ environment: { GOOGLE_API_KEY: '' } });
  });
  afterAll(() => deployment?.end());

  describe.each(mixedFaces)('over $transport in $era:', (face) => {
    let mcp: McpClient;
    beforeAll(async () => {
      mcp = await deployment.connect(face);
    });

    test('list_models gives every model that can be asked, and says which cannot be now', async () => {
      const { isError, text, structured } = await mcp.call('list_models');
      expect(isError).toBe(false);
      const models: Model[] = structured.models;
      expect(structured.problems).toEqual([]);
      expect(models.map(({ model }) => model)).toEqual(expect.arrayContaining(Object.values(vendorModels)));
      for (const [vendor, model] of Object.entries(vendorModels))
        expect(models.find((listed) => listed.model === model)?.available).toBe(vendor !== 'google');
      // Known to the catalog, but its provider does not list it.
      expect(models.find(({ model }) => model === 'openai/gpt-4.1')?.available).toBe(false);
      expect(text).toContain('google is not configured: set GOOGLE_API_KEY or GEMINI_API_KEY.');
      expect(structured.providers.map(({ provider }: { provider: string }) => provider)).toEqual(vendors);
    });

    test('list_models narrows by provider, by capability and by words', async () => {
      const list = async (args: Record<string, unknown>): Promise<Model[]> =>
        (await mcp.call('list_models', args)).structured.models;
      const mistral = await list({ provider: 'mistral' });
      expect(new Set(mistral.map(({ provider }) => provider))).toEqual(new Set(['mistral']));
      const images = await list({ capability: 'images' });
      expect(images.length).toBeGreaterThan(0);
      expect(images.every(({ capabilities }) => capabilities?.includes('images'))).toBe(true);
      const sonnet = await list({ search: 'SONNET 5.5' });
      expect(sonnet.map(({ model }) => model)).toContain(vendorModels.anthropic);
      expect(await list({ provider: 'ollama', capability: 'embeddings', search: 'no such model' })).toEqual([]);
    });

    test.each(vendors)('get_model_info describes the model of %s', async (vendor) => {
      const { isError, text, structured } = await mcp.call('get_model_info', { model: vendorModels[vendor] });
      expect(isError).toBe(false);
      expect(structured).toMatchObject({
        model: vendorModels[vendor],
        provider: vendor,
        available: vendor !== 'google',
      });
      expect(structured.context_window).toBeGreaterThan(0);
      expect(structured.capabilities).toContain('text');
      expect(structured.prices.input_per_million_usd).toBeGreaterThanOrEqual(0);
      expect(text).toContain(vendorModels[vendor]);
    });

    test('check_health finds what is well, and what a provider lacks', async () => {
      const { isError, text, structured } = await mcp.call('check_health');
      expect(isError).toBe(false);
      expect(structured).toMatchObject({
        healthy: true,
        queue: { reachable: true },
        database: { kind: 'sqlite', reachable: true },
      });
      expect(structured.queue.workers).toMatchObject([{ pid: deployment.worker?.pid, providers: vendors }]);
      interface Health {
        provider: string;
        model_count?: number;
        problem?: string;
        hint?: string;
      }
      const providers: Health[] = structured.providers;
      const google = providers.find(({ provider }) => provider === 'google');
      expect(google).toMatchObject({ configured: false });
      expect(`${google?.problem} ${google?.hint}`).toContain('GOOGLE_API_KEY');
      for (const provider of providers.filter((one) => one !== google)) {
        expect(provider).toMatchObject({ configured: true, reachable: true, default_model: { available: true } });
        expect(provider.model_count).toBeGreaterThan(0);
        expect(provider.problem).toBeUndefined();
      }
      expect(text).toContain('Healthy.');
    });

    test('check_health of one provider, asked for a token, tells only of it', async () => {
      const before = deployment.vendors.calls().length;
      const { structured } = await mcp.call('check_health', { provider: 'anthropic', deep: true });
      expect(structured.providers).toMatchObject([{ provider: 'anthropic', reachable: true, key_valid: true }]);
      expect(deployment.vendors.calls().slice(before)).toMatchObject([{ vendor: 'anthropic' }]);
    });

    test('the resources are listed and read', async () => {
      const { resources } = await mcp.client.listResources();
      expect(resources.map(({ uri }) => uri).toSorted()).toEqual([
        'config://providers',
        'health://providers',
        'models://catalog',
        'stats://usage',
      ]);
      const catalog = await readJson(mcp, 'models://catalog');
      expect(catalog.models.map(({ model }: Model) => model)).toEqual(
        expect.arrayContaining(Object.values(vendorModels)),
      );
      expect(await readJson(mcp, 'health://providers')).toMatchObject({ healthy: true, queue: { reachable: true } });
      const { providers } = await readJson(mcp, 'config://providers');
      expect(providers.map(({ provider }: { provider: string }) => provider)).toEqual(vendors);
      expect(providers[2]).toMatchObject({ provider: 'google', configured: false });
      expect(providers[0]).toMatchObject({
        provider: 'openai',
        configured: true,
        base_url: deployment.environment['OPENAI_BASE_URL'],
        default_model: 'gpt-6.1-terra',
        concurrency: 50,
        requests_per_minute: 10_000_000,
        api_key_variables: ['OPENAI_API_KEY'],
      });
      expect(Object.keys(await readJson(mcp, 'stats://usage'))).toEqual(['last_24h', 'last_30d']);
      await expect(mcp.client.readResource({ uri: 'secrets://all' })).rejects.toThrow(/not found|secrets:\/\/all/i);
    });
  });
});

describe('with a key that its vendor refuses', () => {
  let deployment: Deployment;
  beforeAll(async () => {
    deployment = await startDeployment({ environment: { OPENAI_API_KEY: 'sk-proj-some-other-key' } });
  });
  afterAll(() => deployment?.end());

  test('check_health and generate say so and name the variable', async () => {
    const mcp = await deployment.connect({ transport: 'stdio', era: '2026-07-28' });
    const health = await mcp.call('check_health', { provider: 'openai' });
    expect(health.structured).toMatchObject({ healthy: false, providers: [{ configured: true, key_valid: false }] });
    expect(health.text).toContain('OPENAI_API_KEY');
    expect(health.text).not.toContain('..');
    const { isError, text, structured } = await mcp.call('generate', { model: vendorModels.openai, prompt: 'Hi' });
    expect(isError).toBe(true);
    expect(structured.error).toMatchObject({ code: 'authentication', provider: 'openai', retryable: false });
    expect(text).toContain('OPENAI_API_KEY');
  });
});

describe('without a worker', () => {
  let deployment: Deployment;
  beforeAll(async () => {
    deployment = await startDeployment({ worker: false });
  });
  afterAll(() => deployment?.end());

  test('check_health says what is missing, models are listed, and a request waits for the worker that comes', async () => {
    const mcp = await deployment.connect({ transport: 'HTTP', era: '2026-07-28' });
    const health = await mcp.call('check_health');
    expect(health.structured).toMatchObject({ healthy: false, queue: { reachable: true, workers: [] } });
    expect(health.text).toContain('No worker is running');
    expect(health.text).toContain('aimm worker');
    const list = await mcp.call('list_models', { provider: 'openai' });
    expect(list.structured.models.length).toBeGreaterThan(0);
    expect(list.structured.models[0].available).toBeUndefined();

    const queued = await mcp.call('generate', { model: vendorModels.openai, prompt: 'Hi', background: true });
    const jobId: string = queued.structured.job_id;
    const waiting = await mcp.call('get_job', { job_id: jobId });
    expect(waiting.structured).toMatchObject({ status: 'queued', position: 1 });

    const worker = await startWorkerProcess(deployment.environment);
    const done = await mcp.call('get_job', { job_id: jobId, wait_seconds: 30 });
    expect(done.structured).toMatchObject({ status: 'succeeded', provider: 'openai' });
    await worker.end();
  });
});

async function readJson(mcp: McpClient, uri: string) {
  const { contents } = await mcp.client.readResource({ uri });
  const [content] = contents;
  const text = content !== undefined && 'text' in content ? content.text : '';
  for (const key of Object.values(plantedKeys)) expect(text).not.toContain(key);
  return JSON.parse(text);
}
