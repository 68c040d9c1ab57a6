import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ClientMessage, createMessageSocket, StackMessage } from '@aimm/local-stack';
import { createLogger } from '@aimm/runtime';
import { afterEach, expect, it } from 'vitest';
import { openControlServer } from '../src/stack/control-server.ts';
import { toStackInfo } from './support/bare-stack.ts';

const logger = await createLogger({ name: 'test', level: 'silent', format: 'json' });
const dir = mkdtempSync(join(tmpdir(), 'aimm-control-'));
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const info = toStackInfo(dir);

it('welcomes a client whose keys cannot be put to use, and lives on for the others', async () => {
  const path = join(dir, 'control.sock');
  const server = await openControlServer({
    path,
    logger,
    onHandover: ({ AIMM_TEST }) =>
      AIMM_TEST === 'bad' ? Promise.reject(new Error('no port left')) : Promise.resolve(),
    onChange: () => undefined,
    onStop: () => undefined,
  });
  server.publish(info);
  const arrive = (environment: Record<string, string>) => {
    const welcomed = Promise.withResolvers<string>();
    const channel = createMessageSocket<StackMessage, ClientMessage>(connect({ path }), StackMessage, ({ type }) =>
      welcomed.resolve(type),
    );
    channel.send({ type: 'hello', pid: 1, version: '0.0.0', role: 'client', environment });
    return { welcomed: welcomed.promise, channel };
  };
  const clients = [arrive({ AIMM_TEST: 'bad' }), arrive({})];
  expect(await Promise.all(clients.map(({ welcomed }) => welcomed))).toEqual(['welcome', 'welcome']);
  for (const { channel } of clients) channel.end();
  await Promise.all(clients.map(({ channel }) => channel.closed));
  await server.close();
});
