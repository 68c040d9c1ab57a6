import { expect, test } from 'vitest';
import { caller } from '../support/asker.ts';
import { createFaultStack } from '../support/fault-stack.ts';
import { expectInvariants } from '../support/invariants.ts';
import { type Behaviour, echo } from '../support/upstream.ts';

/** A stack that answers each prompt's calls with these behaviours in turn, the last again and again; by its name where they differ. */
async function createBrokenStack(
  turns: readonly Behaviour[] | Readonly<Record<string, readonly Behaviour[]>>,
  provider: { attempts?: number; idleTimeoutMs?: number } = {},
) {
  // Failures of many kinds at once would set the provider aside, which is not what is asked here.
  const stack = await createFaultStack({ provider: { ...provider, cooldown: false } });
  const { upstream } = stack;
  const [front] = await Promise.all([stack.openFront(), stack.startWorker()]);
  const turnsOf = (prompt: string) =>
    isList(turns) ? turns : (Object.entries(turns).find(([name]) => prompt.includes(`"${name}"`))?.[1] ?? []);
  upstream.behave((call, tools) => {
    const earlier = upstream.calls.filter(({ prompt }) => prompt === call.prompt).length - 1;
    const own = turnsOf(call.prompt);
    return own[Math.min(earlier, own.length - 1)]?.(call, tools);
  });
  return { stack, front };
}
const isList = (turns: unknown): turns is readonly Behaviour[] => Array.isArray(turns);

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

const inTheMiddle = [
  { name: 'cut off', turn: truncate, errorCode: 'network' },
  { name: 'reset', turn: reset, errorCode: 'network' },
  { name: 'silent', turn: stall, errorCode: 'timeout' },
  { name: 'garbage', turn: garbage, errorCode: expect.stringMatching(/network|server_error/) },
];
const byName = (turnsOf: (turn: Behaviour) => Behaviour[], kinds: readonly { name: string; turn: Behaviour }[]) =>
  Object.fromEntries(kinds.map(({ name, turn }) => [name, turnsOf(turn)]));

test('an answer that is cut off, reset, silent or garbage from the middle on is asked for again where it may begin again, and what came is in the ledger as partial', async () => {
  const turns = byName((turn) => [turn, echo], inTheMiddle);
  const { stack, front } = await createBrokenStack(turns, { idleTimeoutMs: 700 });
  const ends = inTheMiddle.map(async ({ name, errorCode }) => {
    const asked = await stack.generate(front, `"${name}"`, { allowRestart: true }, { stream: true });
    expect(await asked.result).toMatchObject({ text: `echo: ${asked.prompt}`, calls: 2 });
    const kinds = asked.events.map(({ type }) => type).filter((type) => type !== 'queued');
    expect([name, ...kinds.slice(0, 5)]).toEqual([name, 'started', 'text', 'reset', 'waiting', 'started']);
    expect(asked.events.find(({ type }) => type === 'waiting')).toMatchObject({ why: 'retry' });
    return { name, requestId: asked.requestId, errorCode };
  });
  const ended = await Promise.all(ends);
  const rows = await expectInvariants(stack);
  for (const { requestId, errorCode } of ended)
    expect(rows.get(requestId)).toMatchObject([{ ...half, errorCode }, whole]);
});

test('an answer that breaks in the middle after its client was shown text is not asked for again', async () => {
  const kindsOfBreak = inTheMiddle.slice(0, 3);
  const turns = byName((turn) => [turn, echo], kindsOfBreak);
  const { stack, front } = await createBrokenStack(turns, { idleTimeoutMs: 700 });
  const ends = kindsOfBreak.map(async ({ name, errorCode }) => {
    const asked = await stack.generate(front, `"${name}"`, {}, { stream: true });
    await expect(asked.result).rejects.toMatchObject({
      code: errorCode,
      hint: expect.stringContaining('allow_restart'),
    });
    expect(asked.heard).toBe('half an answer');
    expect(asked.events.filter(({ type }) => type === 'reset')).toEqual([]);
    const view = await front.getJob(caller, asked.requestId);
    expect(view).toMatchObject({ status: 'failed', partialText: 'half an answer', error: { code: errorCode } });
    return { requestId: asked.requestId, errorCode };
  });
  const ended = await Promise.all(ends);
  const rows = await expectInvariants(stack);
  for (const { requestId, errorCode } of ended) expect(rows.get(requestId)).toMatchObject([{ ...half, errorCode }]);
});

