import type { Catalog } from '@aimm/catalog';
import {
  type Cooldowns,
  createHandOver,
  createPoolBalancer,
  type PoolBalancer,
  type PoolMember,
  type Producer,
  type Redis,
} from '@aimm/queue';
import type { Logger } from '@aimm/runtime';
import type { ProviderSet } from './provider-set.ts';

export interface BalanceOptions {
  redis: Redis;
  producer: Producer;
  catalog: Catalog;
  providers: ProviderSet;
  cooldowns: Cooldowns;
  logger: Logger;
}

/** Keeps the pools of config/routing.json balanced, as far as this worker calls their members. */
export function balancePools({ redis, producer, catalog, providers, cooldowns, logger }: BalanceOptions): PoolBalancer {
  const toMember = (name: string): PoolMember => {
    const { provider, model } = catalog.resolveModel(name);
    return { provider: provider.id, model, concurrency: provider.concurrency };
  };
  return createPoolBalancer({
    redis,
    handOver: createHandOver(redis, producer),
    // Read each time: the configuration may change while the worker runs.
    pools: () =>
      Object.fromEntries(Object.entries(catalog.routing.pools).map(([pool, names]) => [pool, names.map(toMember)])),
    isReady: ({ provider, model }) =>
      providers.find(provider)?.isAvailable() === true && cooldowns.find(provider, model) === undefined,
    logger,
  });
}
