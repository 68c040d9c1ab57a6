import { randomUUID } from 'node:crypto';
import { ModelManagerError } from '@aimm/contracts';
import type { ApiKey as StoredApiKey } from '../generated/sqlite/client.ts';
import type { Client } from './client.ts';
import type { ApiKey, ApiKeyRepository, MasterKeys } from './database.ts';
import type { DatabaseKind } from './database-url.ts';
import { decryptSecret, DecryptionError, encryptSecret, toSeal } from './encryption.ts';

type Transaction = Parameters<Parameters<Client['$transaction']>[0]>[0];

/** `now`: epoch milliseconds. */
export function createApiKeys(client: Client, kind: DatabaseKind, now: () => number): ApiKeyRepository {
  const order = [{ provider: 'asc' as const }, { createdAt: 'asc' as const }, { id: 'asc' as const }];
  const read = (from: Client | Transaction) => from.apiKey.findMany({ orderBy: order });
  const list = async () => (await read(client)).map(toApiKey);

  /** Changes keys only where they are still `seen`: deriving takes too long for a transaction, and others may come between. */
  const change = <Result>(seen: readonly StoredApiKey[], write: (transaction: Transaction) => Promise<Result>) =>
    client.$transaction(async (transaction) => {
      // Against another change at the same time. SQLite has one writer at any time.
      if (kind === 'postgresql') await transaction.$executeRawUnsafe('LOCK TABLE api_keys IN SHARE ROW EXCLUSIVE MODE');
      if (toSeals(await read(transaction)) !== toSeals(seen)) throw new ChangedMeanwhileError();
      return write(transaction);
    });

  const addOnce: ApiKeyRepository['add'] = async ({ provider, key, label }, masterKeys) => {
    const siblings = await read(client);
    let [masterKey = ''] = toList(masterKeys);
    // All of them, so that a second master key is noticed before two kinds of rows are there.
    for (const stored of siblings) {
      const opened = await decrypt(stored, masterKeys);
      masterKey = opened.masterKey;
      if (opened.secret !== key || stored.provider !== provider) continue;
      throw new ModelManagerError(
        'invalid_request',
        `This key of ${provider} is already stored, as "${stored.label}".`,
      );
    }
    const taken = new Set(siblings.flatMap((stored) => (stored.provider === provider ? [stored.label] : [])));
    if (label !== undefined && taken.has(label)) throw labelTaken(provider, label);
    const id = `key_${randomUUID()}`;
    const data = {
      id,
      provider,
      label: label ?? findFreeLabel(taken),
      ciphertext: await encryptSecret(key, masterKey, toContext({ provider, id })),
      fingerprint: toFingerprint(key),
      createdAt: BigInt(Math.round(now())),
    };
    return toApiKey(await change(siblings, (transaction) => transaction.apiKey.create({ data })));
  };

  return {
    list,
    add: async (key, masterKeys) => {
      for (let tries = 1; ; tries += 1) {
        try {
          return await addOnce(key, masterKeys);
        } catch (error) {
          // It looks anew at what is there by now: another key, or the same under another master key.
          if (!(error instanceof ChangedMeanwhileError) || tries === 5) throw error;
        }
      }
    },
    remove: async (provider, labelOrId) => {
      const found = await client.apiKey.findFirst({
        where: { provider, OR: [{ label: labelOrId }, { id: labelOrId }] },
      });
      if (found === null) return undefined;
      const { count } = await client.apiKey.deleteMany({ where: { id: found.id } });
      return count === 0 ? undefined : toApiKey(found);
    },
    reveal: async (id, masterKeys) => {
      const stored = await client.apiKey.findUnique({ where: { id } });
      return stored === null ? undefined : (await decrypt(stored, masterKeys)).secret;
    },
    rotate: async (masterKeys, next) => {
      const seen = await read(client);
      const opened: { stored: StoredApiKey; secret: string; masterKey: string }[] = [];
      for (const stored of seen) opened.push({ stored, ...(await decrypt(stored, masterKeys)) });
      const masterKey = next();
      const changes: { id: string; ciphertext: string }[] = [];
      for (const { stored, secret, masterKey: before } of opened) {
        if (before === masterKey) continue;
        changes.push({ id: stored.id, ciphertext: await encryptSecret(secret, masterKey, toContext(stored)) });
      }
      if (changes.length > 0) {
        await change(seen, async (transaction) => {
          // What is written over would lie in the file, for whoever has the old master key.
          if (kind === 'sqlite') await transaction.$queryRawUnsafe('PRAGMA secure_delete = ON');
          for (const { id, ciphertext } of changes)
            await transaction.apiKey.update({ where: { id }, data: { ciphertext } });
        });
        // Best effort, as somebody may be reading: the log is written anew in time, by whoever writes.
        if (kind === 'sqlite') await client.$queryRawUnsafe('PRAGMA wal_checkpoint(TRUNCATE)');
      }
      return { keys: seen.length, rotated: changes.length };
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

/** What tells whether any key was added, removed or encrypted anew. */
function toSeals(stored: readonly StoredApiKey[]): string {
  return stored
    .map(({ id, ciphertext }) => `${id} ${ciphertext}`)
    .toSorted()
    .join('\n');
}

function toList(masterKeys: MasterKeys): readonly string[] {
  return typeof masterKeys === 'string' ? [masterKeys] : masterKeys;
}

/** The key, and which of the master keys it is under. */
async function decrypt(stored: StoredApiKey, masterKeys: MasterKeys): Promise<{ secret: string; masterKey: string }> {
  let failure: DecryptionError = new DecryptionError('other_master_key');
  for (const masterKey of toList(masterKeys)) {
    try {
      return { secret: await decryptSecret(stored.ciphertext, masterKey, toContext(stored)), masterKey };
    } catch (error) {
      if (!(error instanceof DecryptionError)) throw error;
      failure = error;
      if (error.why !== 'other_master_key') break;
    }
  }
  throw unreadable(stored, failure);
}

function unreadable(stored: StoredApiKey, failure: DecryptionError): ModelManagerError {
  const { says, hint } = faults[failure.why];
  const anew = `Remove it (\`aimm keys remove ${stored.provider} ${stored.id}\`) and add it again.`;
  return new ModelManagerError('unavailable', `The key "${stored.label}" of ${stored.provider} ${says}.`, {
    hint: hint === undefined ? anew : `${hint} ${anew.charAt(0).toLowerCase()}${anew.slice(1)}`,
    provider: stored.provider,
    cause: failure,
  });
}

class ChangedMeanwhileError extends ModelManagerError {
  constructor() {
    super('invalid_request', 'Somebody else changed the stored keys at the same moment.', {
      hint: 'Nothing was changed by this command. Look with `aimm keys list`, then run it again.',
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
  const { id, provider, label, ciphertext, fingerprint, createdAt, lastFailedAt, lastFailedReason } = stored;
  return {
    id,
    provider,
    label,
    fingerprint,
    createdAt: Number(createdAt),
    seal: toSeal(ciphertext),
    ...(lastFailedAt !== null && { lastFailedAt: Number(lastFailedAt) }),
    ...(lastFailedReason !== null && { lastFailedReason }),
  };
}
