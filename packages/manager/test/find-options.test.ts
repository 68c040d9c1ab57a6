import type { ModelInfo } from '@aimm/contracts';
import { expect, test } from 'vitest';
import { findOptions } from '../src/find-options.ts';
import { toNeeds } from '../src/model-needs.ts';
import { openResources } from './support/open-resources.ts';

test('where nothing can be chosen the error names the way past the choice', async () => {
  const { resources } = await openResources({ configured: { ollama: true, openai: false } });
  // It counts as configured, and does not run.
  const names = ['openai/gpt-6-luna', 'ollama/llama3.2'];
  await expect(findOptions(resources, [names], toNeeds([], {}), {})).rejects.toMatchObject({
    code: 'authentication',
    message: 'None of the models to choose from can be asked.',
    hint: expect.stringMatching(/OPENAI_API_KEY.*start Ollama.*name a model.*list_models.*set_preference/),
  });
});

async function choose(names: readonly string[], listed: readonly string[], settings: { serviceTier?: 'flex' } = {}) {
  const { resources } = await openResources({ configured: { ollama: true, openai: true } });
  const models = listed.map((id): ModelInfo => ({ provider: 'ollama', id, source: 'provider', listed: true }));
  const listing = { ...resources.listing, readSoon: async () => models };
  return findOptions({ ...resources, listing }, [names], toNeeds([], {}), settings);
}

test('another size of a model is another model', async () => {
  const names = ['ollama/llama3.2', 'openai/gpt-6-luna'];
  expect((await choose(names, ['llama3.2:1b'])).map(({ name }) => name)).toEqual(['openai/gpt-6-luna']);
  expect((await choose(names, ['llama3.2:latest'])).map(({ name }) => name)).toEqual(names);
});

test('a model is priced by the service tier that is asked for', async () => {
  const names = ['openai/gpt-6.1-terra'];
  const [usual] = await choose(names, []);
  const [flex] = await choose(names, [], { serviceTier: 'flex' });
  expect(flex?.costNanoUsd).toBeLessThan(0.51 * (usual?.costNanoUsd ?? 0));
});
