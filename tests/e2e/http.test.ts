import { mkdir, readdir, copyFile, writeFile } from 'node:fs/promises';
import { once } from 'node:events';
import { request } from 'node:http';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Deployment, type HttpFront, startDeployment, startHttpFront } from '../support/deployment.ts';
import { connectHttp, connectStdio, eras } from '../support/mcp-client.ts';
import { startProcess } from '../support/processes.ts';
import { vendorModels } from '../support/vendors.ts';

const token = 'a-bearer-token-for-this-test';

let deployment: Deployment;
beforeAll(async () => {
  deployment = await startDeployment();
});
afterAll(() => deployment?.end());

/** Starts a command that is to refuse, and gives back how it did. */
async function refusal(args: string[], environment: Record<string, string>) {
  const own = startProcess('services/cli/bin/aimm.mjs', { ...deployment.environment, ...environment }, args);
  return { code: await own.exited, said: own.log() };
}

describe('with AIMM_AUTH_TOKEN', () => {
  let front: HttpFront;
  beforeAll(async () => {
    front = await startHttpFront({ ...deployment.environment, AIMM_AUTH_TOKEN: token });
  });
  afterAll(() => front?.process.end());

  test.each([
    ['no token', {}],
    ['another token', { authorization: 'Bearer not-the-token-at-all' }],
    ['the token in another scheme', { authorization: `Basic ${token}` }],
    ['the token and more', { authorization: `Bearer ${token}x` }],
  ])('%s is answered by 401 and a challenge', async (_name, headers) => {
    const response = await post(front.url, headers);
    expect(response.status).toBe(401);
    expect(response.headers['www-authenticate']).toContain('Bearer');
    expect(response.body).not.toContain(token);
    await expect(connectHttp(front.url, eras[0], headers)).rejects.toThrow(/401|authoriz|token/i);
  });

  test.each(eras)('the token opens it to a client of version %s', async (era) => {
    const mcp = await connectHttp(front.url, era, { authorization: `Bearer ${token}` });
    const { isError } = await mcp.call('generate', { model: vendorModels.openai, prompt: 'Hi' });
    expect(isError).toBe(false);
    await mcp.close();
  });

  test('a token in the address is none', async () => {
    expect((await post(`${front.url}?token=${token}&access_token=${token}`, {})).status).toBe(401);
  });

  test('/healthz needs none', async () => {
    expect((await fetch(new URL('/healthz', front.url))).status).toBe(200);
  });
});

describe('without a token, on loopback', () => {
  let front: HttpFront;
  beforeAll(async () => {
    front = await startHttpFront(deployment.environment);
  });
  afterAll(() => front?.process.end());

  test.each([
    ['a name that is not ours', { host: 'models.attacker.example' }],
    ['a page of another origin', { origin: 'https://attacker.example' }],
    ['a page without an origin', { origin: 'null' }],
  ])('%s is refused before MCP hears of it', async (_name, headers) => {
    const { status, body } = await post(front.url, headers);
    expect(status).toBe(403);
    expect(JSON.parse(body)).toMatchObject({ jsonrpc: '2.0', error: {} });
  });

  test.each([['http://localhost:6274'], ['http://127.0.0.1:8080']])(
    'a page of this machine, %s, is not',
    async (origin) => {
      expect((await post(front.url, { origin })).status).toBe(200);
    },
  );

  test('a port that is taken is named, with the variable that chooses it', async () => {
    const { port } = new URL(front.url);
    const { code, said } = await refusal(['mcp', '--http'], { HTTP_PORT: port });
    expect(code).toBe(2);
    expect(said).toContain('HTTP_PORT');
    expect(said).toContain(`127.0.0.1:${port}`);
    expect(said).not.toContain('    at ');
  });

  test('SIGTERM lets a running call answer, then the process leaves with 0', async () => {
    const own = await startHttpFront(deployment.environment);
    const mcp = await connectHttp(own.url, eras[1]);
    const before = deployment.vendors.calls().length;
    const call = mcp.call('generate', { model: vendorModels.openai, prompt: 'Hi' });
    await deployment.vendors.arrived(before + 1);
    own.process.signal('SIGTERM');
    expect((await call).structured).toMatchObject({ status: 'succeeded' });
    expect(await own.process.exited).toBe(0);
  });
});

