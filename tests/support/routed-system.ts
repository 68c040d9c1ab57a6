import { randomUUID } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { inject } from 'vitest';
import { startSystem, type System } from './system.ts';
import { startUpstream, type Upstream } from './upstream.ts';

/** A provider of a test: what its entry in providers.json says besides id, kind and address. */
export type RoutedProviders = Record<string, Record<string, unknown>>;

export interface RoutedSystem<Id extends string> extends System {
  /** The played vendor of each provider, with a log of its own. */
  vendors: Record<Id, Upstream>;
}

/** A system whose providers all speak OpenAI's wire, each played by an upstream of its own; `<id>/m` and `<id>/n` are in its catalog. */
export async function startRoutedSystem<P extends RoutedProviders>(
  providers: P,
  files: { routing?: Record<string, unknown>; models?: Record<string, unknown>[]; env?: Record<string, string> } = {},
): Promise<RoutedSystem<Extract<keyof P, string>>> {
  const ids = Object.keys(providers) as Extract<keyof P, string>[];
  const started = await Promise.all(ids.map(async (id) => [id, await startUpstream()] as const));
  // The entries are the ids, each with its upstream.
  const vendors = Object.fromEntries(started) as Record<Extract<keyof P, string>, Upstream>;
  const dir = join(inject('dir'), `config-${randomUUID()}`);
  mkdirSync(dir);
  const write = (name: string, content: unknown) => writeFileSync(join(dir, name), JSON.stringify(content));
  write('providers.json', {
    providers: ids.map((id) => ({
      id,
      kind: 'openai-compatible',
      baseUrl: `${vendors[id].url}/v1`,
      concurrency: 50,
      attempts: 1,
      ...providers[id],
    })),
  });
  write('models.json', {
    checkedOn: '2026-11-22',
    models: [...ids.flatMap((id) => ['m', 'n'].map((model) => ({ provider: id, id: model }))), ...(files.models ?? [])],
  });
  write('routing.json', { auto: { candidates: [] }, ...files.routing });
  const system = await startSystem({ AIMM_CONFIG_DIR: dir, ...files.env });
  return {
    ...system,
    vendors,
    async close() {
      await system.close();
      await Promise.all(Object.values<Upstream>(vendors).map((vendor) => vendor.stop()));
    },
  };
}
