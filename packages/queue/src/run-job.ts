import {
  type ComparePayload,
  isContinued,
  type JobName,
  type JobPayload,
  ModelManagerError,
  Outcome,
  type Reply,
  toModelManagerError,
} from '@aimm/contracts';
import type { Logger } from '@aimm/runtime';
import { DelayedError, type Job, type Queue, WaitingChildrenError } from 'bullmq';
import type { Redis } from 'ioredis';
import type { Admission } from './admission.ts';
import { afterFailure, toHeldScope } from './after-failure.ts';
import { type Checkpoints, type EndedCall, LockLostError, type Regain } from './checkpoints.ts';
import { parseJob } from './parse-job.ts';
import { decide } from './decision.ts';
import { insist } from './insist.ts';
import { CallFailedError, type Handler, type Handlers, type JobContext } from './job-context.ts';
import { fields, keys, modelOf, queueOf, requestIdOf } from './names.ts';
import { generationOptions, toRankedJob } from './generation-jobs.ts';
import { fromReason } from './reasons.ts';
import { createReplyWriter, type ReplyBody } from './replies.ts';
import type { SameModelFirst } from './same-model-first.ts';
import { createRequests } from './requests.ts';
import type { Settlement } from './settlement.ts';
import type { FairOrder } from './fair-order.ts';

/** Jobs that run in this process, by job id. */
export type RunningJobs = Map<string, { queue: string; abort(reason: Error): void; loseLock(): void }>;

export interface RunOptions {
  redis: Redis;
  queue: Queue;
  queueFor: (name: string) => Queue;
  handlers: Handlers;
  checkpoints: Checkpoints;
  admission: Admission;
  logger: Logger;
  running: RunningJobs;
  settlement?: Settlement | undefined;
  isLeaving: () => boolean;
  lockMs: number;
  /** By the clock of deadlines. */
  now: () => number;
  order: FairOrder;
  /** For queues whose host loads one model at a time. */
  sameModelFirst?: SameModelFirst | undefined;
}

/** Results larger than this are not sent: the front reads them by id. */
const maxReplyBytes = 64 * 1024;
const partialTextEveryMs = 500;
/** A comparison that is past its deadline is joined within this time, or never. */
const joinedWithinMs = 600_000;
/**
 * A worker that slept past its lock may have the whole answer waiting in its socket: it is read before the call is aborted,
 * since nobody else will know what that call cost.
 */
const readOnMs = 50;

/** Runs one job: parses, builds the context, calls the handler, and tells BullMQ what to do after a failure. */
export async function runJob(
  job: Job,
  token: string,
  signal: AbortSignal | undefined,
  options: RunOptions,
): Promise<unknown> {
  const { name, payload } = parseJob(job.name, job.data);
  const run = createRun(job, token, signal, payload as AnyPayload, options);
  try {
    const handler = options.handlers[name] as Handler<JobName>;
    const { value, receipt } = await handler(payload as never, run.context);
    if (!run.settled()) await run.context.settle({ status: 'succeeded', value: value as never });
    run.account();
    return receipt ?? value;
  } catch (thrown) {
    if (thrown instanceof CallFailedError) run.account();
    throw await afterFailure(thrown, job, token, run, options);
  } finally {
    run.end();
    if (isOfBatch(payload)) await options.order.release(options.queue.name, run.settled() ? job.id : '').catch(() => 0);
    // Only generations wait in such queues.
    await options.sameModelFirst
      ?.bringForward(options.queue.name, modelOf(payload as JobPayload<'generate'>))
      .catch(() => false);
  }
}

function isOfBatch(payload: unknown): boolean {
  const { lane, provider } = payload as Partial<JobPayload<'generate'>>;
  return lane === 'batch' && provider !== undefined;
}

type AnyPayload = {
  hop?: number;
  requestId?: string;
  replyTo?: string;
  deadlineAt?: number;
  startBy?: number;
  parentId?: string;
  batch?: JobPayload<'generate'>['batch'];
  children?: ComparePayload['children'];
  judge?: { requestId: string };
  attempts?: number;
  flight?: JobPayload<'generate'>['flight'];
  stream?: boolean;
  quiet?: boolean;
};

/** What is sent for others who share the call is more than what the request itself wants to be told. */
function isHeard({ stream, quiet }: AnyPayload, type: ReplyBody['type']): boolean {
  if (type === 'text' || type === 'reasoning') return stream === true;
  return type !== 'started' || quiet !== true;
}

