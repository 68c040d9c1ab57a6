import type { Logger } from './logger.ts';

type Closer = { name: string; close: () => unknown };

/** Closes what a process holds, last opened first, on SIGTERM, SIGINT or by hand; once. */
export interface Shutdown {
  /** Runs at the end, before everything added earlier. */
  add(name: string, close: Closer['close']): void;
  /** Closes everything and resolves; never rejects. */
  run(reason: string): Promise<void>;
  readonly signal: AbortSignal;
}

export interface ShutdownOptions {
  logger: Logger;
  /** The process leaves with code 1 when its closers take longer. */
  graceMs: number;
  /** Signals to obey; tests pass none. */
  signals?: readonly NodeJS.Signals[];
}

export function createShutdown({ logger, graceMs, signals = ['SIGTERM', 'SIGINT'] }: ShutdownOptions): Shutdown {
  const closers: Closer[] = [];
  const controller = new AbortController();
  let running: Promise<void> | undefined;

  const closeAll = async (reason: string) => {
    logger.debug({ reason }, 'Shutting down');
    controller.abort(new Error(reason));
    for (const { name, close } of closers.toReversed()) {
      try {
        await close();
      } catch (error) {
        logger.warn({ err: error, closer: name }, 'Closing failed');
      }
    }
  };

  const shutdown: Shutdown = {
    signal: controller.signal,
    add: (name, close) => void closers.push({ name, close }),
    run: (reason) => (running ??= closeAll(reason)),
  };

  for (const signal of signals) {
    process.on(signal, () => {
      if (running !== undefined) return;
      setTimeout(() => {
        logger.error({ graceMs }, 'Shutdown took too long');
        process.exit(1);
      }, graceMs).unref();
      void shutdown.run(signal).then(() => process.exit(0));
    });
  }
  return shutdown;
}

/** Logs what nobody caught and leaves: a process in an unknown state must not go on making paid calls. */
export function exitOnUncaught(logger: Logger): void {
  for (const event of ['uncaughtException', 'unhandledRejection'] as const) {
    process.on(event, (error: unknown) => {
      logger.fatal({ err: error, event }, 'Uncaught error');
      process.exit(70);
    });
  }
}
