import { readFileSync } from 'node:fs';
import { type Caller, createGate } from '@aimm/manager';
import { type AccessScope, ModelManagerError } from '@aimm/contracts';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createMcpServer } from '../src/server.ts';
import { tools } from '../src/tools/index.ts';
import { startHttp } from '../src/transports/http.ts';
import { callTool, createClient, type Era, eras, serverOptions } from './support/connect.ts';
import { createReadyManager } from './support/fake-manager.ts';
import { conversationId, generationId } from './support/fixtures.ts';

const authToken = 'a-bootstrap-token-of-some-length';

/** Tokens are named after their scopes: `generate,read`; one of them cannot be checked. */
const identify = async (token: string): Promise<Caller | undefined> => {
  if (token === 'unchecked') throw new ModelManagerError('unavailable', 'Access tokens cannot be checked now.');
  const scopes = token.split('+') as AccessScope[];
  if (!scopes.every((scope) => ['generate', 'read', 'admin'].includes(scope))) return undefined;
  return { client: `client-${token}`, admin: scopes.includes('admin'), scopes };
};

async function start(gate: { authToken?: string; requireToken?: boolean } = {}) {
  const manager = createReadyManager();
  const options = await serverOptions(async () => manager, { caller: { client: 'local', admin: true } });
  const settings = { HTTP_HOST: '127.0.0.1', HTTP_PORT: 0 };
  const opened = createGate({ authToken: undefined, requireToken: false, identify, ...gate });
  const transport = await startHttp(createMcpServer(options), settings, opened, options.logger);
  onTestFinished(() => transport.close(0));
  const connect = async (era: Era, token?: string) => {
    const headers: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` };
    const client = createClient(era);
    await client.connect(new StreamableHTTPClientTransport(new URL(transport.url), { requestInit: { headers } }));
    onTestFinished(() => client.close());
    return client;
  };
  const post = (authorization?: string) =>
    fetch(transport.url, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
        ...(authorization !== undefined && { authorization }),
      },
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'ping' }),
    });
  return { manager, connect, post };
}

const allowed: Record<string, string[]> = {
  generate: [
    'generate',
    'compare_models',
    'start_batch',
    'list_models',
    'get_model_info',
    'estimate_cost',
    'get_job',
    'cancel_job',
    'list_jobs',
    'list_conversations',
    'get_conversation',
    'delete_conversation',
    'get_preferences',
    'set_preference',
  ],
  read: [
    'list_models',
    'get_model_info',
    'estimate_cost',
    'get_usage_stats',
    'check_health',
    'get_job',
    'list_jobs',
    'list_conversations',
    'get_conversation',
    'get_preferences',
  ],
};
const all = tools.map(({ name }) => name);

const args: Record<string, Record<string, unknown>> = {
  generate: { prompt: 'Hi' },
  compare_models: { prompt: 'Hi', models: ['openai/a', 'openai/b'] },
  get_model_info: { model: 'openai/a' },
  get_job: { job_id: generationId },
  start_batch: { prompts: ['a'], models: ['openai/gpt-5-mini'] },
  cancel_job: { job_id: generationId },
  estimate_cost: { prompt: 'Hi', models: ['openai/a'] },
  get_conversation: { conversation_id: conversationId },
  delete_conversation: { conversation_id: conversationId },
  set_preference: { name: 'mine', model: 'openai/a' },
};

describe.each(eras)('an access token in version %s', (era) => {
  it.each(Object.keys(allowed))('of the scope %s is shown the tools that it may call, and no others', async (scope) => {
    const { connect } = await start();
    const client = await connect(era, scope);
    const listed = await client.listTools();
    expect(listed.tools.map(({ name }) => name)).toEqual(allowed[scope]);
    const whole = await (await connect(era)).listTools();
    // What it is shown of them is what everybody is.
    expect(listed.tools).toEqual(whole.tools.filter(({ name }) => allowed[scope]?.includes(name)));
  });

  it.each(Object.keys(allowed))('of the scope %s calls those, under its own name', async (scope) => {
    const { connect, manager } = await start();
    const client = await connect(era, scope);
    for (const tool of allowed[scope] ?? [])
      expect([tool, (await callTool(client, tool, args[tool] ?? {})).isError]).toEqual([tool, false]);
    const names = manager.calls.flatMap((call) => call.args.filter(isCaller).map((caller) => caller.client));
    expect(new Set(names)).toEqual(new Set([`client-${scope}`]));
  });

  it.each(Object.keys(allowed))('of the scope %s is told at the others which scope it lacks', async (scope) => {
    const { connect, manager } = await start();
    const client = await connect(era, scope);
    for (const { name, scopes } of tools.filter((tool) => allowed[scope]?.includes(tool.name) !== true)) {
      const { isError, text } = await callTool(client, name, args[name] ?? {});
      expect([isError, text.join()]).toEqual([
        true,
        expect.stringContaining(`The tool ${name} needs an access token with the scope ${scopes.join(' or ')};`),
      ]);
      expect(text.join()).toContain('(error: permission)');
    }
    expect(manager.calls).toEqual([]);
  });

  it.each(['generate+read', 'admin'])('of the scopes %s may call all of them', async (scopes) => {
    const { connect } = await start();
    const client = await connect(era, scopes);
    expect((await client.listTools()).tools.map(({ name }) => name)).toEqual(all);
    for (const tool of all)
      expect([tool, (await callTool(client, tool, args[tool] ?? {})).isError]).toEqual([tool, false]);
  });

  it('reads the resources that its scopes are for', async () => {
    const { connect } = await start();
    const [asks, reads] = [await connect(era, 'generate'), await connect(era, 'read')];
    await reads.readResource({ uri: 'stats://usage' });
    await reads.readResource({ uri: 'config://providers' });
    await asks.readResource({ uri: 'config://providers' });
    await expect(asks.readResource({ uri: 'stats://usage' })).rejects.toThrow(
      /stats:\/\/usage needs an access token with the scope read;.*permission/s,
    );
  });

  it('that may only read spends nothing by a deep check', async () => {
    const { connect } = await start();
    const deep = await callTool(await connect(era, 'read'), 'check_health', { deep: true });
    expect([deep.isError, deep.text.join()]).toEqual([true, expect.stringContaining('the scope generate;')]);
    expect((await callTool(await connect(era, 'generate+read'), 'check_health', { deep: true })).isError).toBe(false);
  });
});

it('a list that a token sees less of may be kept by nobody else', async () => {
  const { connect } = await start();
  const [own, whole] = [await connect('2026-07-28', 'read'), await connect('2026-07-28')];
  expect([await own.listTools(), await whole.listTools()]).toMatchObject([
    { cacheScope: 'private' },
    { cacheScope: 'public' },
  ]);
});

describe('who comes in', () => {
  const says: Record<number, string> = { 401: 'invalid_token', 503: 'cannot be checked' };

  it.each([
    ['without a token, on loopback', {}, undefined, 200],
    ['with a token that is wrong, also where none is asked for', {}, 'Bearer wrong', 401],
    ['with a header of another kind, where none is asked for', {}, 'Basic eDp5', 200],
    ['with an empty token, where none is asked for', {}, 'Bearer ', 200],
    ['without a token, where one is asked for', { requireToken: true }, undefined, 401],
    ['with an access token, where one is asked for', { requireToken: true }, 'Bearer read', 200],
    ['without a token, where AIMM_AUTH_TOKEN is set', { authToken }, undefined, 401],
    ['with a header of another kind, where AIMM_AUTH_TOKEN is set', { authToken }, `Basic ${authToken}`, 401],
    ['with AIMM_AUTH_TOKEN', { authToken }, `Bearer ${authToken}`, 200],
    ['with an access token, where AIMM_AUTH_TOKEN is set', { authToken }, 'bearer generate', 200],
    ['with more than a token', { authToken }, `Bearer ${authToken} read`, 401],
    ['with a token that cannot be checked', {}, 'Bearer unchecked', 503],
    ['with AIMM_AUTH_TOKEN, which needs no database', { authToken }, `Bearer ${authToken}`, 200],
  ])('%s', async (_who, gate, authorization, status) => {
    const { post } = await start(gate);
    const response = await post(authorization);
    const body = await response.text();
    expect([response.status, body]).toEqual([status, expect.stringContaining(says[status] ?? 'result')]);
    expect(response.headers.get('www-authenticate') ?? '').toMatch(
      status === 401 ? /^Bearer error="invalid_token", error_description="[^"]+"$/ : /^$/,
    );
    expect(response.headers.get('retry-after')).toBe(status === 503 ? '5' : null);
  });
});

function isCaller(value: unknown): value is Caller {
  return typeof value === 'object' && value !== null && 'client' in value && 'admin' in value;
}

it('docs/configuration.md tells which tools a scope opens', () => {
  const page = readFileSync(new URL('../../../docs/configuration.md', import.meta.url), 'utf8');
  const told = Object.fromEntries(
    [...page.matchAll(/^\| +(`generate`|`read`|either) +\|(.*)\|$/gm)].map(([, scope = '', tools = '']) => [
      scope.replaceAll('`', ''),
      [...tools.matchAll(/`(\w+)`/g)].map(([, name = '']) => name).toSorted(),
    ]),
  );
  const opened = (...scopes: string[]) =>
    tools.filter((tool) => [...tool.scopes].toSorted().join() === scopes.join()).map(({ name }) => name);
  expect(told).toEqual({
    generate: opened('generate').toSorted(),
    read: opened('read').toSorted(),
    either: opened('generate', 'read').toSorted(),
  });
});