function createRun(job: Job, token: string, signal: AbortSignal | undefined, payload: AnyPayload, options: RunOptions) {
  const { redis, queue, checkpoints, running, now } = options;
  const jobId = job.id ?? '';
  const requestId = payload.requestId ?? jobId;
  const handle = { queue: queue.name, jobId, token };
  const logger = options.logger.child({ queue: queue.name, jobId });
  const controller = new AbortController();
  const abort = (reason: Error) => controller.abort(reason);
  const { flight, replyTo: stream } = payload;
  const writer = createReplyWriter({
    redis,
    stream,
    requestId,
    firstSeq: toFirstSeq(job, payload),
    flight: flight && { id: flight.id, hears: (type) => isHeard(payload, type) },
  });
  let settled = false;
  let held = false;
  /** The call of this run that its limits let start. */
  let admitted: EndedCall | undefined;
  let checkpointed = false;
  let partialText = '';
  let partialTimer: NodeJS.Timeout | undefined;

  /** Of a call that is over, and another follows: what is kept from here on is the other's. */
  const dropPartialText = () => {
    clearTimeout(partialTimer);
    partialTimer = undefined;
    partialText = '';
  };

  let losing: NodeJS.Timeout | undefined;
  const loseLock = () => {
    losing ??= setTimeout(() => abort(new LockLostError()), readOnMs);
  };
  signal?.addEventListener('abort', loseLock, { once: true });
  const own = { queue: queue.name, abort, loseLock };
  // A run of the same job that still stands here slept past its lock, and BullMQ has forgotten it.
  running.get(jobId)?.loseLock();
  running.set(jobId, own);
  const overdue =
    payload.deadlineAt === undefined
      ? undefined
      : setTimeout(() => abort(pastDeadline()), Math.min(2 ** 31 - 1, Math.max(0, payload.deadlineAt - now())));

  const terminalReply = (outcome: Outcome) => {
    if (payload.replyTo === undefined || isContinued(outcome)) return {};
    const place = { requestId, attempt: Number.MAX_SAFE_INTEGER, seq: writer.next() };
    const reply = (value: Extract<Reply, { type: 'done' }>['value']): Reply =>
      outcome.status === 'succeeded'
        ? { ...place, type: 'done', value }
        : { ...place, type: 'failed', error: outcome.error };
    const json = JSON.stringify(reply(outcome.status === 'succeeded' ? outcome.value : null));
    const small = json.length <= maxReplyBytes ? json : JSON.stringify(reply(null));
    return { reply: { stream: payload.replyTo, json: small } };
  };

  /** A comparison reads how its generations ended when the last has: by then others may have taken the place of the first in Redis. */
  const copyFor = (outcome: Outcome) => {
    const isPart = payload.parentId !== undefined && payload.batch === undefined;
    if (!isPart || isContinued(outcome)) return undefined;
    return { key: keys.part(requestId), keepMs: Math.max(0, (payload.deadlineAt ?? now()) - now()) + joinedWithinMs };
  };
  const dropParts = async () => {
    const parts = [...(payload.children ?? []), ...(payload.judge === undefined ? [] : [payload.judge])];
    if (parts.length > 0) await redis.unlink(...parts.map((part) => keys.part(part.requestId)));
  };

  const fence = { lockKey: keys.jobLock(queue.name, jobId), token };
  const regain: Regain = { start: job.attemptsStarted, lockMs: options.lockMs };
  const isAborted = () => controller.signal.aborted;
  /** What is known of a call that is over is kept for as long as anybody could wait for it. */
  const insistOn = <T>(write: () => Promise<T>) =>
    insist(
      write,
      () => now() < (payload.deadlineAt ?? Number.POSITIVE_INFINITY) && !(options.isLeaving() && isAborted()),
    );

  const context: JobContext = {
    logger,
    signal: controller.signal,
    now,
    stalledCount: job.stalledCounter,
    async open(fresh, need) {
      checkpointed = true;
      const opened = await insist(
        () => checkpoints.open(handle, fresh, need),
        () => !isAborted(),
      );
      if (opened.state === 'fresh' && need !== undefined) admitted = { scopes: need.scopes };
      if (opened.state === 'refused') options.admission.noteRefused(opened.refusal.scope);
      return opened;
    },
    async start(checkpoint, need) {
      dropPartialText();
      const started = await insist(
        () => checkpoints.start(handle, checkpoint, need, admitted?.tokens),
        () => !isAborted(),
      );
      if (started.state === 'fresh' && need !== undefined) admitted = { scopes: need.scopes };
      if (started.state === 'refused') options.admission.noteRefused(started.refusal.scope);
      return started;
    },
    spent: (tokens) => void (admitted &&= { ...admitted, tokens }),
    async save(checkpoint) {
      dropPartialText();
      await insistOn(async () => {
        const saved = checkpoints.save(handle, { checkpoint, ended: admitted, regain });
        // Behind it, and before the ledger knows of its rows.
        const charged = options.settlement?.(payload, { checkpoint, maxReplyBytes, fence });
        await Promise.all([saved, charged]);
      });
    },
    async settle(outcome, checkpoint) {
      writer.flush();
      settled = true;
      // Ahead of the outcome on the same connection: the text of a call that broke stays readable to its end.
      if (outcome.status === 'failed' && partialTimer !== undefined)
        checkpoints.keepPartialText(handle, partialText).catch(() => undefined);
      const end = {
        outcome,
        ended: admitted,
        ...(checkpoint !== undefined && { checkpoint }),
        copy: copyFor(outcome),
        regain,
        ...terminalReply(outcome),
      };
      return insistOn(async () => {
        const saved = checkpoints.save(handle, end);
        // Behind it on the same connection: whoever is answered finds the budget settled and the answer kept.
        const told = options.settlement?.(payload, { outcome, checkpoint, maxReplyBytes, fence });
        const [, followers] = await Promise.all([saved, told]);
        await dropParts();
        return followers ?? [];
      });
    },
    reply(attempt, body) {
      if (body.type === 'reset') dropPartialText();
      writer.send(attempt, body);
    },
    keepPartialText(text) {
      partialText = text;
      partialTimer ??= setTimeout(() => {
        partialTimer = undefined;
        // A courtesy to `get_job`: what is lost is written again half a second later.
        checkpoints.keepPartialText(handle, partialText).catch(() => undefined);
      }, partialTextEveryMs);
    },
    decide(thrown, calls) {
      return decide(toModelManagerError(thrown), {
        attempt: job.attemptsMade + 1,
        calls,
        attempts: job.opts.attempts ?? 1,
        deadlineAt: payload.deadlineAt ?? Number.POSITIVE_INFINITY,
        startBy: payload.startBy,
        now: now(),
        leaving: options.isLeaving() && controller.signal.aborted,
        random: Math.random(),
      });
    },
    async hold(decision) {
      const pauseMs =
        decision.action === 'pause' ? decision.delayMs : decision.action === 'stop' ? decision.pauseMs : undefined;
      if (held || pauseMs === undefined) return;
      held = true;
      await options.admission.hold(toHeldScope(job, decision.error), queue.name, pauseMs);
    },
    async waitForChild(generation) {
      const child = options.queueFor(queueOf('generate', generation.provider));
      await child.add('generate', generation, {
        ...generationOptions(generation),
        parent: { id: jobId, queue: queue.qualifiedName },
        ignoreDependencyOnFailure: true,
      });
      await options.order.rank(toRankedJob(generation));
      if (await job.moveToWaitingChildren(token)) throw new WaitingChildrenError();
      // The child has ended already: start anew at once.
      await job.moveToDelayed(Date.now(), token);
      throw new DelayedError();
    },
    async readOutcome(queueName, otherJobId) {
      const requests = createRequests(redis);
      const { outcome, status, failedReason } = await requests.readJob(queueName, otherJobId);
      if (outcome !== undefined) return outcome;
      if (failedReason !== undefined) return { status: 'failed', error: fromReason(failedReason) };
      if (status !== 'missing') return undefined;
      const copy = await redis.get(keys.part(requestIdOf(otherJobId)));
      if (copy !== null) return Outcome.parse(JSON.parse(copy));
      const ended = (await requests.find(requestIdOf(otherJobId)))?.ended;
      return ended && { status: 'failed', error: ended.error };
    },
    isCancelled: async () => (await redis.hexists(keys.job(queue.name, jobId), fields.cancel)) === 1,
  };

  return {
    context,
    settled: () => settled,
    /** Goes out with BullMQ's own word on the job, which comes next. Lost, the reconciler looks after the job once more. */
    account() {
      if (checkpointed) checkpoints.account(handle).catch(() => undefined);
    },
    end() {
      writer.flush();
      clearTimeout(overdue);
      clearTimeout(partialTimer);
      clearTimeout(losing);
      signal?.removeEventListener('abort', loseLock);
      if (running.get(jobId) === own) running.delete(jobId);
    },
  };
}

/** A job that waits tells so in one run and goes on in another, or as another job: later parts have higher numbers. */
function toFirstSeq({ attemptsStarted }: Job, { hop = 0 }: AnyPayload): number {
  return (hop * 100_000 + attemptsStarted) * 1_000_000;
}

function pastDeadline(): ModelManagerError {
  return new ModelManagerError('timeout', 'The request ran past its deadline.', {
    retryable: false,
    hint: 'Give it a longer timeout_seconds, or run it with background: true and read it with get_job.',
  });
}
