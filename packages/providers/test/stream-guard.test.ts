import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { guardCall, guardStream } from '../src/stream-guard.ts';

const limits = () => ({
  signal: new AbortController().signal,
  firstByteTimeoutMs: 5000,
  idleTimeoutMs: 5000,
  totalTimeoutMs: 5000,
});

/** An SDK's stream that ignores every signal. */
async function* deaf(...items: string[]) {
  yield* items;
  await new Promise(() => undefined);
}
async function* of(...items: string[]) {
  yield* items;
}

async function read(stream: AsyncIterable<string>): Promise<string[]> {
  const items: string[] = [];
  for await (const item of stream) items.push(item);
  return items;
}

describe('guardStream', () => {
  test('gives every event up to the end, those after the terminal marker too', async () => {
    let seen = 0;
    const stream = guardStream(
      async () => of('a', 'end', 'usage'),
      () => (seen += 1) >= 2,
      limits(),
    );
    expect(await read(stream)).toEqual(['a', 'end', 'usage']);
  });

  test('a stream without its terminal marker has failed', async () => {
    const stream = guardStream(
      async () => of('a'),
      () => false,
      limits(),
    );
    await expect(read(stream)).rejects.toMatchObject({ why: 'unfinished' });
  });

  test.each([
    ['first-byte', { firstByteTimeoutMs: 20 }, []],
    ['idle', { idleTimeoutMs: 20 }, ['a']],
    ['total', { totalTimeoutMs: 20 }, ['a']],
  ] as const)('an SDK that hears nothing cannot hold us past the %s limit', async (why, limit, items) => {
    let inner: AbortSignal | undefined;
    const open = async (signal: AbortSignal) => {
      inner = signal;
      return deaf(...items);
    };
    const stream = guardStream(open, () => false, { ...limits(), ...limit });
    await expect(read(stream)).rejects.toMatchObject({ why, afterMs: 20 });
    expect(inner?.aborted).toBe(true);
  });

  test('a model that reasons unseen has the longer time until it speaks, and no longer', async () => {
    const slow = async function* () {
      yield 'opened';
      await sleep(40);
      yield 'text';
      await new Promise(() => undefined);
    };
    let spoken = false;
    const times = { ...limits(), idleTimeoutMs: 10, firstByteTimeoutMs: 2000 };
    const stream = guardStream(
      async () => slow(),
      () => false,
      { ...times, hasBegun: () => spoken },
    );
    const items: string[] = [];
    const reading = (async () => {
      for await (const item of stream) {
        spoken ||= item === 'text';
        items.push(item);
      }
    })();
    await expect(reading).rejects.toMatchObject({ why: 'idle', afterMs: 10 });
    expect(items).toEqual(['opened', 'text']);

    const silent = guardStream(
      async () => deaf('opened'),
      () => false,
      { ...times, firstByteTimeoutMs: 30, hasBegun: () => false },
    );
    await expect(read(silent)).rejects.toMatchObject({ why: 'first-byte', afterMs: 30 });
  });

  test('a reader that takes its time is no silence of the vendor', async () => {
    const stream = guardStream(
      async () => of('a', 'b'),
      () => true,
      { ...limits(), idleTimeoutMs: 10 },
    );
    const items: string[] = [];
    for await (const item of stream) {
      items.push(item);
      await sleep(30);
    }
    expect(items).toEqual(['a', 'b']);
  });

  test('a failure after the terminal marker does not void a complete answer', async () => {
    const broken = async function* () {
      yield 'end';
      throw new TypeError('terminated');
    };
    expect(
      await read(
        guardStream(
          async () => broken(),
          () => true,
          limits(),
        ),
      ),
    ).toEqual(['end']);
  });

  test('leaves no listener on the signal of the caller', async () => {
    const { signal } = new AbortController();
    let listeners = 0;
    const add = signal.addEventListener.bind(signal);
    const remove = signal.removeEventListener.bind(signal);
    Object.assign(signal, {
      addEventListener: (...all: Parameters<typeof add>) => ((listeners += 1), add(...all)),
      removeEventListener: (...all: Parameters<typeof remove>) => ((listeners -= 1), remove(...all)),
    });
    await read(
      guardStream(
        async () => of('a'),
        () => true,
        { ...limits(), signal },
      ),
    );
    expect(listeners).toBe(0);
  });
});

describe('guardCall', () => {
  test('gives the result, or what was thrown', async () => {
    const { signal } = new AbortController();
    await expect(guardCall(async () => 7, { signal, timeoutMs: 100 })).resolves.toBe(7);
    const failing = guardCall(async () => Promise.reject(new RangeError('odd')), { signal, timeoutMs: 100 });
    await expect(failing).rejects.toThrow(RangeError);
  });

  test('ends with the caller’s signal and with its time', async () => {
    const never = () => new Promise<never>(() => undefined);
    const { signal } = new AbortController();
    await expect(guardCall(never, { signal, timeoutMs: 10 })).rejects.toMatchObject({ why: 'total' });
    await expect(guardCall(never, { signal: AbortSignal.abort(), timeoutMs: 100 })).rejects.toMatchObject({
      why: 'user',
    });
  });
});
