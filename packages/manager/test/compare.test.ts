import { expect, test } from 'vitest';
import { compare } from '../src/compare.ts';
import { openResources } from './support/open-resources.ts';

const caller = { client: 'me', admin: false };

test.each([0, 1, 11])('a comparison of %i models is refused before anything is chosen or asked', async (count) => {
  const { resources } = await openResources();
  const models = Array.from({ length: count }, (_, index) => `ollama/m${index}`);
  await expect(compare(resources, caller, { models, messages: [], settings: {} })).rejects.toMatchObject({
    code: 'invalid_request',
    message: `A comparison takes 2 to 10 models, not ${count}.`,
  });
});
