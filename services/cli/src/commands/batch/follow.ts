import { setTimeout as delay } from 'node:timers/promises';
import { type BatchProviderPace, type BatchView, ModelManagerError } from '@aimm/contracts';
import { exitCodes, listenForInterrupt } from '../../interrupt.ts';
import { print, printJson } from '../../output.ts';
import { QuietFailure } from '../../report-failure.ts';
import type { Session } from '../../session.ts';
import { type BatchDisplay, createBatchDisplay } from './batch-display.ts';
import { formatBatch } from './format-batch.ts';

const lookEveryMs = 500;
/** Summing up a large batch takes a while: at most this share of the time goes into looking. */
const lookShare = 0.2;
/** So long may nothing be known of it before following it is given up. */
const patienceMs = 60_000;

export interface FollowOptions {
  json?: boolean | undefined;
  plain?: boolean | undefined;
}

/**
 * Shows how far it is until it ends, then tells the whole of it; Ctrl-C leaves it to itself. On a terminal it stays while the
 * batch rests. @throws QuietFailure where it ended without a single answer, rests, or was left
 */
export async function followBatch(session: Session, started: BatchView, options: FollowOptions): Promise<void> {
  const { batchId } = started;
  const left = new AbortController();
  let code: number | undefined;
  const stop = listenForInterrupt((signal) => {
    code = exitCodes[signal];
    left.abort();
  });
  const display = createBatchDisplay({ plain: options.plain === true || options.json === true });
  let view = started;
  try {
    view = await untilItRests(session, started, display, left.signal);
  } finally {
    display.end();
    stop();
  }
  reportBatch(view, options);
  if (code !== undefined) {
    process.stderr.write(`It goes on by itself; \`aimm batch watch ${batchId}\` follows it, \`cancel\` ends it.\n`);
    throw new QuietFailure(code);
  }
  if (view.endedAt === undefined && view.status === 'paused') {
    process.stderr.write(`It rests; ${wayOn(view)}\n`);
    throw new QuietFailure();
  }
}

/** Gives it as it ended, as it rests where nobody looks, or as it was when it was left. */
async function untilItRests(
  { manager, caller }: Session,
  started: BatchView,
  display: BatchDisplay,
  signal: AbortSignal,
): Promise<BatchView> {
  let view = started;
  let paces: BatchProviderPace[] = [];
  let answeredAt = performance.now();
  for (;;) {
    const askedAt = performance.now();
    try {
      view = await manager.getBatch(caller, started.batchId);
      // Without Redis it is known how far it is, but not how fast.
      paces = await manager.getBatchPaces(caller, view).catch(() => []);
      answeredAt = performance.now();
      display.note(view.status === 'paused' ? `Paused: ${wayOn(view)}` : undefined);
    } catch (error) {
      if (!isPassing(error) || performance.now() > answeredAt + patienceMs) throw error;
      display.note(`Nothing is known of it just now (${error.message}); looking again.`);
    }
    display.show(view, paces);
    // One that was cancelled still has calls to abort.
    if (view.endedAt !== undefined || signal.aborted) return view;
    if (view.status === 'paused' && view.counts.queued === 0 && !display.isLive) return view;
    const tookMs = performance.now() - askedAt;
    await delay(Math.max(lookEveryMs, tookMs / lookShare), undefined, { signal }).catch(() => undefined);
  }
}

function wayOn({ batchId }: BatchView): string {
  return `\`aimm batch resume ${batchId}\` goes on with it.`;
}

function isPassing(error: unknown): error is ModelManagerError {
  return error instanceof ModelManagerError && error.code === 'unavailable';
}

/** The whole of it; @throws QuietFailure where it ended without a single answer */
export function reportBatch(view: BatchView, { json }: { json?: boolean | undefined }): void {
  if (json === true) printJson(view);
  else print(formatBatch(view));
  if (view.endedAt !== undefined && view.counts.succeeded === 0) throw new QuietFailure();
}
