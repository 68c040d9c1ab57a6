import { type ModelInfo, ModelManagerError } from '@aimm/contracts';
import { expect, test } from 'vitest';
import type { Caller } from '../src/caller.ts';
import { getModelInfo, listModels } from '../src/list-models.ts';
import type { Resources } from '../src/resources.ts';
import { openResources } from './support/open-resources.ts';

const me: Caller = { client: 'me', admin: false };

/** A front whose Ollama lists these models, or cannot be asked. */
async function withOllama(listed: readonly string[] | ModelManagerError): Promise<Resources> {
  const { resources } = await openResources({ configured: { ollama: true } });
  const isAway = listed instanceof ModelManagerError;
  const models = isAway
    ? []
    : listed.map((id): ModelInfo => ({ provider: 'ollama', id, source: 'provider', listed: true }));
  const problems = isAway ? [{ provider: 'ollama', error: listed.toShape() }] : [];
  const answered = isAway ? [] : ['ollama'];
  const read = async () => ({ models, answered, problems });
  const listing = { known: () => models, readSoon: async () => models, read };
  return { ...resources, listing };
}

const idsOf = async (resources: Resources, search?: string) => {
  const { models } = await listModels(resources, { provider: 'ollama', search });
  return models.map(({ id }) => id);
};

test('what Ollama lists with its implied tag is the catalog’s model: there once, and available', async () => {
  const resources = await withOllama(['llama3.2:latest', 'qwen3:8b']);
  const { models } = await listModels(resources, { provider: 'ollama', search: 'llama3.2' });
  expect(models).toMatchObject([{ id: 'llama3.2', source: 'both', listed: true, available: true }]);
  for (const name of ['ollama/llama3.2', 'ollama/llama3.2:latest'])
    expect(await getModelInfo(resources, me, name)).toMatchObject({ source: 'both', listed: true, available: true });
  expect(await getModelInfo(await withOllama(['qwen3:8b']), me, 'ollama/llama3.2')).toMatchObject({ available: false });
});

test('what Ollama has is not known while it cannot be asked; one that lists nothing has nothing', async () => {
  const availableIn = async (resources: Resources) => {
    const { models } = await listModels(resources, { provider: 'ollama', search: 'llama3.2' });
    return [models.map(({ available }) => available), (await getModelInfo(resources, me, 'ollama/llama3.2')).available];
  };
  const away = new ModelManagerError('network', 'Ollama does not answer.', { provider: 'ollama' });
  expect(await availableIn(await withOllama(away))).toEqual([[undefined], undefined]);
  expect(await availableIn(await withOllama([]))).toEqual([[false], false]);
});

test('a search finds what is only listed by its words, too, in any order', async () => {
  const resources = await withOllama(['tiny-qwen:8b']);
  expect(await idsOf(resources, '8b Tiny-qwen')).toEqual(['tiny-qwen:8b']);
  expect(await idsOf(resources, ' tiny-q')).toEqual(['tiny-qwen:8b']);
  expect(await idsOf(resources, 'tiny-qwen 9b')).toEqual([]);
});

test('a host that cannot be asked is the reason, and not the model', async () => {
  const away = await withOllama(new ModelManagerError('network', 'Ollama does not answer.', { provider: 'ollama' }));
  await expect(getModelInfo(away, me, 'ollama/qwen3:8b')).rejects.toMatchObject({
    code: 'network',
    message: 'Ollama does not answer.',
  });
  const there = await withOllama(['llama3.2:latest']);
  await expect(getModelInfo(there, me, 'ollama/qwen3:8b')).rejects.toMatchObject({ code: 'unknown_model' });
});
