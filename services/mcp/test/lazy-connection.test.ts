import { ConfigError } from '@aimm/runtime';
import { expect, it } from 'vitest';
import type { ManagerConnection } from '../src/connect-manager.ts';
import { createLazyConnection } from '../src/lazy-connection.ts';
import { createReadyManager } from './support/fake-manager.ts';

function connectionTo(manager = createReadyManager()) {
  const closed: string[] = [];
  const connection: ManagerConnection = {
    manager: async () => manager,
    announce: () => undefined,
    close: async () => void closed.push('closed'),
  };
  return { connection, closed, manager };
}

it('nothing is opened before the first call, and one opening serves all calls', async () => {
  let openings = 0;
  const { connection, manager, closed } = connectionTo();
  const lazy = createLazyConnection(async () => {
    openings += 1;
    return connection;
  });
  expect(openings).toBe(0);
  expect(await Promise.all([lazy.manager(), lazy.manager()])).toEqual([manager, manager]);
  expect(openings).toBe(1);
  await lazy.close();
  expect(closed).toEqual(['closed']);
});

it('a failed opening is tried again by the next call', async () => {
  const { connection, manager } = connectionTo();
  const openings = [() => Promise.reject(new Error('Redis is not there')), async () => connection];
  const lazy = createLazyConnection(() => openings.shift()?.() ?? Promise.reject(new Error('too many')));
  await expect(lazy.manager()).rejects.toThrow('Redis is not there');
  expect(await lazy.manager()).toBe(manager);
});

it('faults of the configuration reach the caller as something to mend', async () => {
  const fault = { source: 'config/models.json', path: 'models[0].id', expected: 'a text' };
  const lazy = createLazyConnection(() => Promise.reject(new ConfigError([fault])));
  await expect(lazy.manager()).rejects.toMatchObject({
    code: 'unavailable',
    message: expect.stringContaining('models[0].id: expected a text'),
  });
});

it('closing without ever having been used does nothing', async () => {
  const lazy = createLazyConnection(() => Promise.reject(new Error('must not open')));
  await expect(lazy.close()).resolves.toBeUndefined();
});
