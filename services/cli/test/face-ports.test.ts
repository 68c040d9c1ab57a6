import { once } from 'node:events';
import { createServer } from 'node:net';
import { createLogger } from '@aimm/runtime';
import { expect, it, onTestFinished } from 'vitest';
import { chooseFacePorts } from '../src/stack/face-ports.ts';

const logger = await createLogger({ name: 'test', level: 'silent', format: 'json' });
const host = '127.0.0.1';
const faces = ['HTTP', 'DASHBOARD'] as const;

async function listen(port = 0): Promise<number> {
  const server = createServer();
  await once(server.listen(port, host), 'listening');
  onTestFinished(() => void server.close());
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

it('a second stack takes the next free ports, and leaves those that the user chose to the user', async () => {
  const taken = await listen();
  const env = { HTTP_HOST: host, HTTP_PORT: taken, DASHBOARD_HOST: host, DASHBOARD_PORT: taken };

  const { HTTP_PORT, ...rest } = await chooseFacePorts(env, {}, { faces: ['HTTP'], logger });
  expect(rest).toEqual({});
  expect(Number(HTTP_PORT)).toBeGreaterThan(taken);
  expect(await listen(Number(HTTP_PORT))).toBe(Number(HTTP_PORT));

  expect(await chooseFacePorts(env, { HTTP_PORT: String(taken) }, { faces: ['HTTP'], logger })).toEqual({});
  const both = await chooseFacePorts(env, { HTTP_PORT: String(taken), DASHBOARD_PORT: '' }, { faces, logger });
  expect(Object.keys(both)).toEqual(['DASHBOARD_PORT']);
});

it('where the usual ports are free they are taken', async () => {
  const env = { HTTP_HOST: host, HTTP_PORT: 0, DASHBOARD_HOST: host, DASHBOARD_PORT: 0 };
  expect(await chooseFacePorts(env, {}, { faces, logger })).toEqual({});
});
