import { type ErrorShape, type Flight, ModelManagerError, type Outcome, type Reply } from '@aimm/contracts';
import type { Logger, Tally } from '@aimm/runtime';
import { fromReason } from './reasons.ts';
import type { ReplyReader } from './replies.ts';
import type { Requests } from './requests.ts';

export interface Waiter {
  /** How the request ended. Never rejects: a job that is lost ends as `outcome_unknown`. */
  readonly outcome: Promise<Outcome>;
  /** The job is durable: from now on it must be found when it is looked for. */
  added(): void;
  /** Stops listening; the job goes on. */
  stop(): void;
}

export interface Waiters {
  /** Registers before the job is added, so that no reply can come too early. */
  wait(requestId: string, options: { deadlineAt: number; onPart?: (reply: Reply) => void }): Waiter;
  /** Ends a wait from here: the job was removed before it ran. */
  settle(requestId: string, outcome: Outcome): void;
  close(): void;
}

export interface WaitersOptions {
  /** Finds a leader for a flight whose last one is gone. */
  revive?: (flight: Flight) => Promise<void>;
  replies: ReplyReader;
  requests: Requests;
  logger: Logger;
  tally?: Tally;
  /** By the clock of deadlines. */
  now?: () => number;
  sweepEveryMs?: number;
}

/** Past its deadline a request is given this long to say so itself. */
const deadlineGraceMs = 5_000;

interface Entry {
  settle(outcome: Outcome): void;
  isAdded: boolean;
  /** By the monotonic clock, as `performance.now()` gives it: a machine's other clock may jump. */
  heardAt: number;
  missed: number;
  deadlineAt: number;
}

/** Waits for requests to end: by their replies, and by looking after those that have gone silent. */
export function createWaiters({
  replies,
  requests,
  revive,
  logger,
  tally,
  now = Date.now,
  sweepEveryMs = 2_000,
}: WaitersOptions): Waiters {
  const entries = new Map<string, Entry>();

  const lookAfter = async (requestId: string, entry: Entry, { told }: { told: boolean }) => {
    const record = await requests.find(requestId);
    if (record?.ended !== undefined) {
      entry.settle({ status: 'failed', error: record.ended.error });
      return;
    }
    const state = record === undefined ? undefined : await requests.readState(record);
    if (state?.outcome !== undefined) {
      if (!told) {
        logger.info({ requestId }, 'Found the end of a request whose reply was lost');
        tally?.count('sweptReplies', {});
      }
      entry.settle(state.outcome);
    } else if (state?.status === 'failed' || state?.status === 'cancelled') {
      entry.settle({ status: 'failed', error: fromReason(state.failedReason) });
    } else if (state?.status === 'succeeded') {
      entry.settle(failed('outcome_unknown', 'It succeeded, and its answer is not kept any more (STORE_CONTENT=off).'));
    } else if (state === undefined || state.status === 'missing') {
      entry.missed += 1;
      if (entry.missed < 2) return;
      tally?.count('lostRequests', {});
      entry.settle(lost());
    } else {
      entry.missed = state.needsLeader === true ? entry.missed + 1 : 0;
      if (entry.missed >= 2 && record?.flight !== undefined) {
        entry.missed = 0;
        await revive?.(record.flight);
      }
      if (now() > entry.deadlineAt + deadlineGraceMs)
        entry.settle(failed('timeout', 'The request ran past its deadline before it was done.'));
    }
  };

  /** Without Redis nobody knows how they ended, and nobody is let wait longer than was agreed. */
  const endOverdue = () => {
    for (const entry of entries.values()) {
      if (!entry.isAdded || now() <= entry.deadlineAt + deadlineGraceMs) continue;
      entry.settle(failed('unavailable', 'The queue (Redis) does not answer, and the request is past its deadline.'));
    }
  };

  const sweep = async () => {
    const silentSince = performance.now() - sweepEveryMs;
    for (const [requestId, entry] of entries) {
      if (!entry.isAdded || entry.heardAt > silentSince) continue;
      try {
        await lookAfter(requestId, entry, { told: false });
      } catch {
        // Redis is away: the next sweep looks again.
        return endOverdue();
      }
    }
  };
  let sweeping = false;
  const timer = setInterval(() => {
    if (sweeping || entries.size === 0) return;
    sweeping = true;
    void sweep().finally(() => (sweeping = false));
  }, sweepEveryMs).unref();

  return {
    wait(requestId, { deadlineAt, onPart }) {
      const { promise, resolve } = Promise.withResolvers<Outcome>();
      let at = { attempt: 0, seq: -1 };
      /** Who makes the call: this request, or that whose call it shares. */
      let source = requestId;
      const stop = () => {
        unlisten();
        entries.delete(requestId);
      };
      const settle = (outcome: Outcome) => {
        stop();
        resolve(outcome);
      };
      const entry: Entry = { settle, isAdded: false, heardAt: performance.now(), missed: 0, deadlineAt };
      entries.set(requestId, entry);

      const unlisten = replies.listen(requestId, (reply) => {
        entry.heardAt = performance.now();
        if (reply.type === 'failed') settle({ status: 'failed', error: reply.error });
        else if (reply.type === 'done' && reply.value !== null) settle({ status: 'succeeded', value: reply.value });
        // Too large to send: read it by id.
        else if (reply.type === 'done') void lookAfter(requestId, entry, { told: true }).catch(() => undefined);
        else if (reply.type === 'joined') {
          source = reply.leader;
          at = { attempt: 0, seq: -1 };
          onPart?.(reply);
        } else if (reply.requestId !== source) {
          // The call is another's now, and begins anew.
          source = reply.requestId;
          at = { attempt: reply.attempt, seq: reply.seq };
          onPart?.({ ...reply, type: 'reset', reason: madeByAnother() });
          if (reply.type !== 'reset') onPart?.(reply);
        } else if (isNewer(reply, at)) {
          at = { attempt: reply.attempt, seq: reply.seq };
          onPart?.(reply);
        }
      });
      return { outcome: promise, added: () => void (entry.isAdded = true), stop };
    },
    settle: (requestId, outcome) => entries.get(requestId)?.settle(outcome),
    close() {
      clearInterval(timer);
      for (const entry of entries.values())
        entry.settle(failed('unavailable', 'The server has let go of the queue; the job goes on.'));
    },
  };
}

/** A worker that lost its job may still send parts: what belongs to an earlier attempt is dropped. */
function isNewer(reply: Reply, at: { attempt: number; seq: number }): boolean {
  return reply.attempt > at.attempt || (reply.attempt === at.attempt && reply.seq > at.seq);
}

function failed(code: ModelManagerError['code'], message: string): Outcome {
  return { status: 'failed', error: new ModelManagerError(code, message).toShape() };
}

function madeByAnother(): ErrorShape {
  const message = 'The request that made the call for all who ask the same has ended; another makes it now.';
  return new ModelManagerError('cancelled', message, { retryable: true }).toShape();
}

function lost(): Outcome {
  const error = new ModelManagerError(
    'outcome_unknown',
    'The queue does not know this request any more: Redis lost it.',
    {
      hint: 'Did Redis restart without its data, or was it emptied? Usage shows which calls were made; ask again if the answer is still wanted.',
    },
  );
  return { status: 'failed', error: error.toShape() };
}
