import { everyClient, ModelPreference } from '@aimm/contracts';
import type { ModelPreference as StoredPreference } from '../generated/sqlite/client.ts';
import type { Client } from './client.ts';
import type { PreferenceRepository } from './database.ts';
import { toStorable } from './storable.ts';

/** `now`: epoch milliseconds. */
export function createPreferences(client: Client, now: () => number): PreferenceRepository {
  return {
    list: async (owner) => {
      const stored = await client.modelPreference.findMany({
        where: { client: { in: [owner, everyClient] } },
        orderBy: [{ client: 'asc' }, { name: 'asc' }],
      });
      return stored.map(toPreference);
    },
    put: async ({ client: owner, name, models, settings }) => {
      const data = { models: toStorable(models), settings: toStorable(settings), updatedAt: BigInt(Math.round(now())) };
      const stored = await client.modelPreference.upsert({
        where: { client_name: { client: owner, name } },
        create: { client: owner, name, ...data },
        update: data,
      });
      return toPreference(stored);
    },
    remove: async (owner, name) => {
      const { count } = await client.modelPreference.deleteMany({ where: { client: owner, name } });
      return count > 0;
    },
  };
}

function toPreference({ updatedAt, ...stored }: StoredPreference): ModelPreference {
  return ModelPreference.parse({ ...stored, updatedAt: Number(updatedAt) });
}
