import { randomUUID } from 'node:crypto';
import { ModelManagerError } from '@aimm/contracts';
import type { ApiKey as StoredApiKey } from '../generated/sqlite/client.ts';
import type { Client } from './client.ts';
import type { ApiKey, ApiKeyRepository } from './database.ts';
import { decryptSecret, DecryptionError, encryptSecret } from './encryption.ts';
import { isUniqueViolation } from './failures.ts';

/** `now`: epoch milliseconds. */
export function createApiKeys(client: Client, now: () => number): ApiKeyRepository {
  const order = [{ provider: 'asc' as const }, { createdAt: 'asc' as const }, { id: 'asc' as const }];
  const list = async () => (await client.apiKey.findMany({ orderBy: order })).map(toApiKey);

  return {
    list,
    add: async ({ provider, key, label }, masterKey) => {
      const siblings = await client.apiKey.findMany({ orderBy: order });
      // All of them, so that a second master key is noticed before two kinds of rows are there.
      for (const stored of siblings) {
        if ((await decrypt(stored, masterKey)) !== key || stored.provider !== provider) continue;
        throw new ModelManagerError(
          'invalid_request',
          `This key of ${provider} is there already, as "${stored.label}".`,
        );
      }
      const taken = new Set(siblings.flatMap((stored) => (stored.provider === provider ? [stored.label] : [])));
      const id = `key_${randomUUID()}`;
      const data = {
        id,
        provider,
        label: label ?? findFreeLabel(taken),
        ciphertext: await encryptSecret(key, masterKey, toContext({ provider, id })),
        fingerprint: toFingerprint(key),
        createdAt: BigInt(Math.round(now())),
      };
      const stored = await client.apiKey.create({ data }).catch((error: unknown) => {
        throw isUniqueViolation(error) ? labelTaken(provider, data.label) : error;
      });
      return toApiKey(stored);
    },
    remove: async (provider, labelOrId) => {
      const found = await client.apiKey.findFirst({
        where: { provider, OR: [{ label: labelOrId }, { id: labelOrId }] },
      });
      if (found === null) return undefined;
      const { count } = await client.apiKey.deleteMany({ where: { id: found.id } });
      return count === 0 ? undefined : toApiKey(found);
    },
    reveal: async (id, masterKey) => {
      const stored = await client.apiKey.findUnique({ where: { id } });
      return stored === null ? undefined : decrypt(stored, masterKey);
    },
    recordFailure: async (id, failure) => {
      await client.apiKey.updateMany({
        where: { id },
        data: {
          lastFailedAt: failure === undefined ? null : BigInt(Math.round(failure.at)),
          lastFailedReason: failure?.reason ?? null,
        },
      });
    },
  };
}

/** What a ciphertext is bound to. */
function toContext({ provider, id }: { provider: string; id: string }): string {
  return `api_keys/${provider}/${id}`;
}

async function decrypt(stored: StoredApiKey, masterKey: string): Promise<string> {
  try {
    return await decryptSecret(stored.ciphertext, masterKey, toContext(stored));
  } catch (error) {
    if (!(error instanceof DecryptionError)) throw error;
    const { says, hint } = faults[error.why];
    const anew = `Remove it (\`aimm keys remove ${stored.provider} ${stored.id}\`) and add it again.`;
    throw new ModelManagerError('unavailable', `The key "${stored.label}" of ${stored.provider} ${says}.`, {
      hint: hint === undefined ? anew : `${hint} ${anew.charAt(0).toLowerCase()}${anew.slice(1)}`,
      provider: stored.provider,
      cause: error,
    });
  }
}

const faults: Record<DecryptionError['why'], { says: string; hint?: string }> = {
  other_master_key: {
    says: 'was stored under another master key',
    hint: 'Set AIMM_MASTER_KEY to that one, or put back that file master.key, or, if that is lost,',
  },
  changed: { says: 'was changed in the database' },
  unknown_form: { says: 'has a form that this version does not know' },
};

/** Up to four last characters, never more than a quarter of the key. */
function toFingerprint(key: string): string {
  const shown = Math.min(4, Math.floor(key.length / 4));
  return `…${shown === 0 ? '' : key.slice(-shown)}`;
}

function findFreeLabel(taken: ReadonlySet<string>): string {
  let number = 1;
  while (taken.has(`key-${number}`)) number += 1;
  return `key-${number}`;
}

function labelTaken(provider: string, label: string): ModelManagerError {
  return new ModelManagerError('invalid_request', `${provider} has a key called "${label}" already.`, {
    hint: 'Choose another --label, or remove that key first.',
  });
}

function toApiKey(stored: StoredApiKey): ApiKey {
  const { id, provider, label, fingerprint, createdAt, lastFailedAt, lastFailedReason } = stored;
  return {
    id,
    provider,
    label,
    fingerprint,
    createdAt: Number(createdAt),
    ...(lastFailedAt !== null && { lastFailedAt: Number(lastFailedAt) }),
    ...(lastFailedReason !== null && { lastFailedReason }),
  };
}
