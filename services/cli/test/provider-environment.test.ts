import { describe, expect, it } from 'vitest';
import {
  findConfigured,
  mergeProviderEnvironments,
  type ProviderVariables,
} from '../src/stack/provider-environment.ts';

const openai: ProviderVariables = {
  id: 'openai',
  kind: 'openai',
  apiKeyVariables: ['OPENAI_API_KEY'],
  baseUrlVariable: 'OPENAI_BASE_URL',
  keyRequired: true,
};
const google: ProviderVariables = {
  id: 'google',
  kind: 'google',
  apiKeyVariables: ['GOOGLE_API_KEY', 'GEMINI_API_KEY'],
  baseUrlVariable: 'GOOGLE_BASE_URL',
  keyRequired: true,
};
const ollama: ProviderVariables = {
  id: 'ollama',
  kind: 'ollama',
  apiKeyVariables: [],
  baseUrlVariable: 'OLLAMA_BASE_URL',
  keyRequired: false,
};
const providers = [openai, google, ollama];

describe('mergeProviderEnvironments', () => {
  it('takes a key that only a client brings', () => {
    expect(mergeProviderEnvironments(providers, [{ PATH: '/bin' }, { GEMINI_API_KEY: 'g' }])).toEqual({
      GEMINI_API_KEY: 'g',
    });
  });

  it('lets a client’s key join stored ones at the stack’s own endpoint, and at no other', () => {
    const merge = (own: Record<string, string>, client: Record<string, string>) =>
      mergeProviderEnvironments(providers, [own, client], ['openai']);
    expect(merge({}, { OPENAI_API_KEY: 'k' })).toEqual({ OPENAI_API_KEY: 'k' });
    expect(merge({}, { OPENAI_API_KEY: 'k', OPENAI_BASE_URL: 'http://elsewhere' })).toEqual({});
    expect(merge({}, { OPENAI_BASE_URL: 'http://elsewhere' })).toEqual({});
    const own = { OPENAI_BASE_URL: 'http://stack' };
    expect(merge(own, { OPENAI_API_KEY: 'k' })).toEqual(own);
    expect(merge(own, { ...own, OPENAI_API_KEY: 'k' })).toEqual({ ...own, OPENAI_API_KEY: 'k' });
  });

  it('keeps the key that is there already', () => {
    const merged = mergeProviderEnvironments(providers, [{ OPENAI_API_KEY: 'first' }, { OPENAI_API_KEY: 'second' }]);
    expect(merged).toEqual({ OPENAI_API_KEY: 'first' });
  });

  it('passes over a key that was refused, for another of the same endpoint', () => {
    const merge = (...given: Record<string, string>[]) =>
      mergeProviderEnvironments(providers, given, [], (_id, key) => key.startsWith('bad'));
    const elsewhere = { OPENAI_API_KEY: 'good', OPENAI_BASE_URL: 'http://elsewhere' };
    expect(merge({ OPENAI_API_KEY: 'bad' }, elsewhere)).toEqual({ OPENAI_API_KEY: 'bad' });
    expect(merge({ OPENAI_API_KEY: 'bad' }, elsewhere, { OPENAI_API_KEY: 'good' })).toEqual({ OPENAI_API_KEY: 'good' });
    // Where all were refused it is the one that came last.
    expect(merge({ OPENAI_API_KEY: 'bad' }, { OPENAI_API_KEY: 'bad too' })).toEqual({ OPENAI_API_KEY: 'bad too' });
  });

  it('never sends one environment’s key to another environment’s endpoint', () => {
    const stack = { OPENAI_API_KEY: 'stack-key' };
    const client = { OPENAI_API_KEY: 'client-key', OPENAI_BASE_URL: 'http://elsewhere' };
    expect(mergeProviderEnvironments(providers, [stack, client])).toEqual(stack);
    expect(
      mergeProviderEnvironments(providers, [{ OPENAI_BASE_URL: 'http://stack' }, { OPENAI_API_KEY: 'k' }]),
    ).toEqual({
      OPENAI_API_KEY: 'k',
    });
  });

  it('counts an empty variable as not set', () => {
    expect(mergeProviderEnvironments(providers, [{ OPENAI_API_KEY: '' }, { OPENAI_API_KEY: 'k' }])).toEqual({
      OPENAI_API_KEY: 'k',
    });
  });
});

describe('findConfigured', () => {
  const nobody = async () => false;

  it('needs a key where the provider does', async () => {
    expect(await findConfigured(providers, { OPENAI_API_KEY: 'k' }, nobody)).toEqual(['openai']);
    expect(await findConfigured(providers, { OPENAI_BASE_URL: 'http://x' }, async () => true)).toEqual(['ollama']);
  });

  it('asks a keyless provider at its endpoint', async () => {
    const asked: string[] = [];
    const answers = async (url: string) => asked.push(url) > 0;
    expect(await findConfigured(providers, { OLLAMA_BASE_URL: 'http://gpu:11434' }, answers)).toEqual(['ollama']);
    expect(asked).toEqual(['http://gpu:11434']);
  });

  it('counts an endpoint where nothing listens as not configured', async () => {
    expect(await findConfigured([ollama], { OLLAMA_BASE_URL: 'http://127.0.0.1:1' })).toEqual([]);
  });
});
