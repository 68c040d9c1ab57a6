import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createDatabase } from '@aimm/database';
import { createManager } from '@aimm/manager';
import { announceTokenChange, connectFront } from '@aimm/queue';
import { createLogger } from '@aimm/runtime';
import { describe, expect, onTestFinished, test } from 'vitest';
import { createRedisServer } from '../support/redis-server.ts';
import { createTcpProxy } from '../support/tcp-proxy.ts';
import { createEmptyDatabase, databaseKinds } from '../support/test-databases.ts';

const soon = { timeout: 10_000, interval: 10 };

/** Fronts over one database, with a clock that the test moves. */
async function createStage(databaseUrl: string, { redisRunning = true, adminUrl = databaseUrl } = {}) {
  const dir = await mkdtemp(join(tmpdir(), 'aimm-tokens-'));
  const redis = await createRedisServer(dir, { running: redisRunning });
  const logger = await createLogger({ name: 'test', level: 'silent', format: 'json' });
  const clock = { now: Date.now() };
  const database = await createDatabase({ url: adminUrl, now: () => clock.now });
  const closers: (() => unknown)[] = [
    () => rm(dir, { recursive: true, force: true }),
    () => redis.stop(),
    () => database.close(),
  ];
  onTestFinished(async () => {
    for (const close of closers.toReversed()) await close();
  });
  const openFront = async () => {
    const front = await createManager({ redisUrl: redis.url, databaseUrl, raw: {}, logger, now: () => clock.now });
    closers.push(() => front.close());
    return front;
  };
  const announce = async () => {
    const connection = connectFront(redis.url, logger);
    await announceTokenChange(connection);
    connection.disconnect();
  };
  return { redis, clock, database, tokens: database.accessTokens, openFront, announce };
}

describe.each(databaseKinds)('an access token on %s', (kind) => {
  test('is its client, with its scopes, limits and budgets', async () => {
    const { tokens, openFront } = await createStage(await createEmptyDatabase(kind));
    const front = await openFront();
    const budgets = [{ period: 'month' as const, limitNanoUsd: 1_000, timeZone: 'UTC' }];
    const limits = { tokensPerMinute: 500 };
    const { token } = await tokens.create({ name: 'ci', scopes: ['generate'], limits, budgets });
    expect(await front.identify(token)).toEqual({ client: 'ci', admin: false, scopes: ['generate'], limits, budgets });
    const admin = await tokens.create({ name: 'ops', scopes: ['admin'] });
    expect(await front.identify(admin.token)).toMatchObject({ client: 'ops', admin: true });
    for (const wrong of ['', 'x', token.slice(0, -1), `${token}0`, `aimm_${'f'.repeat(64)}`])
      expect(await front.identify(wrong)).toBeUndefined();
  });

  test('that is revoked opens nothing any more in any front: at once where Redis tells it', async () => {
    const { tokens, openFront, announce } = await createStage(await createEmptyDatabase(kind));
    const fronts = [await openFront(), await openFront()];
    const { token } = await tokens.create({ name: 'ci', scopes: ['read'] });
    for (const front of fronts) expect(await front.identify(token)).toBeDefined();
    await tokens.revoke('ci');
    // The clock stands still: nothing but the word of it tells them.
    await expect
      .poll(async () => {
        await announce();
        return Promise.all(fronts.map((front) => front.identify(token)));
      }, soon)
      .toEqual([undefined, undefined]);
  });

  test('that is revoked opens nothing any more within 5 seconds, also where nobody hears of it', async () => {
    const { tokens, openFront, clock } = await createStage(await createEmptyDatabase(kind), { redisRunning: false });
    const front = await openFront();
    const { token } = await tokens.create({ name: 'ci', scopes: ['read'] });
    expect(await front.identify(token)).toBeDefined();
    await tokens.revoke('ci');
    // Known a moment ago: no call waits for the database.
    expect(await front.identify(token)).toBeDefined();
    clock.now += 5_000;
    expect(await front.identify(token)).toBeUndefined();
  });

  test('is used up to its last moment, and not after', async () => {
    const { tokens, openFront, clock } = await createStage(await createEmptyDatabase(kind));
    const front = await openFront();
    const { token } = await tokens.create({ name: 'ci', scopes: ['read'], expiresAt: clock.now + 1_000 });
    expect(await front.identify(token)).toBeDefined();
    clock.now += 999;
    expect(await front.identify(token)).toBeDefined();
    clock.now += 1;
    expect(await front.identify(token)).toBeUndefined();
  });

  test('shows when it was used, written at most once a minute', async () => {
    const { tokens, openFront, clock } = await createStage(await createEmptyDatabase(kind));
    const front = await openFront();
    const { token } = await tokens.create({ name: 'ci', scopes: ['read'] });
    const first = clock.now;
    await front.identify(token);
    const lastUsed = async () => (await tokens.list())[0]?.lastUsedAt;
    await expect.poll(lastUsed, soon).toBe(first);
    clock.now = first + 59_000;
    await front.identify(token);
    clock.now = first + 60_000;
    await front.identify(token);
    await expect.poll(lastUsed, soon).toBe(first + 60_000);
  });
});

test('thousands of tokens that are made up open nothing, and keep no real one out', async () => {
  const { tokens, openFront, announce } = await createStage(await createEmptyDatabase('sqlite'));
  const front = await openFront();
  const made = Array.from({ length: 2_000 }, (_, index) => `aimm_${String(index).padStart(64, '0')}`);
  const found = await Promise.all([...made, ...made].map((token) => front.identify(token)));
  expect(found.every((caller) => caller === undefined)).toBe(true);
  const { token } = await tokens.create({ name: 'ci', scopes: ['read'] });
  await announce();
  expect(await front.identify(token)).toMatchObject({ client: 'ci' });
});

test('while the database is away who was known goes on for five minutes, and nobody else comes in', async () => {
  const url = new URL(await createEmptyDatabase('postgresql'));
  const direct = url.href;
  const proxy = await createTcpProxy(Number(url.port));
  onTestFinished(() => proxy.close());
  url.port = String(proxy.port);
  const { tokens, openFront, clock } = await createStage(url.href, { adminUrl: direct });
  const front = await openFront();
  const { token } = await tokens.create({ name: 'ci', scopes: ['read'] });
  const stranger = await tokens.create({ name: 'stranger', scopes: ['read'] });
  expect(await front.identify(token)).toBeDefined();
  await proxy.cut();
  clock.now += 299_000;
  expect(await front.identify(token)).toMatchObject({ client: 'ci' });
  // Asked again only a second later: requests do not wait one after the other.
  expect(await front.identify(token)).toMatchObject({ client: 'ci' });
  await expect(front.identify(stranger.token)).rejects.toMatchObject({
    code: 'unavailable',
    message: 'Access tokens cannot be checked: the database does not answer.',
  });
  clock.now += 2_000;
  await expect(front.identify(token)).rejects.toMatchObject({ code: 'unavailable', retryable: true });
  await proxy.restore();
  await expect
    .poll(async () => (await front.identify(token).catch(() => undefined))?.client, { timeout: 15_000 })
    .toBe('ci');
  expect(await front.identify(stranger.token)).toMatchObject({ client: 'stranger' });
});