test('a request that names another model goes on with it, though text was shown', async () => {
  const { stack, front } = await createBrokenStack([truncate, echo]);
  const fallbacks = ['mistral/mistral-large-latest'];
  const asked = await stack.generate(front, 'breaks, and has a fallback', { fallbacks }, { stream: true });
  expect(await asked.result).toMatchObject({ text: `echo: ${asked.prompt}`, model: 'mistral-large-latest' });
  const kinds = asked.events.map(({ type }) => type).filter((type) => type !== 'queued');
  expect(kinds.slice(0, 4)).toEqual(['started', 'text', 'reset', 'started']);
});

test('an answer that breaks every time fails after the configured attempts', async () => {
  const unseen = { status: 'failed', estimated: false };
  const kinds = [
    { name: 'cut off', turn: truncate, code: 'network', row: half },
    { name: 'reset before it begins', turn: refuseConnection, code: 'network', row: unseen },
    { name: 'a 500', turn: fail500, code: 'server_error', row: unseen },
    { name: 'silent', turn: stall, code: 'timeout', row: half },
  ];
  const turns = byName((turn) => [turn], kinds);
  const { stack, front } = await createBrokenStack(turns, { attempts: 2, idleTimeoutMs: 700 });
  const ends = kinds.map(async ({ name, code, row }) => {
    const asked = await stack.generate(front, `"${name}"`);
    await expect(asked.result).rejects.toMatchObject({ code, provider: 'mistral' });
    return { requestId: asked.requestId, row: { ...row, errorCode: code } };
  });
  const ended = await Promise.all(ends);
  const rows = await expectInvariants(stack);
  for (const { requestId, row } of ended) expect(rows.get(requestId)).toMatchObject([row, row]);
});

test('a 500 and a 529 are followed by another attempt', async () => {
  const overload: Behaviour = (_call, { fail }) => fail(529, { message: 'overloaded' }, { 'retry-after': '1' });
  const { stack, front } = await createBrokenStack({ broken: [fail500, echo], overloaded: [overload, echo] });
  const [broken, overloaded] = await Promise.all(
    ['broken', 'overloaded'].map((name) => stack.generate(front, `"${name}"`)),
  );
  for (const asked of [broken, overloaded])
    expect(await asked?.result).toMatchObject({ text: `echo: ${asked?.prompt}`, calls: 2 });
  const rows = await expectInvariants(stack);
  const rowsOf = (asked: typeof broken) => rows.get(asked?.requestId ?? '');
  expect(rowsOf(broken)).toMatchObject([{ status: 'failed', errorCode: 'server_error' }, whole]);
  expect(rowsOf(overloaded)).toMatchObject([{ status: 'failed', errorCode: 'overloaded' }, whole]);
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
  const waitedOut = ['0', '-5', 'soon', 'Wed, 21 Oct 2015 07:28:00 GMT'];
  const tooLong = ['1e99', '31536000'];
  const waits = [...waitedOut, ...tooLong];
  const { stack, front } = await createBrokenStack([
    (call, { fail }) => {
      const wait = waits.find((each) => call.prompt.includes(`"${each}"`));
      fail(429, { message: 'slow down' }, { 'retry-after': wait ?? '0' });
    },
    echo,
  ]);
  const ask = (wait: string) => stack.generate(front, `"${wait}"`, { timeoutMs: 30_000 });
  const short = await Promise.all(waitedOut.map(ask));
  for (const { result, prompt } of short) expect((await result).text).toBe(`echo: ${prompt}`);
  const long = await Promise.all(tooLong.map(ask));
  for (const { result } of long) await expect(result).rejects.toMatchObject({ code: 'rate_limited' });
  const asked = [...short, ...long];
  const rows = await expectInvariants(stack);
  for (const { requestId } of asked)
    expect(rows.get(requestId)?.[0]).toMatchObject({ status: 'failed', errorCode: 'rate_limited' });
});
