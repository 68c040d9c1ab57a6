import { loadCatalog } from '@aimm/catalog';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type DemoUpstream, startDemoUpstream } from '../src/demo-upstream/start-demo-upstream.ts';

const { catalog } = loadCatalog({ env: {} });

describe('startDemoUpstream', { timeout: 15_000 }, () => {
  let upstream: DemoUpstream;
  beforeAll(async () => {
    upstream = await startDemoUpstream(
      catalog.providers.map((provider) => ({
        id: provider.id,
        kind: provider.kind,
        keyVariable: provider.apiKeyVariables[0],
        baseUrlVariable: provider.baseUrlVariable,
        models: catalog.listModels({ provider: provider.id }),
      })),
    );
  });
  afterAll(() => upstream.close());

  const json = async (path: string, init: RequestInit = {}) => {
    const response = await fetch(`${upstream.url}${path}`, init);
    // Whatever the vendor's shape is: the tests look at single fields of it.
    return { status: response.status, body: JSON.parse(await response.text()) };
  };
  const post = (body: object, headers: Record<string, string> = {}): RequestInit => ({
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });
  const idsOf = (provider: string) => catalog.listModels({ provider }).map(({ id }) => id);

  it('lists each provider’s models from the catalog, in that vendor’s shape', async () => {
    const openai = await json('/v1/models', { headers: { authorization: 'Bearer demo-openai' } });
    expect(openai.body.data.map(({ id }: { id: string }) => id)).toEqual(idsOf('openai'));
    const anthropic = await json('/v1/models', { headers: { 'x-api-key': 'demo-anthropic' } });
    expect(anthropic.body).toMatchObject({ has_more: false, first_id: idsOf('anthropic')[0] });
    const mistral = await json('/v1/models', { headers: { authorization: 'Bearer demo-mistral' } });
    expect(mistral.body.data[0]).toMatchObject({ type: 'base', capabilities: { completion_chat: true } });
    const google = await json('/v1beta/models');
    expect(google.body.models[0].name).toBe(`models/${idsOf('google')[0]}`);
    const ollama = await json('/api/tags');
    expect(ollama.body.models.map(({ name }: { name: string }) => name)).toEqual(idsOf('ollama'));
  });

  it('finds one model by id, and says so when there is none', async () => {
    const headers = { 'x-api-key': 'demo-anthropic' };
    const [id = ''] = idsOf('anthropic');
    expect(await json(`/v1/models/${id}`, { headers })).toMatchObject({ status: 200, body: { id } });
    expect((await json('/v1/models/nobody', { headers })).status).toBe(404);
  });

  it('answers a batch as it answers the same prompts one by one, with what they count', async () => {
    const input = [{ role: 'user', content: 'What is the time?' }];
    const lines = ['one', 'two'].map((id) =>
      JSON.stringify({ custom_id: id, method: 'POST', url: '/v1/responses', body: { model: 'gpt-x', input } }),
    );
    const form = new FormData();
    form.set('purpose', 'batch');
    form.set('file', new Blob([lines.join('\n')]), 'requests.jsonl');
    const { body: file } = await json('/v1/files', { method: 'POST', body: form });
    const asked = { input_file_id: file.id, endpoint: '/v1/responses', completion_window: '24h', metadata: { a: 'b' } };
    const { body: made } = await json('/v1/batches', post(asked));
    expect(made).toMatchObject({ status: 'in_progress', metadata: { a: 'b' } });
    const look = async () => (await json(`/v1/batches/${made.id}`)).body;
    await expect.poll(async () => (await look()).status, { timeout: 10_000 }).toBe('completed');
    const { output_file_id: output } = await look();
    const content = await (await fetch(`${upstream.url}/v1/files/${output}/content`)).text();
    const answers = content.split('\n').map((line) => JSON.parse(line));
    expect(answers.map((answer) => answer.custom_id)).toEqual(['one', 'two']);
    const [{ response }] = answers;
    expect(response.body.output[0].content[0].text).toContain('[Demo answer in the place of gpt-x]');
    expect(response.body.usage.output_tokens).toBeGreaterThan(10);
    const single = await json('/v1/responses', post({ model: 'gpt-x', input }));
    expect(response.body.output[0].content[0].text).toBe(single.body.output[0].content[0].text);
    const init = { method: 'DELETE' };
    expect([await json(`/v1/files/${output}`, init), await json(`/v1/files/${output}`, init)]).toMatchObject([
      { status: 200 },
      { status: 404 },
    ]);
  });

  it('answers any prompt with token counts, plainly as a demo', async () => {
    const messages = [{ role: 'user', content: 'What is the time?' }];
    const { body } = await json('/v1/messages', post({ model: 'claude-x', max_tokens: 100, messages }));
    expect(body.content[0].text).toContain('[Demo answer in the place of claude-x]');
    expect(body.usage.output_tokens).toBeGreaterThan(10);
  });

  it('counts the tokens of streams, also where nobody asked for them', async () => {
    const messages = [{ role: 'user', content: 'Hello' }];
    const response = await fetch(
      `${upstream.url}/v1/chat/completions`,
      post({ model: 'mistral-x', stream: true, messages }),
    );
    const events = (await response.text()).split('\n\n').filter((event) => event.startsWith('data: {'));
    expect(events.length).toBeGreaterThan(5);
    expect(JSON.parse(events.at(-1)?.slice('data: '.length) ?? '').usage.completion_tokens).toBeGreaterThan(10);
  });

  it('streams Ollama’s chat in pieces and ends with its counts', async () => {
    const messages = [{ role: 'user', content: 'Hello' }];
    const response = await fetch(`${upstream.url}/api/chat`, post({ model: 'llama3.2', messages }));
    const lines = (await response.text())
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(lines.length).toBeGreaterThan(5);
    expect(lines.at(-1)).toMatchObject({ done: true, done_reason: 'stop' });
    expect(lines.at(-1).eval_count).toBeGreaterThan(10);
    expect((await json('/api/chat', post({ nothing: true }))).status).toBe(400);
  });
});
