import type { Manager } from '@aimm/manager';
import { expect, onTestFinished, test } from 'vitest';
import { caller } from '../support/asker.ts';
import { createFaultStack, type FaultStack } from '../support/fault-stack.ts';
import { connectStdio } from '../support/mcp-client.ts';
import { readEverything } from '../support/planted.ts';
import { type Behaviour, echo } from '../support/upstream.ts';

/** In every prompt and in every answer, and nowhere else. */
const asked = 'quokkaprompt7f3';
const answered = 'wombatanswer9d2';
const models = ['mistral/mistral-small-latest', 'mistral/mistral-large-latest'];
const ended = { timeout: 20_000, interval: 50 };

/** What a prompt asks the vendor to do. */
const play: Behaviour = (call, tools) => {
  const { prompt } = call;
  if (prompt.includes('refused'))
    return tools.fail(400, { message: `Your prompt is bad: ${prompt}`, detail: [{ loc: ['body'], msg: answered }] });
  tools.write(`${answered} says: `);
  if (prompt.includes('broken')) return void setImmediate(() => tools.response.destroy());
  tools.write(`${answered} of ${prompt}`);
  // Until it is cancelled.
  if (prompt.includes('endless')) return;
  tools.finish({ text: ` ${answered}.` });
};

/** Requests of every kind of end, each with the planted words; resolves when all have ended. */
async function askAll(stack: FaultStack, front: Manager): Promise<string[]> {
  stack.upstream.behave(play);
  const plain = await stack.generate(front, `plain ${asked}`);
  const streamed = await stack.generate(front, `streamed ${asked}`, {}, { stream: true });
  const refused = await stack.generate(front, `refused ${asked}`);
  const broken = await stack.generate(front, `broken ${asked}`, {}, { stream: true });
  const unfit = await stack.generate(front, `unfit ${asked}`, {
    settings: { responseFormat: { type: 'json_schema', schema: { type: 'object', required: [asked] } } },
  });
  const comparison = await stack.compare(front, `compared ${asked}`, models, { judge: models[0] });
  const endless = await stack.generate(front, `endless ${asked}`, {}, { stream: true });
  // Half a second of text lies in the job before it ends.
  const partial = async () => (await front.getJob(caller, endless.requestId)).partialText;
  await expect.poll(partial, ended).toContain(answered);
  await front.cancelJob(caller, endless.requestId);

  expect((await plain.result).text).toContain(answered);
  expect((await streamed.result).text).toContain(answered);
  await expect(refused.result).rejects.toMatchObject({ code: 'invalid_request' });
  await expect(broken.result).rejects.toMatchObject({ code: 'network' });
  await expect(unfit.result).rejects.toMatchObject({ code: 'server_error' });
  await expect(endless.result).rejects.toMatchObject({ code: 'cancelled' });
  expect((await comparison.result).entries.map(({ result }) => result?.text)).toEqual([
    expect.stringContaining(answered),
    expect.stringContaining(answered),
  ]);
  return [plain, streamed, refused, broken, unfit, endless, comparison, ...comparison.children].map(
    ({ requestId }) => requestId,
  );
}

/** Every place at rest where a planted word stands: Redis by key, its append-only file, the database, files and logs. */
async function findPlaces(stack: FaultStack, logs: readonly string[]): Promise<string[]> {
  const places = await readEverything(stack, logs);
  return [...places].flatMap(([place, content]) =>
    content.includes(asked) || content.includes(answered) ? [place] : [],
  );
}

async function openStack(env: Record<string, string>) {
  const stack = await createFaultStack({ env: { LOG_LEVEL: 'trace', ...env } });
  const [front] = await Promise.all([stack.openFront(), stack.startWorker()]);
  const client = await connectStdio({ ...stack.env }, '2025-11-25');
  onTestFinished(() => client.close());
  return { stack, front, client };
}

const ask = (name: string, more: object = {}) => ({ model: models[0], prompt: `${name} ${asked}`, ...more });

