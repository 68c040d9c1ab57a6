import type { GenerateAsk, Manager, ProgressEvent } from '@aimm/manager';
import { expect, test } from 'vitest';
import { caller, toMessages } from '../support/asker.ts';
import { createFaultStack, type FaultStack } from '../support/fault-stack.ts';

const model = 'mistral/mistral-small-latest';
const quick = { timeout: 15_000, interval: 10 };

interface Listener {
  requestId: string;
  events: ProgressEvent[];
  /** What its client has before it, by its progress alone. */
  read(): string;
  resets(): number;
  end: Promise<unknown>;
}

/** Asks the same as all others here. `stream` false: its client wants no progress. */
async function listen(
  front: Manager,
  text: string,
  { stream = true, ...more }: Partial<GenerateAsk> & { stream?: boolean } = {},
): Promise<Listener> {
  const events: ProgressEvent[] = [];
  const ask: GenerateAsk = { model, settings: {}, cache: true, ...more, messages: toMessages(text) };
  const { requestId, result } = await front.generate(
    caller,
    ask,
    stream ? { onProgress: (event) => events.push(event) } : {},
  );
  const end = result.then(
    ({ text: answer, cached }) => ({ text: answer, cached }),
    ({ code }: { code: string }) => ({ code }),
  );
  return {
    requestId,
    events,
    read: () =>
      events.reduce((read, event) => {
        if (event.type === 'reset') return '';
        return event.type === 'text' ? read + event.text : read;
      }, ''),
    resets: () => events.filter(({ type }) => type === 'reset').length,
    end,
  };
}

/** Each call says what the test says next, piece by piece; `null` ends it, an Error breaks it. */
function dictate({ upstream }: FaultStack) {
  const pieces: { queue: (string | null | Error)[]; wake: () => void }[] = [];
  upstream.behave(async (call, { response, write, finish }) => {
    const own = { queue: [] as (string | null | Error)[], wake: () => undefined as void };
    pieces[call.number] = own;
    response.on('close', () => own.wake());
    while (!response.closed) {
      const next = own.queue.shift();
      if (next === undefined) await new Promise<void>((resolve) => (own.wake = resolve));
      else if (next === null) return finish();
      else if (next instanceof Error) return void response.destroy();
      else write(next);
    }
  });
  return (call: number, ...said: (string | null | Error)[]) => {
    const own = pieces[call];
    if (own === undefined) throw new Error(`there is no call ${call} yet`);
    own.queue.push(...said);
    own.wake();
  };
}

const reads = (listeners: Listener[]) => listeners.map((one) => one.read());

test('who waits for the call of another reads along with it, from the beginning, whenever and wherever it joined, whatever the other wants', async () => {
  const stack = await createFaultStack();
  const say = dictate(stack);
  const [one, other] = await Promise.all([stack.openFront(), stack.openFront(), stack.startWorker()]);
  const all = [await listen(one, 'read along')];
  await stack.upstream.arrived(1);
  all.push(await listen(one, 'read along'), await listen(other, 'read along'));
  say(1, 'It "was" ', 'a dark\n');
  await expect.poll(() => reads(all), quick).toEqual(Array(3).fill('It "was" a dark\n'));
  all.push(await listen(other, 'read along'), await listen(one, 'read along'));
  await expect.poll(() => reads(all), quick).toEqual(Array(5).fill('It "was" a dark\n'));
  say(1, 'and stormy 🌩 ', 'night.');
  const whole = 'It "was" a dark\nand stormy 🌩 night.';
  await expect.poll(() => reads(all), quick).toEqual(Array(5).fill(whole));
  say(1, null);
  expect(await Promise.all(all.map(({ end }) => end))).toEqual(
    all.map((_, index) => ({ text: whole, cached: index > 0 })),
  );
  expect(
    all.map((listener) => [listener.resets(), listener.events.filter(({ type }) => type === 'started').length]),
  ).toEqual(Array(5).fill([0, 1]));
  const redis = stack.redis.client();
  expect([...(await redis.keys('{aimm}:said:*')), ...(await redis.keys('{aimm}:listeners:*'))]).toEqual([]);

  // Who wants no progress makes the call for those who do, and is told none of it.
  const silent = await listen(one, 'for others', { stream: false });
  await stack.upstream.arrived(2);
  say(2, 'said ');
  const reading = await listen(one, 'for others');
  say(2, 'by and by');
  await expect.poll(() => reading.read(), quick).toBe('said by and by');
  say(2, null);
  expect(await Promise.all([silent.end, reading.end])).toEqual([
    { text: 'said by and by', cached: false },
    { text: 'said by and by', cached: true },
  ]);
  expect(silent.events).toEqual([]);

  // Of a very long answer no more than 64 KiB are kept for those who join late: they are told its end.
  const longOnes = [await listen(one, 'long')];
  await stack.upstream.arrived(3);
  longOnes.push(await listen(one, 'long'));
  const page = 'x'.repeat(1_000);
  for (let index = 0; index < 100; index += 1) say(3, page);
  const long = page.repeat(100);
  await expect.poll(() => reads(longOnes).map((text) => text.length), quick).toEqual([long.length, long.length]);
  expect(await redis.keys('{aimm}:said:*')).toEqual([]);
  const late = await listen(one, 'long');
  say(3, '!', null);
  expect(await Promise.all([...longOnes, late].map(({ end }) => end))).toEqual(
    [false, true, true].map((cached) => ({ text: `${long}!`, cached })),
  );
  expect(late.read()).toBe('');
  expect(reads(longOnes)).toEqual(Array(2).fill(`${long}!`));
});

