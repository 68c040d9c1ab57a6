/** Why a guarded call ended other than by itself. Worded and coded by the adapter, which knows provider and model. */
export class GuardStop extends Error {
  override readonly name = 'GuardStop';
  readonly why: 'user' | 'first-byte' | 'idle' | 'total' | 'unfinished';
  /** The time that ran out, in milliseconds. */
  readonly afterMs: number;

  constructor(why: GuardStop['why'], afterMs = 0) {
    super(`stopped: ${why}`);
    this.why = why;
    this.afterMs = afterMs;
  }
}

export interface GuardOptions {
  /** The user's or the queue's. */
  signal: AbortSignal;
  firstByteTimeoutMs: number;
  idleTimeoutMs: number;
  totalTimeoutMs: number;
  /** Whether the answer itself has begun; by default with the first event. */
  hasBegun?: () => boolean;
}

/** Given as the reason at every end: a controller aborted without one makes a DOMException with its stack each time. */
const over = new GuardStop('unfinished');

/** After the terminal marker only counts may follow: a server that then keeps the line open has still answered. */
const afterEndMs = 5_000;

/**
 * Runs one vendor stream to its end. SDKs end a stream silently when it is aborted, cut off or was never one, and some
 * leave the socket open when the consumer leaves; so the guard keeps its own controller and remembers why it stopped,
 * asks `isComplete` whether the terminal marker came, and aborts in every case at the end.
 *
 * @param open starts the call; its signal must end the request and the socket
 * @throws GuardStop when stopped or incomplete; else what the SDK threw
 */
export async function* guardStream<Event>(
  open: (signal: AbortSignal) => Promise<AsyncIterable<Event>>,
  isComplete: () => boolean,
  options: GuardOptions,
): AsyncGenerator<Event, void, undefined> {
  const controller = new AbortController();
  const stopped = Promise.withResolvers<never>();
  stopped.promise.catch(() => undefined);
  let stop: GuardStop | undefined;
  const end = (why: GuardStop['why'], afterMs = 0) => {
    stop ??= new GuardStop(why, afterMs);
    controller.abort(stop);
    stopped.reject(stop);
  };
  /** Waits for `work` no longer than `ms`: an SDK that ignores the abort cannot hold us. */
  const within = async <T>(work: Promise<T>, ms: number, why: GuardStop['why'], limitMs = ms): Promise<T> => {
    work.catch(() => undefined);
    const timer = setTimeout(end, ms, why, limitMs);
    try {
      return await Promise.race([work, stopped.promise]);
    } finally {
      clearTimeout(timer);
    }
  };

  /** A model that reasons unseen is silent for minutes after its first event: until it speaks it has the longer time. */
  const patience = (): { ms: number; why: 'first-byte' | 'idle' } => {
    const { idleTimeoutMs, firstByteTimeoutMs } = options;
    if (isComplete()) return { ms: Math.min(idleTimeoutMs, afterEndMs), why: 'idle' };
    const waits = options.hasBegun?.() === false && firstByteTimeoutMs > idleTimeoutMs;
    return waits ? { ms: firstByteTimeoutMs, why: 'first-byte' } : { ms: idleTimeoutMs, why: 'idle' };
  };

  const onAbort = () => end('user');
  options.signal.addEventListener('abort', onAbort, { once: true });
  const total = setTimeout(end, options.totalTimeoutMs, 'total', options.totalTimeoutMs);
  let iterator: AsyncIterator<Event> | undefined;
  try {
    if (options.signal.aborted) end('user');
    if (stop !== undefined) throw stop;
    const firstByteAt = Date.now() + options.firstByteTimeoutMs;
    const events = await within(open(controller.signal), options.firstByteTimeoutMs, 'first-byte');
    iterator = events[Symbol.asyncIterator]();
    const leftMs = Math.max(1, firstByteAt - Date.now());
    let next = await within(iterator.next(), leftMs, 'first-byte', options.firstByteTimeoutMs);
    while (!next.done) {
      yield next.value;
      const { ms, why } = patience();
      next = await within(iterator.next(), ms, why);
    }
    if (stop !== undefined) throw stop;
    if (!isComplete()) throw new GuardStop('unfinished');
  } catch (error) {
    if (!isComplete() || stop?.why === 'user') throw stop ?? error;
  } finally {
    clearTimeout(total);
    options.signal.removeEventListener('abort', onAbort);
    controller.abort(over);
    iterator?.return?.()?.catch(() => undefined);
  }
}

/**
 * Runs one plain call under a time limit and the user's signal.
 *
 * @throws GuardStop when stopped; else what the call threw
 */
export async function guardCall<T>(
  work: (signal: AbortSignal) => Promise<T>,
  { signal, timeoutMs }: { signal: AbortSignal; timeoutMs: number },
): Promise<T> {
  let finished = false;
  const once = async function* (inner: AbortSignal) {
    const result = await work(inner);
    finished = true;
    yield result;
  };
  // One limit, and one that is told: the others lie beyond it.
  const beyondMs = 2 * timeoutMs;
  const limits = { firstByteTimeoutMs: beyondMs, idleTimeoutMs: beyondMs, totalTimeoutMs: timeoutMs };
  const results = guardStream(
    (inner) => Promise.resolve(once(inner)),
    () => finished,
    { signal, ...limits },
  );
  for await (const result of results) return result;
  throw new GuardStop('unfinished');
}
