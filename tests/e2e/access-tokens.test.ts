import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  type Deployment,
  type HttpFront,
  startDeployment,
  startHttpFront,
  startListening,
} from '../support/deployment.ts';
import { connectHttp, eras, type McpClient } from '../support/mcp-client.ts';
import { runAimm } from '../support/run-aimm.ts';
import { vendorModels } from '../support/vendors.ts';

const model = vendorModels.openai;

let deployment: Deployment;
let front: HttpFront;
const clients: McpClient[] = [];
beforeAll(async () => {
  deployment = await startDeployment({ environment: { AIMM_REQUIRE_TOKEN: 'on' } });
  deployment.vendors.say(({ prompt }) => ({ text: `You said: ${prompt}`, inputTokens: 10, outputTokens: 10 }));
  front = await startHttpFront(deployment.environment);
}, 60_000);
afterAll(async () => {
  await Promise.all(clients.map((client) => client.close()));
  await front?.process.end();
  await deployment?.end();
});

const aimm = (...args: string[]) => runAimm(deployment.environment, args);

async function createToken(name: string, scopes: string, ...more: string[]): Promise<string> {
  const { stdout, code } = await aimm('tokens', 'create', '--name', name, '--scopes', scopes, ...more);
  expect(code).toBe(0);
  return stdout.trim();
}

async function connect(token: string, era: (typeof eras)[number] = eras[1]): Promise<McpClient> {
  const client = await connectHttp(front.url, era, { authorization: `Bearer ${token}` });
  clients.push(client);
  return client;
}

describe.each(eras)('over HTTP in version %s', (era) => {
  test('each token does what its scopes are for, and is told what it lacks', async () => {
    const name = `scoped-${era}`;
    const asks = await connect(await createToken(`${name}-asks`, 'generate'), era);
    const reads = await connect(await createToken(`${name}-reads`, 'read'), era);
    const asked = await asks.call('generate', { model, prompt: 'Hi', background: true });
    expect(asked.isError).toBe(false);
    // What takes longer than a call comes back by its id, so who may ask may read that.
    const job = await asks.call('get_job', { job_id: asked.structured.job_id, wait_seconds: 20 });
    expect(job.structured).toMatchObject({ status: 'succeeded' });
    expect((await reads.call('get_usage_stats', {})).structured).toMatchObject({ totals: { requests: 0 } });
    const lacks = async (client: McpClient, tool: string, args: Record<string, unknown>) => {
      expect((await client.client.listTools()).tools.map((one) => one.name)).not.toContain(tool);
      const { isError, content } = await client.client.callTool({ name: tool, arguments: args });
      expect(isError).toBe(true);
      return JSON.stringify(content);
    };
    expect(await lacks(reads, 'generate', { model, prompt: 'Hi' })).toContain(
      'needs an access token with the scope generate',
    );
    expect(await lacks(asks, 'get_usage_stats', {})).toContain('needs an access token with the scope read');
  });

  test('a token that is revoked fails the next call of a client that is connected, within seconds', async () => {
    const name = `revoked-${era}`;
    const mcp = await connect(await createToken(name, 'generate,read'), era);
    expect((await mcp.call('generate', { model, prompt: 'Hi' })).isError).toBe(false);
    const running = await mcp.call('generate', { model, prompt: 'Hi', background: true });
    expect(running.isError).toBe(false);
    expect((await aimm('tokens', 'revoke', name)).stdout).toContain('It is refused from now on');
    const revokedAt = Date.now();
    await expect
      .poll(
        () =>
          mcp.call('list_models', {}).then(
            () => 'passed',
            (error: unknown) => String(error),
          ),
        {
          timeout: 5_000,
          interval: 50,
        },
      )
      .toMatch(/401|revoked|token/i);
    expect(Date.now() - revokedAt).toBeLessThan(5_000);
    await expect(connect('aimm_'.padEnd(69, '0'), era)).rejects.toThrow(/401|token/i);
  });
});

test('without a token nobody comes in once one is asked for, and /healthz answers all the same', async () => {
  await expect(connectHttp(front.url, eras[1])).rejects.toThrow(/401|token/i);
  expect((await fetch(new URL('/healthz', front.url))).status).toBe(200);
});

test('the use of a token is shown, to the minute', async () => {
  const mcp = await connect(await createToken('seen', 'read'));
  await mcp.call('list_models', {});
  await expect
    .poll(
      async () => {
        // As often as the command starts.
        const tokens = JSON.parse((await aimm('tokens', 'list', '--json')).stdout) as {
          name: string;
          lastUsedAt?: number;
        }[];
        return tokens.find(({ name }) => name === 'seen')?.lastUsedAt;
      },
      { timeout: 15_000 },
    )
    .toBeGreaterThan(Date.now() - 120_000);
});