test('when the worker that makes the call is killed, or who made it cancels, those who read along are told to begin anew', async () => {
  const stack = await createFaultStack();
  const say = dictate(stack);
  const [one, other, doomed] = await Promise.all([stack.openFront(), stack.openFront(), stack.startWorker()]);
  const all = [await listen(one, 'anew')];
  await stack.upstream.arrived(1);
  all.push(await listen(one, 'anew'), await listen(other, 'anew'));
  say(1, 'lost ');
  await expect.poll(() => reads(all), quick).toEqual(Array(3).fill('lost '));
  await doomed.end('SIGKILL');
  await stack.startWorker();
  await stack.upstream.arrived(2);
  say(2, 'second ');
  await expect.poll(() => reads(all), quick).toEqual(Array(3).fill('second '));
  expect(all.map((listener) => listener.resets())).toEqual([1, 1, 1]);

  const [leader, ...others] = all;
  await one.cancelJob(caller, leader?.requestId ?? '');
  expect(await leader?.end).toEqual({ code: 'cancelled' });
  await stack.upstream.arrived(3);
  say(3, 'third ');
  await expect.poll(() => reads(others), quick).toEqual(Array(2).fill('third '));
  others.push(await listen(one, 'anew'));
  say(3, 'time', null);
  expect(await Promise.all(others.map(({ end }) => end))).toEqual(
    [false, true, true].map((cached) => ({ text: 'third time', cached })),
  );
  expect(reads(others)).toEqual(Array(3).fill('third time'));
  expect(others.map((listener) => listener.resets())).toEqual([2, 2, 0]);
});

test('when the call breaks, it goes on for those who allow that, and has ended for those who were shown its text and do not', async () => {
  const stack = await createFaultStack({ provider: { attempts: 3, cooldown: false } });
  const say = dictate(stack);
  const [one, other] = await Promise.all([stack.openFront(), stack.openFront(), stack.startWorker()]);
  const leader = await listen(one, 'breaks', { allowRestart: true });
  await stack.upstream.arrived(1);
  const [strict, lenient] = [await listen(other, 'breaks'), await listen(other, 'breaks', { allowRestart: true })];
  const silent = await listen(one, 'breaks', { stream: false });
  const all = [leader, strict, lenient];
  say(1, 'half ');
  await expect.poll(() => reads(all), quick).toEqual(Array(3).fill('half '));
  say(1, new Error('broken'));
  expect(await strict.end).toEqual({ code: 'network' });
  expect(await other.getJob(caller, strict.requestId)).toMatchObject({ status: 'failed', error: { code: 'network' } });
  await stack.upstream.arrived(2);
  say(2, 'whole', null);
  expect(await Promise.all([leader.end, lenient.end, silent.end])).toEqual(
    [false, true, true].map((cached) => ({ text: 'whole', cached })),
  );
  expect(strict.read()).toBe('half ');
  expect([lenient.read(), lenient.resets(), silent.events]).toEqual(['whole', 1, []]);

  // Who made the call and was shown its text ends with it; another makes it for those who allow that.
  const made = await listen(one, 'breaks, too');
  await stack.upstream.arrived(3);
  const others = [
    await listen(other, 'breaks, too'),
    await listen(other, 'breaks, too', { allowRestart: true }),
  ] as const;
  const [strictOne, lenientOne] = others;
  say(3, 'half ');
  await expect.poll(() => reads([made, strictOne, lenientOne]), quick).toEqual(Array(3).fill('half '));
  say(3, new Error('broken'));
  expect(await Promise.all([made.end, strictOne.end])).toEqual([{ code: 'network' }, { code: 'network' }]);
  await stack.upstream.arrived(4);
  say(4, 'whole', null);
  expect(await lenientOne.end).toEqual({ text: 'whole', cached: false });
  expect([lenientOne.read(), lenientOne.resets()]).toEqual(['whole', 1]);

  const strictOnes = [await listen(one, 'breaks for all')];
  await stack.upstream.arrived(5);
  strictOnes.push(await listen(other, 'breaks for all'));
  say(5, 'half ');
  await expect.poll(() => reads(strictOnes), quick).toEqual(Array(2).fill('half '));
  say(5, new Error('broken'));
  expect(await Promise.all(strictOnes.map(({ end }) => end))).toEqual([{ code: 'network' }, { code: 'network' }]);
  expect(stack.upstream.calls).toHaveLength(5);
});
