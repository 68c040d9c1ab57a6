import { inspect } from 'node:util';
import { expect, test } from 'vitest';
import { caller, operator } from '../support/asker.ts';
import { createFaultStack } from '../support/fault-stack.ts';
import { expectInvariants } from '../support/invariants.ts';
import { findLeaks, plantKey, readEverything } from '../support/planted.ts';
import { echo } from '../support/upstream.ts';

function plantKeys() {
  const shapes = {
    OPENAI_API_KEY: 'sk-proj-',
    ANTHROPIC_API_KEY: 'sk-ant-api03-',
    GOOGLE_API_KEY: 'AIzaSy',
    MISTRAL_API_KEY: '',
    OLLAMA_API_KEY: 'ollama-',
  };
  return Object.entries(shapes).map(([variable, prefix]) => ({ variable, ...plantKey(prefix) }));
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
  await collect(front.health(operator, { deep: true }));
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
  expect(findLeaks(places, keys)).toEqual([]);
});
