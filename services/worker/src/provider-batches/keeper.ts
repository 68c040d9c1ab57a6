import { toModelManagerError } from '@aimm/contracts';
import type { SubmissionChange } from '@aimm/database';
import { fillSubmissions } from './fill-submissions.ts';
import { follow } from './follow.ts';
import { defaultPace, type ProviderBatchOptions, type StepContext } from './keeper-options.ts';
import { nextTryAt } from './next-try.ts';
import { submit } from './submit.ts';

export interface ProviderBatchKeeper {
  /** Does all that is due now: prepares, submits, asks after, collects. One at a time. */
  tick(): Promise<void>;
  /** Begins to do so by itself. */
  start(): void;
  /** Ends what is under way; whoever comes next goes on from the database. */
  close(): Promise<void>;
}

/**
 * Brings the generations of columns that go to vendors' batch APIs there, and back. All it knows is in the database: any worker
 * that serves the provider goes on where another was stopped.
 */
export function createProviderBatchKeeper(options: ProviderBatchOptions): ProviderBatchKeeper {
  const { providers, logger, owner, now = Date.now } = options;
  const pace = { ...defaultPace, ...options.pace };
  const closing = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  let running: Promise<void> | undefined;
  let nextSweepAt = 0;
  const told = new Map<string, string>();

  async function work(): Promise<void> {
    const database = await options.database();
    const context: StepContext = { ...options, database, pace, now, signal: closing.signal };
    const served = providers.configs().map(({ id }) => id);
    const sweeps = now() >= nextSweepAt;
    try {
      await fillSubmissions({ ...context, told }, served, { sweeps });
      if (sweeps) nextSweepAt = now() + pace.sweepEveryMs;
    } finally {
      // What is at vendors ends there, whether or not more can be prepared.
      while (!closing.signal.aborted && (await step(context, served)));
    }
  }

  /** False where nothing is due. */
  async function step(context: StepContext, served: readonly string[]): Promise<boolean> {
    const { batchSubmissions, batches } = context.database;
    const submission = await batchSubmissions.claim(owner, served, now() + pace.leaseMs);
    if (submission === undefined) return false;
    const lost = new AbortController();
    const renew = setInterval(() => {
      batchSubmissions.renew(submission.id, owner, now() + pace.leaseMs).then(
        (isOurs) => isOurs || lost.abort(),
        () => undefined,
      );
    }, pace.leaseMs / 3);
    let change: SubmissionChange;
    let retryAt: number | undefined;
    try {
      const batch = await batches.find(submission.batchId);
      const column = (await batches.columns(submission.batchId)).find(({ number }) => number === submission.column);
      if (batch === undefined || column === undefined) change = { status: 'ended', endedAt: now() };
      else {
        const held = { submission, batch, column };
        const stepContext = { ...context, signal: AbortSignal.any([closing.signal, lost.signal]) };
        change = await (submission.status === 'prepared' ? submit : follow)(held, stepContext);
      }
    } catch (thrown) {
      const error = toModelManagerError(thrown);
      const tries = submission.tries + 1;
      if (closing.signal.aborted) change = {};
      else {
        retryAt = nextTryAt({ tries }, context, error);
        change = { tries, problem: error.toShape(), nextAt: retryAt };
      }
      logger.warn({ submission: submission.id, err: error }, 'A step on a vendor’s batch failed and is tried again');
    } finally {
      clearInterval(renew);
    }
    await batchSubmissions.change(submission.id, owner, change);
    // A cancelled batch waits for no look; what failed is left alone until its time all the same, whoever looks.
    if (retryAt === undefined) await batchSubmissions.release(submission.id, owner);
    else await batchSubmissions.renew(submission.id, owner, retryAt);
    if (change.status === 'ended') await batches.finishIfDone(submission.batchId);
    return true;
  }

  const tick = () =>
    (running ??= work().finally(() => {
      running = undefined;
    }));
  const loop = () => {
    tick()
      .catch((error: unknown) => logger.warn({ err: error }, 'Looking after vendors’ batches failed'))
      .finally(() => {
        if (!closing.signal.aborted) timer = setTimeout(loop, pace.tickMs).unref();
      });
  };

  return {
    tick,
    start: loop,
    async close() {
      closing.abort();
      clearTimeout(timer);
      await running?.catch(() => undefined);
    },
  };
}
