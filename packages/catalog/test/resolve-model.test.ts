import { type ModelInfo, ModelManagerError } from '@aimm/contracts';
import { describe, expect, test } from 'vitest';
import { loadCatalog } from '../src/index.ts';
import { loadFaultless, provider } from './temporary-config.ts';

const { catalog: shipped } = loadCatalog({ env: {} });

const small = () =>
  loadFaultless({
    providers: {
      providers: [
        provider('zeta'),
        provider('alpha'),
        provider('openrouter', { kind: 'openai-compatible', baseUrl: 'https://openrouter.ai/api/v1' }),
        provider('ollama', { kind: 'ollama' }),
      ],
    },
    models: {
      checkedOn: '2026-11-22',
      models: [
        { provider: 'alpha', id: 'both' },
        { provider: 'zeta', id: 'both' },
      ],
    },
  });

const listed = (name: string): ModelInfo => {
  const [owner = '', ...id] = name.split('/');
  return { provider: owner, id: id.join('/'), source: 'provider', listed: true };
};

function errorOf(work: () => unknown): ModelManagerError {
  try {
    work();
  } catch (error) {
    if (error instanceof ModelManagerError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

describe('a model by name', () => {
  test('provider/id that the catalog knows', () => {
    const resolved = shipped.resolveModel('openai/gpt-5-mini');
    expect(resolved).toMatchObject({ model: 'gpt-5-mini', provider: { id: 'openai' }, warnings: [] });
    expect(resolved.info).toMatchObject({ name: 'GPT-5 mini', quirks: { reasoningStyle: 'effort' } });
  });

  test('a bare id that the catalog knows', () => {
    expect(shipped.resolveModel(' claude-opus-5-5 ')).toMatchObject({
      model: 'claude-opus-5-5',
      provider: { id: 'anthropic' },
    });
  });

  test('a dated snapshot is sent as asked and described as its model', () => {
    for (const name of ['openai/gpt-5-mini-2025-08-07', 'gpt-5-mini-2025-08-07']) {
      const { model, info, warnings } = shipped.resolveModel(name);
      expect({ model, warnings }).toEqual({ model: 'gpt-5-mini-2025-08-07', warnings: [] });
      expect(info).toMatchObject({ id: 'gpt-5-mini-2025-08-07', quirks: { reasoningStyle: 'effort' } });
    }
    expect(shipped.resolveModel('claude-haiku-4-5-20251001').info?.contextWindow).toBe(200_000);
    expect(shipped.resolveModel('ollama/llama3.2:latest').info?.contextWindow).toBe(131_072);
  });

  test('provider/id that the catalog does not know is sent as it is, with a warning about its price', () => {
    const { provider: owner, model, info, warnings } = shipped.resolveModel('openai/gpt-9-nova');
    expect({ owner: owner.id, model, info }).toEqual({ owner: 'openai', model: 'gpt-9-nova', info: undefined });
    expect(warnings).toEqual([
      {
        code: 'unknown_model',
        message: 'The catalog does not know openai/gpt-9-nova; it is sent as it is. Its price is unknown.',
      },
    ]);
  });

  test('an unknown model whose price is known says nothing about the price', () => {
    expect(shipped.resolveModel('openai/gpt-3.5-turbo').warnings).toEqual([
      { code: 'unknown_model', message: 'The catalog does not know openai/gpt-3.5-turbo; it is sent as it is.' },
    ]);
    expect(shipped.resolveModel('ollama/my-own').warnings[0]?.message).not.toContain('price');
  });

  test('a model that only its price is unknown of says that', () => {
    expect(shipped.resolveModel('mistral/mistral-large-latest').warnings).toEqual([
      { code: 'unknown_price', message: 'The price of mistral/mistral-large-latest is unknown.' },
    ]);
  });

  test('model ids with slashes', () => {
    const name = 'openrouter/meta-llama/llama-3';
    expect(small().resolveModel(name)).toMatchObject({ provider: { id: 'openrouter' }, model: 'meta-llama/llama-3' });
    expect(small().resolveModel('meta-llama/llama-3', [listed(name)])).toMatchObject({
      provider: { id: 'openrouter' },
      model: 'meta-llama/llama-3',
    });
  });

  test('a bare id that only a provider lists', () => {
    const { provider: owner, info, warnings } = small().resolveModel('qwen3:8b', [listed('ollama/qwen3:8b')]);
    expect({ owner: owner.id, warnings }).toEqual({ owner: 'ollama', warnings: [] });
    expect(info).toMatchObject({ source: 'provider', prices: { inputPerMillionUsd: 0, outputPerMillionUsd: 0 } });
    expect(small().resolveModel('llava', [listed('ollama/llava:latest')]).provider.id).toBe('ollama');
  });

  test('an id of two providers goes to the first in providers.json, and says so', () => {
    const { provider: owner, warnings } = small().resolveModel('both');
    expect(owner.id).toBe('zeta');
    expect(warnings.map(({ message }) => message)).toContain(
      'both is served by more than one provider; zeta/both was taken. Also: alpha/both.',
    );
  });
});

describe('a name that nothing has', () => {
  test('is an error that names what resembles it', () => {
    const error = errorOf(() => shipped.resolveModel('gtp-5-mini'));
    expect(error).toMatchObject({ code: 'unknown_model', retryable: false });
    expect(error.message).toBe('There is no model called "gtp-5-mini".');
    expect(error.hint).toBe('Did you mean openai/gpt-5-mini?');
  });

  test('names the providers when its first half is none', () => {
    const error = errorOf(() => shipped.resolveModel('opneai/gpt-5-mini'));
    expect(error.code).toBe('unknown_model');
    expect(error.hint).toMatch(
      /^Did you mean openai\/gpt-5-mini.*The providers are openai, anthropic, google, mistral, ollama\.$/,
    );
  });

  test.each(['', '  ', '/', 'openai/', '/gpt-5'])('%j', (name) => {
    expect(errorOf(() => shipped.resolveModel(name)).code).toBe('unknown_model');
  });

  test('is not repeated at any length', () => {
    expect(errorOf(() => shipped.resolveModel('x'.repeat(5000))).message.length).toBeLessThan(150);
  });
});

describe('suggestions', () => {
  test('a part of a name, however it is written, at most five', () => {
    const suggested = shipped.suggestModels('Claude Sonnet');
    expect(suggested).toHaveLength(4);
    expect(suggested.every((name) => name.startsWith('anthropic/claude-sonnet-'))).toBe(true);
    expect(shipped.suggestModels('gemini')).toHaveLength(5);
    expect(shipped.suggestModels('claude-opus-5.5')[0]).toBe('anthropic/claude-opus-5-5');
  });

  test("a provider's name alone suggests its models", () => {
    const suggested = shipped.suggestModels('ollama');
    expect(suggested).toHaveLength(5);
    expect(suggested.every((name) => name.startsWith('ollama/'))).toBe(true);
  });

  test('include what providers list', () => {
    expect(shipped.suggestModels('lava', [listed('ollama/llava:13b')])).toEqual(['ollama/llava:13b']);
  });

  test('are none for nothing or for noise', () => {
    expect(shipped.suggestModels('')).toEqual([]);
    expect(shipped.suggestModels('qqqqqqqqqqqqqqqqq')).toEqual([]);
  });
});
