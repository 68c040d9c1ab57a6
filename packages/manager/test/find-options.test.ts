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
