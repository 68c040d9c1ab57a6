import { ModelManagerError } from '@aimm/contracts';
import { expect, test } from 'vitest';
import { createModelListing, type ModelListingOptions } from '../src/model-listing.ts';

test('what the demo listed of a server is forgotten with the demo, also where the server does not answer', async () => {
  let isDemo = true;
  const kept = { models: [{ id: 'llama3.2' }] };
  const queue = {
    listings: { find: async (key: string) => (key === 'ollama-demo' ? kept : undefined), keep: async () => undefined },
    waiters: { wait: () => ({ outcome: new Promise<never>(() => undefined), stop: () => undefined }) },
    replies: { stream: 'front' },
    producer: { addProbe: () => Promise.reject(new ModelManagerError('network', 'Ollama does not answer.')) },
  };
  const providers = { isDemo: async () => isDemo, isConfigured: async () => true };
  const catalog = { providers: [{ id: 'ollama' }] };
  // Nothing else of them is asked for.
  const options = { catalog, queue, providers, now: Date.now, uuid: () => '1' } as unknown as ModelListingOptions;
  const listing = createModelListing(options);
  expect(await listing.readSoon('ollama')).toMatchObject([{ id: 'llama3.2' }]);
  isDemo = false;
  expect(await listing.readSoon('ollama')).toEqual([]);
  expect(listing.known()).toEqual([]);
  expect(await listing.read('ollama')).toMatchObject({ models: [], problems: [{ error: { code: 'network' } }] });
});
