import { AsyncLocalStorage } from 'node:async_hooks';
import type { GenerateContentParameters, GoogleGenAI } from '@google/genai';
import { lazily } from '../adapter/vendor.ts';

/** Thrown in the place of sending. */
class Caught extends Error {
  override readonly name = 'Caught';
}

/**
 * Gives the body that the SDK would send for a single call. What it makes of parameters is its own knowledge and nowhere
 * exported, so it is let write the request, which goes no further than this.
 *
 * @param createClient makes a client over the given `fetch`
 * @throws what the SDK refuses by itself
 */
export function createBodyWriter(
  createClient: (fetch: (input: unknown, init?: RequestInit) => Promise<Response>) => Promise<GoogleGenAI>,
): (params: GenerateContentParameters) => Promise<object> {
  const caught = new AsyncLocalStorage<{ body?: string }>();
  const getClient = lazily(() =>
    createClient((_input, init) => {
      const call = caught.getStore();
      if (call !== undefined && typeof init?.body === 'string') call.body = init.body;
      return Promise.reject(new Caught());
    }),
  );

  return async (params) => {
    const client = await getClient();
    const call: { body?: string } = {};
    const thrown: unknown = await caught.run(call, () => client.models.generateContent(params)).catch((error) => error);
    if (call.body === undefined) throw thrown;
    return JSON.parse(call.body) as object; // the SDK wrote an object
  };
}
