import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { formatModelsFile, loadCatalog, mergeModels, parsePublishedModels, readModelsFile } from '../src/index.ts';
import { loadFaultless, provider, writeConfig } from './temporary-config.ts';

const openProviders = () =>
  loadFaultless({
    providers: {
      providers: [provider('openai'), provider('groq', { kind: 'openai-compatible', baseUrl: 'http://x.test' })],
    },
  }).providers;
const known = {
  provider: 'openai',
  id: 'gpt-9',
  name: 'Our name',
  contextWindow: 1000,
  capabilities: ['text' as const, 'json' as const],
  quirks: { unsupported: ['temperature'] },
  prices: { inputPerMillionUsd: 1, outputPerMillionUsd: 2 },
};
const published = {
  name: 'GPT 9',
  reasoning: true,
  tool_call: true,
  structured_output: true,
  temperature: false,
  release_date: '2026-11-30',
  modalities: { input: ['text', 'image', 'pdf'], output: ['text'] },
  cost: { input: 9, output: 9 },
  limit: { context: 2000, output: 500 },
};

function merge(list: object, models: (typeof known)[] = [known]) {
  const parsed = parsePublishedModels(list);
  if (parsed === undefined) throw new Error('no list');
  return mergeModels({ checkedOn: '2026-11-22', models }, parsed, { providers: openProviders(), today: '2027-01-01' });
}

describe('bringing models.json up to date', () => {
  test('takes what is published, and keeps what was put in by hand: name, quirks, prices, capabilities', () => {
    const { file, changed } = merge({ openai: { models: { 'gpt-9': published } } });
    expect(file).toEqual({
      checkedOn: '2027-01-01',
      models: [
        {
          ...known,
          contextWindow: 2000,
          maxOutputTokens: 500,
          inputModalities: ['text', 'image', 'file'],
          outputModalities: ['text'],
          capabilities: ['text', 'json', 'tools', 'json_schema', 'images', 'files', 'reasoning'],
        },
      ],
    });
    expect(changed).toEqual([
      {
        model: 'openai/gpt-9',
        fields: [
          { field: 'contextWindow', from: 1000, to: 2000 },
          { field: 'maxOutputTokens', to: 500 },
          { field: 'inputModalities', to: ['text', 'image', 'file'] },
          { field: 'outputModalities', to: ['text'] },
          expect.objectContaining({ field: 'capabilities', from: known.capabilities }),
        ],
      },
    ]);
  });

  test('changes nothing the second time', () => {
    const list = { openai: { models: { 'gpt-9': published, 'gpt-9.5': published } } };
    const first = merge(list);
    const again = mergeModels(first.file, parsePublishedModels(list) ?? new Map(), {
      providers: openProviders(),
      today: '2027-01-01',
    });
    expect(again).toMatchObject({ file: first.file, added: [], changed: [] });
  });

  test('adds models that came out since, with what they are known to refuse', () => {
    const { file, added } = merge({
      openai: {
        models: {
          'gpt-9': published,
          'gpt-9.5': { ...published, reasoning: false },
          'gpt-3': { ...published, release_date: '2023-01-01' },
          'gpt-9.5-2026-12-01': published,
          'gpt-draw': { ...published, modalities: { input: ['text'], output: ['image'] } },
          'gpt-embed': { ...published, tool_call: false },
          'gpt-gone': { ...published, status: 'deprecated' },
          odd: 'not a model',
        },
      },
    });
    expect(added).toEqual(['openai/gpt-9.5']);
    expect(file.models[1]).toMatchObject({
      provider: 'openai',
      id: 'gpt-9.5',
      name: 'GPT 9',
      quirks: { unsupported: ['temperature', 'topP', 'reasoningEffort'] },
    });
  });

  test('names what is not published any more, and keeps it', () => {
    const { file, doubtful } = merge({ openai: { models: { other: published } } });
    expect(doubtful).toEqual(['openai/gpt-9']);
    expect(file.models).toContainEqual(known);
  });

  test('knows other providers by their id, and adds none of their hundreds of models', () => {
    const entry = { ...known, provider: 'groq', id: 'llama-9' };
    const { file, added } = merge({ groq: { models: { 'llama-9': published, another: published } } }, [entry]);
    expect(file.models).toEqual([expect.objectContaining({ provider: 'groq', contextWindow: 2000 })]);
    expect(added).toEqual([]);
  });

  test.each([[[]], [{}], ['<html>'], [{ openai: { models: {} } }], [{ error: 'no' }]])(
    'takes %j for no list',
    (list) => {
      expect(parsePublishedModels(list)).toBeUndefined();
    },
  );
});

test('prices of service tiers, of the file and of a model, stay', () => {
  const parsed = parsePublishedModels({ openai: { models: { 'gpt-9': published } } });
  const given = {
    checkedOn: '2026-11-22',
    serviceTiers: { openai: { flex: 0.5 } },
    models: [{ ...known, serviceTiers: { priority: 2 } }],
  };
  const { file } = mergeModels(given, parsed ?? new Map(), { providers: openProviders(), today: '2027-01-01' });
  expect(file).toMatchObject({
    checkedOn: '2027-01-01',
    serviceTiers: { openai: { flex: 0.5 } },
    models: [{ contextWindow: 2000, serviceTiers: { priority: 2 }, prices: known.prices }],
  });
});

test('the shipped file comes out of writing as it went in', () => {
  const { path, file } = readModelsFile();
  if (file === undefined) throw new Error('faults');
  expect(formatModelsFile(file)).toBe(readFileSync(path, 'utf8'));
});

test('what was merged is a valid file', () => {
  const { file } = merge({ openai: { models: { 'gpt-9': published, 'gpt-9.5': published } } });
  const { faults } = loadCatalog({ configDir: writeConfig({ models: formatModelsFile(file) }), env: {} });
  expect(faults).toEqual([]);
});
