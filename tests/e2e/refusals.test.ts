import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type Deployment, startDeployment } from '../support/deployment.ts';
import { type McpClient, mixedFaces } from '../support/mcp-client.ts';
import { recite, vendorModels } from '../support/vendors.ts';

const { openai, anthropic, mistral } = vendorModels;
const maxPromptBytes = 2_000;

let deployment: Deployment;
beforeAll(async () => {
  deployment = await startDeployment({
    environment: {
      // Empty is how shells and compose files say "unset".
      ANTHROPIC_API_KEY: '',
      GOOGLE_API_KEY: '',
      AIMM_MAX_PROMPT_BYTES: String(maxPromptBytes),
    },
  });
});
afterAll(() => deployment?.end());

describe.each(mixedFaces)('what cannot be asked, over $transport in $era:', (face) => {
  let mcp: McpClient;
  beforeAll(async () => {
    mcp = await deployment.connect(face);
  });
  beforeEach(() => deployment.vendors.say(recite));

  /** All but the questions for lists of models, which cost nothing. */
  const asked = async () => (await deployment.requestIds()).filter((id) => !id.startsWith('probe_'));

  /** Runs the call and sees that it cost nothing: no vendor was called, no job was added. */
  async function refuse(tool: string, args: Record<string, unknown>) {
    const [callsBefore, idsBefore] = [deployment.vendors.calls().length, await asked()];
    const outcome = await mcp.call(tool, args);
    expect(deployment.vendors.calls()).toHaveLength(callsBefore);
    expect(await asked()).toEqual(idsBefore);
    expect(outcome.isError).toBe(true);
    return outcome;
  }

  test.each([
    ['gpt-6.1-tera', openai],
    ['GPT 6.1 Terra', openai],
    ['claude-sonnet', anthropic],
    ['mistral-medium-35', mistral],
  ])('a bare model %s that does not exist, with the nearest that do', async (model, near) => {
    const { text, structured } = await refuse('generate', { model, prompt: 'Hi' });
    expect(text).toContain(`There is no model called "${model}".`);
    expect(structured).toMatchObject({ status: 'failed', error: { code: 'unknown_model', retryable: false } });
    expect(structured.error.hint).toContain(near);
  });

  test('a provider that does not exist, with those that do', async () => {
    const { text, structured } = await refuse('generate', { model: 'opneai/gpt-6.1-terra', prompt: 'Hi' });
    expect(structured.error).toMatchObject({ code: 'unknown_model' });
    for (const told of ['opneai/gpt-6.1-terra', openai, 'openai, anthropic, google, mistral, ollama'])
      expect(text).toContain(told);
  });

  test('a model that the provider does not know, as the provider says, with the nearest', async () => {
    deployment.vendors.say(() => ({
      error: { message: 'The model does not exist', type: 'invalid_request_error', code: 'model_not_found' },
      status: 404,
    }));
    const { isError, structured } = await mcp.call('generate', { model: 'openai/gpt-6.1-tera', prompt: 'Hi' });
    expect(isError).toBe(true);
    expect(structured.error).toMatchObject({ code: 'unknown_model', provider: 'openai' });
    expect(structured.error.hint).toContain(openai);
  });

  test('a new model that only its provider knows is asked, with a warning that its price is unknown', async () => {
    const { isError, structured } = await mcp.call('generate', { model: 'openai/gpt-9-future', prompt: 'Hi' });
    expect(isError).toBe(false);
    expect(structured).toMatchObject({ model: 'openai/gpt-9-future', cost_usd: null });
    expect(structured.warnings.join(' ')).toMatch(/price/);
  });

  test('a provider without its key, with the variable to set', async () => {
    const { text, structured } = await refuse('generate', { model: anthropic, prompt: 'Hi' });
    expect(structured.error).toMatchObject({ code: 'authentication', provider: 'anthropic' });
    expect(text).toContain('ANTHROPIC_API_KEY');
  });

  test('a provider without its key leaves the others of a comparison alone', async () => {
    const models = [anthropic, openai];
    const { isError, structured } = await mcp.call('compare_models', { models, prompt: 'Hi' });
    expect(isError).toBe(false);
    expect(structured.results).toMatchObject([
      { status: 'failed', model: anthropic, error: { code: 'authentication' } },
      { status: 'succeeded', model: openai },
    ]);
    const { message, hint } = structured.results[0].error;
    expect(`${message} ${hint}`).toContain('ANTHROPIC_API_KEY');
  });

  test('an unknown model spoils a comparison before anything is asked', async () => {
    const { text } = await refuse('compare_models', { models: [openai, 'mistral-medium-35'], prompt: 'Hi' });
    expect(text).toContain(mistral);
  });

  test.each([
    ['generate', { model: openai, prompt: 'x'.repeat(maxPromptBytes + 1) }],
    ['generate', { model: openai, prompt: 'Hi', system: 'ü'.repeat(maxPromptBytes / 2) }],
    ['compare_models', { models: [openai, mistral], prompt: 'x'.repeat(maxPromptBytes + 1) }],
  ])('more text than AIMM_MAX_PROMPT_BYTES allows, in %s', async (tool, args) => {
    const { text, structured } = await refuse(tool, args);
    expect(structured.error.code).toBe('invalid_request');
    for (const told of ['bytes', '2,000', 'AIMM_MAX_PROMPT_BYTES']) expect(text).toContain(told);
  });

  test('just as much text as AIMM_MAX_PROMPT_BYTES allows goes through', async () => {
    const { isError } = await mcp.call('generate', { model: openai, prompt: 'x'.repeat(maxPromptBytes) });
    expect(isError).toBe(false);
  });
});