describe('what is wrong with the configuration', () => {
  const ours = fileURLToPath(new URL('../../config', import.meta.url));

  /** A copy of the configuration in which these files are something else. */
  async function configWith(files: Record<string, string>): Promise<string> {
    const dir = join(deployment.dir, `config-${Math.random().toString(36).slice(2)}`);
    await mkdir(dir);
    for (const name of await readdir(ours)) await copyFile(join(ours, name), join(dir, name));
    for (const [name, text] of Object.entries(files)) await writeFile(join(dir, name), text);
    return dir;
  }

  const environment = { HTTP_PORT: 'eighty', LOG_LEVEL: 'loud', AIMM_AUTH_TOKEN: 'short', REDIS_URL: 'localhost' };

  test.each([[['mcp']], [['mcp', '--http']], [['worker']], [['up']]])(
    'in the environment is told all at once by aimm %j, with exit code 2',
    async (args) => {
      const { code, said } = await refusal(args, environment);
      expect(code).toBe(2);
      expect(said).toContain('4 configuration faults:');
      for (const name of Object.keys(environment)) expect(said).toMatch(new RegExp(`environment: ${name}: expected `));
      expect(said).not.toContain('    at ');
    },
  );

  test.each([[['mcp', '--http']], [['worker']]])(
    'in files is told all at once by aimm %j, with file and path',
    async (args) => {
      const AIMM_CONFIG_DIR = await configWith({
        'providers.json': JSON.stringify({
          providers: [{ id: 'openai', kind: 'opneai', concurrency: 0, apiKeys: ['X'] }],
        }),
        'routing.json': '{ "auto": ',
      });
      const { code, said } = await refusal(args, { AIMM_CONFIG_DIR, MISTRAL_RPM: 'many' });
      expect(code).toBe(2);
      const providers = join(AIMM_CONFIG_DIR, 'providers.json');
      for (const path of ['kind', 'concurrency', 'apiKeys'])
        expect(said).toContain(`${providers}: providers[0].${path}`);
      expect(said).toContain(join(AIMM_CONFIG_DIR, 'routing.json'));
      expect(said).not.toContain('    at ');
    },
  );

  test('in both is told together', async () => {
    const AIMM_CONFIG_DIR = await configWith({ 'routing.json': '{ "auto": ' });
    for (const args of [['worker'], ['mcp', '--http']]) {
      const { code, said } = await refusal(args, { AIMM_CONFIG_DIR, LOG_LEVEL: 'loud', OPENAI_RPM: 'many' });
      expect(code).toBe(2);
      for (const told of ['environment: LOG_LEVEL', 'environment: OPENAI_RPM', join(AIMM_CONFIG_DIR, 'routing.json')])
        expect(said).toContain(told);
    }
  });

  test('over stdio is told by the call that meets it, and the lists still answer', async () => {
    const AIMM_CONFIG_DIR = await configWith({ 'routing.json': '{ "auto": ' });
    const mcp = await connectStdio({ ...deployment.environment, AIMM_CONFIG_DIR }, eras[0]);
    expect((await mcp.client.listTools()).tools).toHaveLength(16);
    const { isError, text } = await mcp.call('generate', { model: vendorModels.openai, prompt: 'Hi' });
    expect(isError).toBe(true);
    expect(text).toContain(join(AIMM_CONFIG_DIR, 'routing.json'));
    expect(text).toContain('(error: unavailable)');
    await mcp.close();
  });
});

/** A ping with any header, which fetch would not send. */
async function post(url: string, headers: Record<string, string>) {
  const sent = request(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream', ...headers },
  });
  sent.end(JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'ping' }));
  const [response] = await once(sent, 'response');
  let body = '';
  for await (const piece of response) body += String(piece);
  return { status: Number(response.statusCode), headers: response.headers, body };
}
