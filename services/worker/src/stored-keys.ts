import { setTimeout as delay } from 'node:timers/promises';
import { type ModelManagerError, toModelManagerError } from '@aimm/contracts';
import type { ApiKey, Database } from '@aimm/database';
import type { Logger } from '@aimm/runtime';

/** A key of the database: what it is, or why it cannot be had. */
export interface StoredKey {
  id: string;
  provider: string;
  label: string;
  fingerprint: string;
  secret?: string;
  problem?: string;
  /** As some worker found it last. */
  failure?: { at: number; code: string };
}

export interface StoredKeysOptions {
  database: () => Promise<Pick<Database, 'apiKeys'>>;
  /** Read anew while keys wait for it: `aimm keys add` may have made it just now, or `aimm keys rotate` another. */
  masterKeys: () => readonly string[];
  /** What is to be done where the keys have come under a master key that this process does not have. */
  onceRotated: string;
  /** Names what would have to be there, in a sentence. */
  masterKeyPlace: string;
  /** Called with all of them after the first read, and whenever something has changed. */
  onChange: (keys: readonly StoredKey[]) => void;
  logger: Logger;
  everyMs?: number;
}

/** Follows the keys in the database: what is added or removed there holds here within seconds, without a message. */
export interface StoredKeys {
  /** Reads them now; rejects where the database does not answer. */
  refresh(): Promise<void>;
  close(): void;
}

export function followStoredKeys(options: StoredKeysOptions): StoredKeys {
  const { database, onChange, logger, everyMs = 2_000 } = options;
  const closing = new AbortController();
  const vault = createVault(options);
  let told: string | undefined;
  let reading: Promise<void> | undefined;

  const read = async () => {
    const { apiKeys } = await database();
    const rows = await apiKeys.list();
    const keys: StoredKey[] = [];
    for (const row of rows) keys.push({ ...toStoredKey(row), ...(await vault.open(apiKeys, row)) });
    vault.forgetAllBut(rows);
    const now = JSON.stringify(keys);
    if (closing.signal.aborted || now === told) return;
    told = now;
    onChange(keys);
  };
  const refresh = () => (reading ??= read().finally(() => (reading = undefined)));

  const follow = async () => {
    let failing = false;
    while (!closing.signal.aborted) {
      await delay(everyMs, undefined, { signal: closing.signal, ref: false });
      try {
        await refresh();
        failing = false;
      } catch (error) {
        // The keys we have stay good; what is wrong with the database others say often enough.
        if (!failing) logger.warn({ reason: (error as Error).message }, 'Cannot read the stored keys');
        failing = true;
      }
    }
  };
  // Ends by the abort of its own delay.
  void follow().catch(() => undefined);

  return { refresh, close: () => closing.abort() };
}

type Opened = Pick<StoredKey, 'secret' | 'problem'>;

/** Decrypts each row once, and once more when it was encrypted anew: deriving its key is made slow on purpose. */
function createVault({ masterKeys, masterKeyPlace, onceRotated, logger }: StoredKeysOptions) {
  const secrets = new Map<string, { secret: string; seal: string }>();
  const failures = new Map<string, { masterKeys: string; problem: string }>();

  const findMasterKeys = (): { found: readonly string[]; problem?: string } => {
    try {
      return { found: masterKeys() };
    } catch (error) {
      return { found: [], problem: (error as Error).message.replaceAll(/\s+/g, ' ') };
    }
  };
  const unlock = async (apiKeys: Database['apiKeys'], { id, provider, label, seal }: ApiKey): Promise<Opened> => {
    const { found, problem } = findMasterKeys();
    if (found.length === 0) return { problem: problem ?? `There is no master key: ${masterKeyPlace}.` };
    const tried = `${seal} ${found.join(' ')}`;
    const failed = failures.get(id);
    if (failed?.masterKeys === tried) return { problem: failed.problem };
    try {
      const secret = await apiKeys.reveal(id, found);
      // Removed since it was listed.
      if (secret === undefined) return { problem: 'It was removed.' };
      secrets.set(id, { secret, seal });
      return { secret };
    } catch (error) {
      const failure = toModelManagerError(error);
      // Its own fault, and not the database's, which may be away.
      if (failure.provider === undefined) throw error;
      failures.set(id, { masterKeys: tried, problem: toProblem(failure) });
      if (secrets.has(id)) {
        logger.warn(
          { provider, key: label, reason: failure.message, todo: onceRotated },
          'A stored key was encrypted anew and cannot be read any more; this worker goes on with it as it was',
        );
      } else logger.error({ provider, key: label, reason: failure.message }, 'A stored key cannot be read');
      return { problem: toProblem(failure) };
    }
  };
  return {
    async open(apiKeys: Database['apiKeys'], row: ApiKey): Promise<Opened> {
      const known = secrets.get(row.id);
      if (known?.seal === row.seal) return { secret: known.secret };
      const opened = await unlock(apiKeys, row);
      // The vendor takes it as ever: under which master key it lies is no reason to stop.
      return known === undefined || opened.secret !== undefined ? opened : { secret: known.secret };
    },
    forgetAllBut(rows: readonly ApiKey[]) {
      const ids = new Set(rows.map(({ id }) => id));
      for (const kept of [secrets, failures]) for (const id of kept.keys()) if (!ids.has(id)) kept.delete(id);
    },
  };
}

function toProblem({ message, hint }: ModelManagerError): string {
  return hint === undefined ? message : `${message} ${hint}`;
}

function toStoredKey({ id, provider, label, fingerprint, lastFailedAt, lastFailedReason }: ApiKey): StoredKey {
  const failed = lastFailedAt !== undefined && { failure: { at: lastFailedAt, code: lastFailedReason ?? '' } };
  return { id, provider, label, fingerprint, ...failed };
}
