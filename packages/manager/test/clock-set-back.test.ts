import { loadCatalog } from '@aimm/catalog';
import type { AccessToken, DatabaseOnDemand } from '@aimm/database';
import type { FrontQueue, WorkerPresence } from '@aimm/queue';
import { createLogger } from '@aimm/runtime';
import { expect, test } from 'vitest';
import { createIdentify } from '../src/identify.ts';
import { createModelListing } from '../src/model-listing.ts';
import { createProviderDirectory } from '../src/provider-directory.ts';

const hourMs = 3_600_000;
const { catalog } = loadCatalog({ env: {} });

/** A machine's own clock is ahead until Redis has told the time; that of Redis' machine may be set back, too. */
function createClock() {
  let aheadMs = hourMs;
  return { now: () => 1_000_000 + aheadMs, setBack: () => void (aheadMs = 0) };
}

test('what workers report is asked anew where the clock was set back', async () => {
  const { now, setBack } = createClock();
  const reports: WorkerPresence[][] = [[], [toPresence({ id: 'openai', configured: true })]];
  const directory = createProviderDirectory(catalog, { workers: async () => reports.shift() ?? [] }, now);
  expect(await directory.isConfigured('openai')).toBeUndefined();
  setBack();
  expect(await directory.isConfigured('openai')).toBe(true);
});

test('a provider that could not be asked for its models is asked anew where the clock was set back', async () => {
  const { now, setBack } = createClock();
  let asked = 0;
  const find = async () => {
    asked += 1;
    if (asked === 1) throw new Error('Redis is away');
    return { models: [{ id: 'listed' }] };
  };
  const listing = createModelListing({
    catalog,
    // Nothing else of either is asked for.
    queue: { listings: { find } } as unknown as FrontQueue,
    providers: { isDemo: async () => false } as unknown as ReturnType<typeof createProviderDirectory>,
    now,
    uuid: () => 'unused',
  });
  expect(await listing.readSoon('openai')).toEqual([]);
  setBack();
  expect(await listing.readSoon('openai')).toMatchObject([{ id: 'listed' }]);
});

test('a token that was revoked lets nobody in where the clock was set back, and one that is new does', async () => {
  const { now, setBack } = createClock();
  const token = { id: 'tok_1', name: 'me', scopes: [], limits: {}, budgets: [] };
  // Only these are looked at.
  const tokens = new Map([['aimm_1', token as unknown as AccessToken]]);
  const accessTokens = { find: async (secret: string) => tokens.get(secret), recordUse: async () => undefined };
  const identify = createIdentify({
    database: { get: async () => ({ accessTokens }) } as unknown as Pick<DatabaseOnDemand, 'get'>,
    changes: { listen: () => undefined } as unknown as FrontQueue['tokenChanges'],
    logger: await createLogger({ name: 'test', level: 'silent', format: 'json' }),
    now,
  });
  expect(await identify('aimm_1')).toMatchObject({ client: 'me' });
  expect(await identify('aimm_2')).toBeUndefined();
  tokens.delete('aimm_1');
  tokens.set('aimm_2', token as unknown as AccessToken);
  setBack();
  expect(await identify('aimm_1')).toBeUndefined();
  expect(await identify('aimm_2')).toMatchObject({ client: 'me' });
});

/** No more of a worker is looked at. */
function toPresence(provider: { id: string; configured: boolean }): WorkerPresence {
  return { providers: [provider] } as unknown as WorkerPresence;
}
