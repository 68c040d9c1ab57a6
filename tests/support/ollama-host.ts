import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';

/** An Ollama that holds one model at a time, remembers which it was asked for, and answers at once when it is let. */
export interface OllamaHost {
  readonly url: string;
  /** `model prompt` of each call, in the order they came. */
  readonly calls: readonly string[];
  /** How often another model had to be loaded. */
  swaps(): number;
  /** Resolves when this many calls have come in all. */
  arrived(count: number): Promise<void>;
  /** Calls wait from now on, until `letGo`. */
  hold(): void;
  letGo(): void;
  stop(): Promise<void>;
}

interface Body {
  model: string;
  messages: { content: string }[];
}

export async function startOllamaHost(models: readonly string[]): Promise<OllamaHost> {
  const calls: string[] = [];
  const loaded: string[] = [];
  const watchers = new Set<() => void>();
  let gate = Promise.resolve();
  let open: () => void = () => undefined;

  const server = createServer((request, response) => {
    response.setHeader('content-type', 'application/json');
    if (request.method === 'GET') {
      response.end(JSON.stringify({ models: models.map((name) => ({ name, model: name, details: {} })) }));
      return;
    }
    void (async () => {
      const { model, messages } = (await json(request)) as Body;
      calls.push(`${model} ${messages.at(-1)?.content}`);
      loaded.push(model);
      for (const watch of watchers) watch();
      await gate;
      const counts = { done: true, done_reason: 'stop', prompt_eval_count: 1, eval_count: 1 };
      response.end(`${JSON.stringify({ model, message: { role: 'assistant', content: 'ok' }, ...counts })}\n`);
    })();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    calls,
    swaps: () => loaded.filter((model, index) => index > 0 && model !== loaded[index - 1]).length,
    arrived: (count) =>
      new Promise((resolve) => {
        const watch = () => {
          if (calls.length < count) return;
          watchers.delete(watch);
          resolve();
        };
        watchers.add(watch);
        watch();
      }),
    hold() {
      const held = Promise.withResolvers<void>();
      gate = held.promise;
      open = held.resolve;
    },
    letGo: () => open(),
    async stop() {
      open();
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