test('a budget holds, is told with the day it renews, and is one’s own', async () => {
  const poor = await connect(await createToken('poor', 'generate,read', '--budget', '0.000001/day'));
  const refused = await poor.call('generate', { model, prompt: 'Hi' });
  expect(refused.text).toMatch(
    /The budget of the access token "poor" \(\$0\.0000010 a day\) has no room.*It renews at \d{4}-/,
  );
  expect(refused.text).toContain('(error: budget_exceeded)');
  const other = await connect(await createToken('rich', 'generate,read', '--budget', '5/day'));
  expect((await other.call('generate', { model, prompt: 'Hi' })).isError).toBe(false);
  const health = await other.call('check_health', { provider: 'openai' });
  expect(health.text + JSON.stringify(health.structured)).not.toContain('poor');
});

describe('two clients', () => {
  /** Everything of a client's has these words in it. */
  interface Side {
    name: string;
    words: string[];
    mcp: McpClient;
    jobIds: string[];
    conversationId: string;
  }
  const sides: Side[] = [];
  let admin: McpClient;

  beforeAll(async () => {
    for (const name of ['alice', 'bertha']) {
      const words = [`planted-prompt-of-${name}`, `planted-tag-of-${name}`];
      const [prompt = '', tag = ''] = words;
      const mcp = await connect(await createToken(name, 'generate,read', '--budget', '5/day', '--rpm', '6000'));
      const asked = await mcp.call('generate', { model, prompt, tags: [tag], save_conversation: true });
      const background = await mcp.call('generate', {
        model,
        prompt: `${prompt} later`,
        tags: [tag],
        background: true,
      });
      const models = [model, vendorModels.mistral];
      const compared = await mcp.call('compare_models', { models, prompt, tags: [tag], judge: model });
      const children = compared.structured.results.map((result: { job_id: string }) => result.job_id);
      const batch = await mcp.call('start_batch', {
        prompts: [`${prompt} one`, `${prompt} two`],
        models,
        tags: [tag],
        name: `${prompt} batch`,
        wait_seconds: 20,
      });
      expect(batch.structured).toMatchObject({ batch_status: 'completed', counts: { succeeded: 4 } });
      const jobIds = [asked, background, compared, batch].map(({ structured }) => structured.job_id as string);
      const { structured: read } = await mcp.call('get_job', { job_id: jobIds[3] });
      const items = read.generations.map((result: { job_id: string }) => result.job_id);
      expect(items).toHaveLength(4);
      // The judge's generation bears its comparison's number.
      const judge = String(jobIds[2]).replace('cmp_', 'gen_');
      sides.push({
        name,
        words,
        mcp,
        jobIds: [...jobIds, ...children, ...items, judge],
        conversationId: asked.structured.conversation_id,
      });
      await mcp.call('get_job', { job_id: jobIds[1], wait_seconds: 20 });
    }
    admin = await connect(await createToken('admin', 'admin'));
  }, 60_000);

  /** Every tool there is, with whatever of another client's it takes. What is named in the design and not built yet is passed over. */
  const walk = (them: Side): Record<string, Record<string, unknown>[]> => ({
    generate: [
      { model, prompt: 'What did I say?', conversation_id: them.conversationId },
      { model, prompt: 'What did I say?', cache: true },
    ],
    compare_models: [{ models: [model, vendorModels.mistral], prompt: 'What did I say?' }],
    start_batch: [{ prompts: ['What did I say?'], models: [model] }],
    get_job: them.jobIds.map((job_id) => ({ job_id, wait_seconds: 1 })),
    cancel_job: them.jobIds.map((job_id) => ({ job_id })),
    list_jobs: [{}, { kind: 'batch' }, { limit: 100 }],
    list_models: [{}, { refresh: true }],
    get_model_info: [{ model }],
    estimate_cost: [{ prompt: 'Hi', models: [model] }],
    get_usage_stats: [
      {},
      ...['provider', 'model', 'day', 'client', 'tag'].map((group_by) => ({ group_by })),
      { client: them.name, group_by: 'tag' },
      { client: them.name, group_by: 'client' },
    ],
    check_health: [{}, { deep: true }],
    list_conversations: [{}, { search: 'planted' }],
    get_conversation: [{ conversation_id: them.conversationId }],
    delete_conversation: [{ conversation_id: them.conversationId }],
    get_preferences: [{}],
    set_preference: [{ name: 'mine', model }],
  });

  test('see nothing of each other by any tool or resource, and end nothing of each other', async () => {
    const [alice, bertha] = sides as [Side, Side];
    const { tools } = await admin.client.listTools();
    for (const [us, them] of [
      [alice, bertha],
      [bertha, alice],
    ] as const) {
      const from = us.mcp.received.length;
      const steps = walk(them);
      expect(tools.map(({ name }) => name).filter((name) => steps[name] === undefined)).toEqual([]);
      const given: string[] = [];
      for (const { name } of tools)
        for (const args of steps[name] ?? [])
          given.push(JSON.stringify(await us.mcp.client.callTool({ name, arguments: args })));
      const { resources } = await us.mcp.client.listResources();
      const uris = [
        ...resources.map(({ uri }) => uri),
        `conversations://${them.conversationId}`,
        ...them.jobIds.map((id) => `jobs://${id}`),
      ];
      for (const uri of uris)
        given.push(await us.mcp.client.readResource({ uri }).then((value) => JSON.stringify(value), String));
      const seen = [...given, ...us.mcp.received.slice(from)];
      expect(seen.length).toBeGreaterThan(2 * tools.length);
      // What one asked for by its name may be named in the answer; what was asked under it may not.
      for (const word of them.words) expect(seen.filter((one) => one.includes(word))).toEqual([]);
    }
    for (const { mcp, jobIds, words, name } of sides) {
      for (const job_id of jobIds.slice(0, 2)) {
        const job = await mcp.call('get_job', { job_id });
        expect(job.structured).toMatchObject({ status: 'succeeded' });
        expect(job.text).toContain(words[0]);
      }
      const { structured } = await mcp.call('get_usage_stats', { group_by: 'client' });
      expect(structured.groups.map(({ key }: { key: string }) => key)).toEqual([name]);
      const batches = await mcp.call('list_jobs', { kind: 'batch' });
      expect(batches.structured.jobs.map(({ job_id }: { job_id: string }) => job_id)).toContain(jobIds[3]);
    }
  }, 120_000);

  test('are told of each other’s jobs that they do not exist, as of any id', async () => {
    const [alice, bertha] = sides as [Side, Side];
    const refusal = async (job_id: string) => {
      const { content } = await alice.mcp.client.callTool({ name: 'get_job', arguments: { job_id } });
      return JSON.stringify(content).replaceAll(job_id, 'ID');
    };
    const ofNobody = async (kind: string) => refusal(`${kind}_0198c0de-0000-7000-8000-000000000000`);
    const [job, batch] = await Promise.all([ofNobody('gen'), ofNobody('bat')]);
    expect([job, batch]).toEqual([expect.stringContaining('is no job'), expect.stringContaining('is no batch')]);
    for (const id of bertha.jobIds) expect(await refusal(id)).toBe(id.startsWith('bat_') ? batch : job);
  });

  test('are both seen by an admin', async () => {
    for (const { jobIds, words } of sides)
      for (const job_id of [jobIds[0], jobIds[3]])
        expect((await admin.call('get_job', { job_id })).text).toContain(words[0]);
    const listed = await admin.call('list_jobs', { kind: 'batch' });
    const batches = listed.structured.jobs.map(({ job_id }: { job_id: string }) => job_id);
    expect(batches).toEqual(expect.arrayContaining(sides.map(({ jobIds }) => jobIds[3])));
    const { structured } = await admin.call('get_usage_stats', { group_by: 'client' });
    expect(structured.groups.map(({ key }: { key: string }) => key)).toEqual(
      expect.arrayContaining(['alice', 'bertha']),
    );
  });
});

test('the dashboard is for admins', async () => {
  const dashboard = await startListening({ ...deployment.environment, DASHBOARD_PORT: '0' }, ['dashboard']);
  const open = async (token?: string) => {
    const headers: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` };
    return (await fetch(new URL('/queues/api/queues', dashboard.url), { headers })).status;
  };
  const admin = await createToken('dashboard-admin', 'admin');
  expect([await open(), await open(admin), await open(await createToken('dashboard-reader', 'read'))]).toEqual([
    401, 200, 403,
  ]);
  await aimm('tokens', 'revoke', 'dashboard-admin');
  await expect.poll(() => open(admin), { timeout: 5_000 }).toBe(401);
  await dashboard.process.end();
});
