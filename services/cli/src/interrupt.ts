/** Ends a command because somebody pressed Ctrl-C, or sent SIGTERM; nothing more is to be said. */
export class Interrupted extends Error {
  override name = 'Interrupted';
  readonly exitCode: number;

  constructor(signal: 'SIGINT' | 'SIGTERM', message = 'Interrupted.') {
    super(message);
    this.exitCode = exitCodes[signal];
  }
}

export const exitCodes = { SIGINT: 130, SIGTERM: 143 } as const;

/** One key press comes twice where the terminal signals us and so does whoever started us (npm over bash, a Node below ours). */
const samePressMs = 500;

/**
 * Tells of Ctrl-C and SIGTERM: `onFirst` at the first, `onAgain` at each that is another key press. Gives back how to stop
 * listening; what still belongs to the first press ends nobody meanwhile.
 */
export function listenForInterrupt(
  onFirst: (signal: 'SIGINT' | 'SIGTERM') => void,
  onAgain: (signal: 'SIGINT' | 'SIGTERM') => void = () => undefined,
): () => void {
  let pressedAt: number | undefined;
  const onSignal = (signal: NodeJS.Signals) => {
    const known = signal === 'SIGTERM' ? signal : 'SIGINT';
    if (pressedAt === undefined) {
      pressedAt = performance.now();
      onFirst(known);
    } else if (performance.now() - pressedAt > samePressMs) onAgain(known);
  };
  const stop = () => void process.off('SIGINT', onSignal).off('SIGTERM', onSignal);
  process.on('SIGINT', onSignal).on('SIGTERM', onSignal);
  return () => {
    const restMs = pressedAt === undefined ? 0 : pressedAt + samePressMs - performance.now();
    if (restMs > 0) setTimeout(stop, restMs).unref();
    else stop();
  };
}

/**
 * Runs what can be cancelled: the first Ctrl-C (or SIGTERM) aborts its signal and says so on stderr, the second leaves at once.
 * @throws Interrupted where it was aborted, in place of what `work` then threw
 */
export async function withInterrupt<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  let received: 'SIGINT' | 'SIGTERM' | undefined;
  const stop = listenForInterrupt(
    (signal) => {
      received = signal;
      process.stderr.write('\nCancelling the request. Ctrl-C again leaves at once.\n');
      controller.abort();
    },
    (signal) => process.exit(exitCodes[signal]),
  );
  try {
    return await work(controller.signal);
  } catch (error) {
    if (received === undefined) throw error;
    throw new Interrupted(received, 'Cancelled.');
  } finally {
    stop();
  }
}
