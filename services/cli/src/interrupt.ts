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

/**
 * Runs what can be cancelled: the first Ctrl-C (or SIGTERM) aborts its signal and says so on stderr, the second leaves at once.
 * @throws Interrupted where it was aborted, in place of what `work` then threw
 */
export async function withInterrupt<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  let received: 'SIGINT' | 'SIGTERM' | undefined;
  const onSignal = (signal: NodeJS.Signals) => {
    const known = signal === 'SIGTERM' ? signal : 'SIGINT';
    if (received !== undefined) process.exit(exitCodes[known]);
    received = known;
    process.stderr.write('\nCancelling the request. Ctrl-C again leaves at once.\n');
    controller.abort();
  };
  process.on('SIGINT', onSignal).on('SIGTERM', onSignal);
  try {
    return await work(controller.signal);
  } catch (error) {
    if (received === undefined) throw error;
    throw new Interrupted(received, 'Cancelled.');
  } finally {
    process.off('SIGINT', onSignal).off('SIGTERM', onSignal);
  }
}
