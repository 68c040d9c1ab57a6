import { randomBytes } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { inspect } from 'node:util';
import type { Redis } from 'ioredis';
import { expect, test } from 'vitest';
import { caller } from '../support/asker.ts';
import { createFaultStack, type FaultStack } from '../support/fault-stack.ts';
import { expectInvariants } from '../support/invariants.ts';
import { echo } from '../support/upstream.ts';

const fragmentLength = 12;
const fragment = () => randomBytes(fragmentLength).toString('hex').slice(0, fragmentLength);

/** Any of a key's fragments gives it away: extracts may be cut off in the middle of it. */
function plantKeys() {
  const shapes = {
    OPENAI_API_KEY: 'sk-proj-',
    ANTHROPIC_API_KEY: 'sk-ant-api03-',
    GOOGLE_API_KEY: 'AIzaSy',
    MISTRAL_API_KEY: '',
    OLLAMA_API_KEY: 'ollama-',
  };
  return Object.entries(shapes).map(([variable, prefix]) => {
    const fragments = [fragment(), fragment(), fragment()];
    return { variable, key: prefix + fragments.join(''), fragments };
  });
}

const keysThatAreSent = ['OPENAI_API_KEY', 'ANTHROPIC_API_KEY', 'GOOGLE_API_KEY', 'MISTRAL_API_KEY'];
const models = [
  'openai/gpt-6-luna',
  'anthropic/claude-haiku-5-5',
  'google/gemini-3.5-flash-lite',
  'mistral/mistral-small-latest',
  'ollama/llama3.2',
];

/** Starts everything with planted keys, and collects whatever the manager gives out. */
async function createPlantedStack() {
  const keys = plantKeys();
  const baseUrls = ['OPENAI', 'ANTHROPIC', 'GOOGLE', 'OLLAMA'].map((vendor) => `${vendor}_BASE_URL`);
  const stack = await createFaultStack({
    env: {
      ...Object.fromEntries(keys.map(({ variable, key }) => [variable, key])),
      LOG_LEVEL: 'trace',
      // What the vendors' own SDKs print when they are asked to.
      OPENAI_LOG: 'debug',
      ANTHROPIC_LOG: 'debug',
      MISTRAL_DEBUG: 'true',
    },
  });
  const endpoints = Object.fromEntries(baseUrls.map((variable) => [variable, stack.upstream.url]));
  const [front] = await Promise.all([stack.openFront(), stack.startWorker(endpoints)]);
  const given: string[] = [];
  const collect = async (answer: Promise<unknown>) => {
    const settled = await answer.catch((error: unknown) => error);
    given.push(JSON.stringify(settled), inspect(settled, { depth: 20, showHidden: true }));
    return settled;
  };
  return { stack, front, keys, given, collect };
}

async function readEverything(stack: FaultStack, given: readonly string[]): Promise<Map<string, string>> {
  const places = new Map<string, string>([['manager', given.join('\n')]]);
  for (const worker of stack.workers) places.set(`log of worker ${worker.pid}`, worker.log());
  const files = await readdir(stack.dir, { recursive: true, withFileTypes: true });
  for (const file of files.filter((entry) => entry.isFile())) {
    const path = join(file.parentPath, file.name);
    places.set(path.slice(stack.dir.length), await readFile(path, 'latin1'));
  }
  const redis = stack.redis.client();
  for (const key of await redis.keys('*')) places.set(`redis ${key}`, `${key} ${await readValue(redis, key)}`);
  return places;
}

/** As it is: a dump may be compressed. */
async function readValue(redis: Redis, key: string): Promise<string> {
  switch (await redis.type(key)) {
    case 'string':
      return (await redis.get(key)) ?? '';
    case 'hash':
      return JSON.stringify(await redis.hgetall(key));
    case 'list':
      return JSON.stringify(await redis.lrange(key, 0, -1));
    case 'set':
      return JSON.stringify(await redis.smembers(key));
    case 'zset':
      return JSON.stringify(await redis.zrange(key, 0, '-1'));
    case 'stream':
      return JSON.stringify(await redis.xrange(key, '-', '+'));
    default:
      return '';
  }
}

test('keys are nowhere but in the worker: not in Redis, database, logs, results, errors or health', async () => {
  const { stack, front, keys, given, collect } = await createPlantedStack();
  const { upstream } = stack;
  await collect((await stack.generate(front, 'answered')).result);

  // A vendor that tells whoever reads its errors all that it was sent, again and again.
  const seen: string[] = [];
  upstream.behave((call, { fail }) => {
    const sent = `${call.path} ${JSON.stringify(call.headers)}`;
    seen.push(sent);
    const message = `${keys
      .map(({ key }) => `Incorrect API key provided: ${key}. `)
      .join('')
      .repeat(20)} ${sent}`;
    fail(401, { type: 'error', error: { type: 'authentication_error', code: 'x', message }, message, detail: sent });
  });
  for (const model of models) {
    const { result } = await stack.generate(front, `refused by ${model}`, { model });
    expect(await collect(result)).toMatchObject({ code: 'authentication' });
  }
  const comparison = await stack.compare(front, 'refused by all', models);
  await collect(comparison.result);
  given.push(JSON.stringify(comparison.events));

  upstream.behave((call, { fail }) => {
    fail(500, { message: `broken: ${JSON.stringify(call.headers)}` });
  });
  await collect((await stack.generate(front, 'broken')).result);
  upstream.behave(echo);

  for (const { requestId } of [...stack.generations, ...stack.comparisons])
    await collect(front.getJob(caller, requestId));
  await collect(front.listProviders());
  await collect(front.health({ deep: true }));
  await collect(front.listModels({ refresh: true }));
  await collect(front.usage(caller, { from: 0, to: Date.now() + 1_000, groupBy: 'model' }));
  await expectInvariants(stack);

  // The keys were sent where they belong, so there was something to leak.
  const sent = keys.filter(({ key }) => seen.some((request) => request.includes(key))).map(({ variable }) => variable);
  expect(sent).toEqual(expect.arrayContaining(keysThatAreSent));
  const places = await readEverything(stack, given);
  // The id of a request that failed is in all of them, so they were read.
  const holding = [...places].filter(([, content]) => content.includes(stack.generations[1]?.requestId ?? 'none'));
  const read = [/^manager$/, /^log of worker/, /aimm\.db/, /appendonly.*incr/, /^redis {aimm}:openai:gen_/];
  expect(read.filter((kind) => !holding.some(([place]) => kind.test(place)))).toEqual([]);
  const leaks = [...places].flatMap(([place, content]) =>
    keys
      .filter(({ fragments }) => fragments.some((part) => content.includes(part)))
      .map(({ variable, fragments }) => {
        const at = Math.min(...fragments.map((part) => content.indexOf(part)).filter((index) => index >= 0));
        return `${variable} in ${place}: …${content.slice(Math.max(0, at - 200), at + 60)}…`;
      }),
  );
  expect(leaks).toEqual([]);
});
