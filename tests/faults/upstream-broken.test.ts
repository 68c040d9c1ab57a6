import { expect, test } from 'vitest';
import { caller } from '../support/asker.ts';
import { createFaultStack } from '../support/fault-stack.ts';
import { expectInvariants } from '../support/invariants.ts';
import { type Behaviour, echo } from '../support/upstream.ts';

/** A stack that answers each prompt's calls with these behaviours in turn, the last again and again. */
async function createBrokenStack(
  turns: readonly Behaviour[],
  provider: { attempts?: number; idleTimeoutMs?: number } = {},
) {
  const stack = await createFaultStack({ provider });
  const { upstream } = stack;
  const [front] = await Promise.all([stack.openFront(), stack.startWorker()]);
  upstream.behave((call, tools) => {
    const earlier = upstream.calls.filter(({ prompt }) => prompt === call.prompt).length - 1;
    return turns[Math.min(earlier, turns.length - 1)]?.(call, tools);
  });
  return { stack, front };
}

const truncate: Behaviour = (_call, { write, response }) => {
  write('half an answer');
  response.end();
};
const reset: Behaviour = (_call, { write, response }) => {
  write('half an answer');
  setImmediate(() => response.socket?.resetAndDestroy());
};
const stall: Behaviour = (_call, { write, held }) => {
  write('half an answer');
  return held;
};
const garbage: Behaviour = (_call, { write, response }) => {
  write('half an answer');
  response.end('data: {"choices": [{"de\u0000\ufffd\n\ndata: <html>\n\n');
};
const refuseConnection: Behaviour = (_call, { response }) => void response.socket?.resetAndDestroy();
const fail500: Behaviour = (_call, { fail }) => fail(500, { message: 'broken' });
const askToWait: Behaviour = (_call, { fail }) => fail(429, { message: 'slow down' }, { 'retry-after': '1' });

const half = { status: 'partial', estimated: true, inputTokens: expect.any(Number), outputTokens: expect.any(Number) };
const whole = { status: 'succeeded', estimated: false, inputTokens: 10, outputTokens: 5 };

test.each([
  { name: 'cut off in the middle', turn: truncate, errorCode: 'network' },
  { name: 'reset in the middle', turn: reset, errorCode: 'network' },
  { name: 'silent in the middle', turn: stall, errorCode: 'timeout' },
  { name: 'garbage from the middle on', turn: garbage, errorCode: expect.stringMatching(/network|server_error/) },
])(
  'an answer that is $name is asked for again where it may begin again, and what came is in the ledger as partial',
  async ({ turn, errorCode }) => {
    const { stack, front } = await createBrokenStack([turn, echo], { idleTimeoutMs: 700 });
    const asked = await stack.generate(front, 'breaks once', { allowRestart: true }, { stream: true });
    expect(await asked.result).toMatchObject({ text: `echo: ${asked.prompt}`, calls: 2 });
    const kinds = asked.events.map(({ type }) => type).filter((type) => type !== 'queued');
    expect(kinds.slice(0, 5)).toEqual(['started', 'text', 'reset', 'waiting', 'started']);
    expect(asked.events.find(({ type }) => type === 'waiting')).toMatchObject({ why: 'retry' });
    const rows = await expectInvariants(stack);
    expect(rows.get(asked.requestId)).toMatchObject([{ ...half, errorCode }, whole]);
  },
);

test.each([
  { name: 'cut off in the middle', turn: truncate, code: 'network' },
  { name: 'reset in the middle', turn: reset, code: 'network' },
  { name: 'silent in the middle', turn: stall, code: 'timeout' },
])('an answer that is $name after its client was shown text is not asked for again', async ({ turn, code }) => {
  const { stack, front } = await createBrokenStack([turn, echo], { idleTimeoutMs: 700 });
  const asked = await stack.generate(front, 'breaks before its reader', {}, { stream: true });
  await expect(asked.result).rejects.toMatchObject({ code, hint: expect.stringContaining('allow_restart') });
  expect(asked.heard).toBe('half an answer');
  expect(asked.events.filter(({ type }) => type === 'reset')).toEqual([]);
  const view = await front.getJob(caller, asked.requestId);
  expect(view).toMatchObject({ status: 'failed', partialText: 'half an answer', error: { code } });
  const rows = await expectInvariants(stack);
  expect(rows.get(asked.requestId)).toMatchObject([{ ...half, errorCode: code }]);
});

