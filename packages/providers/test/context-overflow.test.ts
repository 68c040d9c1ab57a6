import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ProviderKind, providerKinds } from '../src/index.ts';
import { ask, createTestProvider, failureOf, modelInfo, patient } from './support/providers.ts';
import { sendJson, startVendorServer, type VendorServer } from './support/vendor-server.ts';
import { wires } from './support/wires.ts';

const kinds = Object.keys(providerKinds) as ProviderKind[];

let vendor: VendorServer;
beforeAll(async () => {
  vendor = await startVendorServer();
});
afterAll(() => vendor.close());

async function refuse(kind: ProviderKind, body: unknown, contextWindow?: number) {
  vendor.answer = sendJson(400, body);
  const describeModel = () => (contextWindow === undefined ? undefined : modelInfo(kind, { contextWindow }));
  return failureOf(createTestProvider(kind, vendor.url, { describeModel }).generate(ask('hi'), patient()));
}

describe('a prompt that is too long: by how much', () => {
  const compatible = (message: string, more: object = {}) => ({ error: { message, type: 'x', code: 400, ...more } });

  test.each<[string, ProviderKind, unknown, string]>([
    [
      'OpenAI',
      'openai',
      {
        error: {
          message:
            "This model's maximum context length is 128000 tokens. However, your messages resulted in 204308 tokens. Please reduce the length of the messages.",
          type: 'invalid_request_error',
          param: 'messages',
          code: 'context_length_exceeded',
        },
      },
      '204,308 tokens where 128,000 fit, 76,308 too many',
    ],
    [
      'Anthropic',
      'anthropic',
      wires.anthropic.error(400, 'invalid_request_error', 'prompt is too long: 210000 tokens > 200000 maximum'),
      '210,000 tokens where 200,000 fit, 10,000 too many',
    ],
    [
      'Anthropic, prompt and answer',
      'anthropic',
      wires.anthropic.error(
        400,
        'invalid_request_error',
        'input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000, decrease input length or `max_tokens` and try again',
      ),
      '210,000 tokens where 200,000 fit, 10,000 too many',
    ],
    [
      'Google',
      'google',
      wires.google.error(
        400,
        'invalid_argument',
        'The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).',
      ),
      '1,200,000 tokens where 1,048,576 fit, 151,424 too many',
    ],
    [
      'Mistral',
      'mistral',
      wires.mistral.error(
        400,
        'invalid_request_error',
        'Prompt contains 40687 tokens and 0 draft tokens, too large for model with 32768 maximum context length',
      ),
      '40,687 tokens where 32,768 fit, 7,919 too many',
    ],
    [
      'Ollama, as the runner says it',
      'ollama',
      { error: 'request (5000 tokens) exceeds the available context size (4096 tokens), try increasing it' },
      '5,000 tokens where 4,096 fit, 904 too many',
    ],
    [
      'vLLM',
      'openai-compatible',
      compatible(
        "This model's maximum context length is 16384 tokens. However, you requested 122946 tokens (112946 in the messages, 10000 in the completion). Please reduce the length of the messages or completion.",
      ),
      '122,946 tokens where 16,384 fit, 106,562 too many',
    ],
    [
      'vLLM, where the answer does not fit in',
      'openai-compatible',
      compatible(
        "'max_tokens' or 'max_completion_tokens' is too large: 200. This model's maximum context length is 4096 tokens and your request has 4000 input tokens (200 > 4096 - 4000).",
      ),
      '4,200 tokens where 4,096 fit, 104 too many',
    ],
    [
      'vLLM, deeper down',
      'openai-compatible',
      compatible('The decoder prompt (length 5951) is longer than the maximum model length of 4096. Make sure that …'),
      '5,951 tokens where 4,096 fit, 1,855 too many',
    ],
    [
      'llama.cpp, in fields',
      'openai-compatible',
      compatible('the request exceeds the available context size, try increasing it', {
        type: 'exceed_context_size_error',
        n_prompt_tokens: 14_429,
        n_ctx: 8192,
      }),
      '14,429 tokens where 8,192 fit, 6,237 too many',
    ],
    [
      'LM Studio',
      'openai-compatible',
      {
        error:
          'Trying to keep the first 15857 tokens when context the overflows. However, the model is loaded with context length of only 4096 tokens, which is not enough.',
      },
      '15,857 tokens where 4,096 fit, 11,761 too many',
    ],
    [
      'OpenRouter',
      'openai-compatible',
      compatible(
        "This endpoint's maximum context length is 200000 tokens. However, you requested about 210500 tokens (210000 of text input, 500 in the output).",
      ),
      '210,500 tokens where 200,000 fit, 10,500 too many',
    ],
    [
      'a server that only says how much fits',
      'openai-compatible',
      compatible("This model's maximum context length is 4096 tokens"),
      ': 4,096 tokens fit.',
    ],
  ])('%s', async (_name, kind, body, says) => {
    const error = await refuse(kind, body);
    expect(error).toMatchObject({ code: 'context_length_exceeded', retryable: false });
    expect(error.message).toBe(
      `The prompt is longer than ${kind}/m-1 can read${says.startsWith(':') ? says : `: ${says}.`}`,
    );
  });

  const wordless: Record<ProviderKind, unknown> = {
    openai: wires.openai.error(400, 'context_length_exceeded', 'Your input exceeds the context window of this model.'),
    'openai-compatible': compatible('Please reduce the length of the messages.', { code: 'context_length_exceeded' }),
    anthropic: wires.anthropic.error(400, 'invalid_request_error', 'prompt is too long'),
    google: wires.google.error(400, 'invalid_argument', 'The input token count exceeds the maximum'),
    mistral: wires.mistral.error(
      400,
      'x',
      'Prompt contains many tokens, too large for model with 9 maximum context length',
    ),
    ollama: { error: 'the input length exceeds the context length' },
  };

  /** What an Ollama host gives a model is not what the model was made for; Mistral always says how much fits. */
  const fits: Partial<Record<ProviderKind, string>> = { ollama: '', mistral: ': 9 tokens fit' };

  test.each(kinds)('%s: without numbers, what the catalog knows', async (kind) => {
    const { code, message } = await refuse(kind, wordless[kind], 123_456);
    expect(code).toBe('context_length_exceeded');
    expect(message).toBe(`The prompt is longer than ${kind}/m-1 can read${fits[kind] ?? ': 123,456 tokens fit'}.`);
  });

  test('a number that makes no sense is not passed on', async () => {
    const body = wires.anthropic.error(400, 'x', 'prompt is too long: 100 tokens > 200000 maximum');
    expect((await refuse('anthropic', body)).message).not.toContain('too many');
  });
});