test('STORE_CONTENT=off: soon after their end, prompts and answers are nowhere, however requests ended', async () => {
  const { stack, front, client } = await openStack({ STORE_CONTENT: 'off', CONTENT_DELIVERY_SECONDS: '3' });
  const ids = await askAll(stack, front);
  const cached = await client.call('generate', ask('cached', { cache: true }));
  expect(cached.structured.warnings).toContainEqual(expect.stringContaining('STORE_CONTENT'));
  const again = await client.call('generate', ask('cached', { cache: true }));
  expect([cached, again].map(({ structured }) => structured.cached as boolean)).toEqual([false, false]);
  for (const kept of [{ save_conversation: true }, { conversation_id: 'conv_019a0000-0000-7000-8000-000000000000' }]) {
    const refused = await client.call('generate', ask('saved', kept));
    expect(refused).toMatchObject({ isError: true, text: expect.stringContaining('STORE_CONTENT') });
  }
  const batch = await client.call('start_batch', { prompts: [asked], models: ['mistral/mistral-small-latest'] });
  expect(batch).toMatchObject({ isError: true, text: expect.stringContaining('STORE_CONTENT') });
  // Read once, by whoever comes back in time.
  const background = await client.call('generate', ask('behind', { background: true }));
  const jobId = background.structured.job_id as string;
  expect((await client.call('get_job', { job_id: jobId, wait_seconds: 20 })).text).toContain(answered);

  await expect.poll(() => findRedisPlaces(stack), ended).toEqual([]);
  await rewriteLog(stack);
  expect(await findPlaces(stack, [client.log()])).toEqual([]);

  // How they ended is known as before, and each call of the vendor is a row of the ledger, once.
  for (const id of ids) {
    const { status, error, generation, comparison, partialText } = await front.getJob(caller, id);
    expect({ generation, comparison, partialText }).toEqual({});
    expect(['succeeded', 'failed', 'cancelled']).toContain(status);
    expect(error === undefined).toBe(status === 'succeeded');
  }
  const late = await client.call('get_job', { job_id: jobId });
  expect(late).toMatchObject({ isError: false, text: expect.stringContaining('no longer kept') });
  const { ledger } = await stack.database();
  const rows = async () => (await ledger.summarize({ from: 0, to: Date.now() + 60_000 })).totals.calls;
  await expect.poll(rows, ended).toBe(stack.upstream.calls.length);
  expect(await stack.redis.client().zcard('{aimm}:unsettled')).toBe(0);
  // What was there to be found: the vendor was sent it, and its client was answered.
  expect(stack.upstream.bodies.every((body) => body.includes(asked))).toBe(true);
});

test('a worker that dies, and a comparison whose answers are still needed, keep theirs until they have ended', async () => {
  const { stack, front } = await openStack({ STORE_CONTENT: 'off', CONTENT_DELIVERY_SECONDS: '1' });
  const [first] = stack.workers;
  stack.upstream.behave(async (call, tools) => {
    // The other model's answer is needed for longer than it would be kept.
    if (call.model === 'mistral-large-latest' && call.number <= 2) await tools.held;
    tools.write(answered);
    tools.finish();
  });
  const { result } = await stack.compare(front, `compared ${asked}`, models);
  await stack.upstream.arrived(2);
  const quick = async () => (await stack.redis.client().zrange('{aimm}:mistral:completed', 0, '-1')).length;
  await expect.poll(quick, ended).toBe(1);
  const due = async () => stack.redis.client().zcard('{aimm}:content-left');
  await expect.poll(due, ended).toBe(1);
  await first?.end('SIGKILL');
  await stack.startWorker();
  expect((await result).entries.map((entry) => entry.result?.text)).toEqual([answered, answered]);
  await expect.poll(() => findRedisPlaces(stack), ended).toEqual([]);
});

test('STORE_CONTENT=on keeps them where docs/privacy.md says, so that the search above can find them', async () => {
  const { stack, front, client } = await openStack({ STORE_CONTENT: 'on', CONTENT_DELIVERY_SECONDS: '1' });
  stack.upstream.behave(echo);
  const plain = await stack.generate(front, `${asked} ${answered}`, {}, { stream: true });
  await plain.result;
  await client.call('generate', ask('saved', { save_conversation: true }));
  await client.call('generate', ask('cached', { cache: true }));
  const { conversations } = await stack.database();
  await expect.poll(async () => (await conversations.list({ limit: 1 })).length, ended).toBe(1);
  await rewriteLog(stack);
  const places = (await findPlaces(stack, [client.log()])).join('\n');
  for (const place of [`redis {aimm}:mistral:${plain.requestId}`, 'redis {aimm}:replies:', 'redis {aimm}:cache:'])
    expect(places).toContain(place);
  expect(places).toMatch(/aimm\.db/);
  expect(places).not.toMatch(/^log of/m);
});

async function findRedisPlaces(stack: FaultStack): Promise<string[]> {
  return (await findPlaces(stack, [])).filter((place) => place.startsWith('redis '));
}

/** Nothing but what is there now stays in the append-only file. */
async function rewriteLog(stack: FaultStack): Promise<void> {
  const redis = stack.redis.client();
  const underWay = async () => /aof_rewrite_(in_progress|scheduled):1/.test(await redis.info('persistence'));
  await expect.poll(underWay, ended).toBe(false);
  await redis.bgrewriteaof();
  await expect.poll(underWay, ended).toBe(false);
}