test('a request that names another model goes on with it, though text was shown', async () => {
  const { stack, front } = await createBrokenStack([truncate, echo]);
  const fallbacks = ['mistral/mistral-large-latest'];
  const asked = await stack.generate(front, 'breaks, and has a fallback', { fallbacks }, { stream: true });
  expect(await asked.result).toMatchObject({ text: `echo: ${asked.prompt}`, model: 'mistral-large-latest' });
  const kinds = asked.events.map(({ type }) => type).filter((type) => type !== 'queued');
  expect(kinds.slice(0, 4)).toEqual(['started', 'text', 'reset', 'started']);
});

test.each([
  { name: 'cut off', turn: truncate, code: 'network', row: half },
  {
    name: 'reset before it begins',
    turn: refuseConnection,
    code: 'network',
    row: { status: 'failed', estimated: false },
  },
  { name: 'a 500', turn: fail500, code: 'server_error', row: { status: 'failed', estimated: false } },
  { name: 'silent in the middle', turn: stall, code: 'timeout', row: half },
])('an answer that is $name every time fails after the configured attempts', async ({ turn, code, row }) => {
  const { stack, front } = await createBrokenStack([turn], { attempts: 2, idleTimeoutMs: 700 });
  const asked = await stack.generate(front, 'breaks twice');
  await expect(asked.result).rejects.toMatchObject({ code, provider: 'mistral' });
  const rows = await expectInvariants(stack);
  expect(rows.get(asked.requestId)).toMatchObject([
    { ...row, errorCode: code },
    { ...row, errorCode: code },
  ]);
});

test('a 500 is followed by another attempt', async () => {
  const { stack, front } = await createBrokenStack([fail500, echo]);
  const asked = await stack.generate(front, 'broken once');
  expect(await asked.result).toMatchObject({ text: `echo: ${asked.prompt}`, calls: 2 });
  const rows = await expectInvariants(stack);
  expect(rows.get(asked.requestId)).toMatchObject([{ status: 'failed', errorCode: 'server_error' }, whole]);
});

test('a 429 is waited out, costs no attempt and holds the others back too', async () => {
  const { stack, front } = await createBrokenStack([askToWait, askToWait, echo], { attempts: 1 });
  const asked = await stack.generate(front, 'told to wait twice', {}, { stream: true });
  expect(await asked.result).toMatchObject({ text: `echo: ${asked.prompt}`, calls: 3 });
  expect(asked.events.filter(({ type }) => type === 'waiting')).toHaveLength(2);
  const arrivals = stack.upstream.calls.map(({ arrivedAt }) => arrivedAt);
  const pauses = arrivals.slice(1).map((at, index) => at - (arrivals[index] ?? 0));
  expect(Math.min(...pauses)).toBeGreaterThanOrEqual(1_000);
  const rows = await expectInvariants(stack);
  expect(rows.get(asked.requestId)).toMatchObject([
    { status: 'failed', errorCode: 'rate_limited' },
    { status: 'failed', errorCode: 'rate_limited' },
    whole,
  ]);
});

test('a 429 that asks to wait for nonsense, for no time or for a year is waited out, or ends the request in time', async () => {
  const waits = ['0', '-5', 'soon', 'Wed, 21 Oct 2015 07:28:00 GMT', '1e99', '31536000'];
  const { stack, front } = await createBrokenStack([
    (call, { fail }) => {
      const wait = waits.find((each) => call.prompt.includes(`"${each}"`));
      fail(429, { message: 'slow down' }, { 'retry-after': wait ?? '0' });
    },
    echo,
  ]);
  const asked = await Promise.all(waits.map((wait) => stack.generate(front, `"${wait}"`, { timeoutMs: 30_000 })));
  const ends = asked.map(({ result, prompt }) =>
    result.then(
      ({ text }) => text === `echo: ${prompt}`,
      ({ code }: { code: string }) => code === 'rate_limited',
    ),
  );
  expect(await Promise.all(ends)).toEqual(waits.map(() => true));
  const rows = await expectInvariants(stack);
  for (const { requestId } of asked)
    expect(rows.get(requestId)?.[0]).toMatchObject({ status: 'failed', errorCode: 'rate_limited' });
});
