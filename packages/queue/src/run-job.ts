import {
  type JobName,
  type JobPayload,
  ModelManagerError,
  type Outcome,
  type Reply,
  toModelManagerError,
} from '@aimm/contracts';
import type { Logger } from '@aimm/runtime';
import { DelayedError, type Job, type Queue, UnrecoverableError, WaitingChildrenError, Worker } from 'bullmq';
import type { Redis } from 'ioredis';
import { type Checkpoints, LockLostError } from './checkpoints.ts';
import { parseJob } from './parse-job.ts';
import { type Decision, decide } from './decision.ts';
import { CallFailedError, type Handler, type Handlers, type JobContext } from './job-context.ts';
import { pauseQueue } from './limits.ts';
import { fields, keys, queueOf } from './names.ts';
import { generationOptions } from './producer.ts';
import { createReplyWriter } from './replies.ts';
import type { SameModelFirst } from './same-model-first.ts';
import { createRequests } from './requests.ts';

/** Jobs that run in this process, by job id. */
export type RunningJobs = Map<string, { abort(reason: Error): void; loseLock(): void }>;

export interface RunOptions {
  redis: Redis;
  queue: Queue;
  queueFor: (name: string) => Queue;
  handlers: Handlers;
  checkpoints: Checkpoints;
  logger: Logger;
  running: RunningJobs;
  isLeaving: () => boolean;
  /** For queues whose host loads one model at a time. */
  sameModelFirst?: SameModelFirst | undefined;
}

/** Results larger than this are not sent: the front reads them by id. */
const maxReplyBytes = 64 * 1024;
const partialTextEveryMs = 500;

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
    await options.sameModelFirst?.bringForward(options.queue.name, modelOf(payload)).catch(() => false);
  }
}

/** `provider/model-id`, as the request's record names it. Only generations wait in such queues. */
function modelOf(payload: unknown): string {
  const { provider, request } = payload as JobPayload<'generate'>;
  return `${provider}/${request.model}`;
}

type AnyPayload = { requestId?: string; replyTo?: string; deadlineAt?: number; startBy?: number; attempts?: number };

function createRun(job: Job, token: string, signal: AbortSignal | undefined, payload: AnyPayload, options: RunOptions) {
  const { redis, queue, checkpoints, running } = options;
  const jobId = job.id ?? '';
  const requestId = payload.requestId ?? jobId;
  const handle = { queue: queue.name, jobId, token };
  const logger = options.logger.child({ queue: queue.name, jobId });
  const controller = new AbortController();
  const abort = (reason: Error) => controller.abort(reason);
  const writer = createReplyWriter(redis, payload.replyTo, requestId);
  let settled = false;
  let checkpointed = false;
  let partialText = '';
  let partialTimer: NodeJS.Timeout | undefined;

  const onAbort = () => abort(new LockLostError());
  signal?.addEventListener('abort', onAbort, { once: true });
  const own = { abort, loseLock: () => abort(new LockLostError()) };
  // A run of the same job that still stands here slept past its lock, and BullMQ has forgotten it.
  running.get(jobId)?.loseLock();
  running.set(jobId, own);
  const overdue =
    payload.deadlineAt === undefined
      ? undefined
      : setTimeout(() => abort(pastDeadline()), Math.min(2 ** 31 - 1, Math.max(0, payload.deadlineAt - Date.now())));

  const terminalReply = (outcome: Outcome) => {
    if (payload.replyTo === undefined || (outcome.status === 'failed' && outcome.continues === true)) return {};
    const place = { requestId, attempt: Number.MAX_SAFE_INTEGER, seq: writer.next() };
    const reply = (value: Extract<Reply, { type: 'done' }>['value']): Reply =>
      outcome.status === 'succeeded'
        ? { ...place, type: 'done', value }
        : { ...place, type: 'failed', error: outcome.error };
    const json = JSON.stringify(reply(outcome.status === 'succeeded' ? outcome.value : null));
    const small = json.length <= maxReplyBytes ? json : JSON.stringify(reply(null));
    return { reply: { stream: payload.replyTo, json: small } };
  };

  const context: JobContext = {
    logger,
    signal: controller.signal,
    stalledCount: job.stalledCounter,
    open(fresh) {
      checkpointed = true;
      return checkpoints.open(handle, fresh);
    },
    save: (checkpoint) => checkpoints.save(handle, { checkpoint }),
    async settle(outcome, checkpoint) {
      writer.flush();
      settled = true;
      await checkpoints.save(handle, {
        outcome,
        ...(checkpoint !== undefined && { checkpoint }),
        ...terminalReply(outcome),
      });
    },
    reply: (attempt, body) => writer.send(attempt, body),
    keepPartialText(text) {
      partialText = text;
      partialTimer ??= setTimeout(() => {
        partialTimer = undefined;
        // A courtesy to `get_job`: what is lost is written again half a second later.
        checkpoints.keepPartialText(handle, partialText).catch(() => undefined);
      }, partialTextEveryMs);
    },
    decide(thrown) {
      return decide(toModelManagerError(thrown), {
        attempt: job.attemptsMade + 1,
        attempts: job.opts.attempts ?? 1,
        deadlineAt: payload.deadlineAt ?? Number.POSITIVE_INFINITY,
        startBy: payload.startBy,
        now: Date.now(),
        leaving: options.isLeaving() && controller.signal.aborted,
        random: Math.random(),
      });
    },
    async waitForChild(generation) {
      const child = options.queueFor(queueOf('generate', generation.provider));
      await child.add('generate', generation, {
        ...generationOptions(generation),
        parent: { id: jobId, queue: queue.qualifiedName },
        ignoreDependencyOnFailure: true,
      });
      if (await job.moveToWaitingChildren(token)) throw new WaitingChildrenError();
      // The child has ended already: start anew at once.
      await job.moveToDelayed(Date.now(), token);
      throw new DelayedError();
    },
    async readOutcome(queueName, otherJobId) {
      return (await createRequests(redis).readJob(queueName, otherJobId)).outcome;
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
      clearTimeout(partialTimer);
      signal?.removeEventListener('abort', onAbort);
      if (running.get(jobId) === own) running.delete(jobId);
    },
  };
}

/** Returns what to throw at BullMQ, after doing what only we can do. */
async function afterFailure(
  thrown: unknown,
  job: Job,
  token: string,
  run: ReturnType<typeof createRun>,
  { queue }: RunOptions,
): Promise<Error> {
  const { context } = run;
  if (thrown instanceof UnrecoverableError || thrown instanceof WaitingChildrenError || thrown instanceof DelayedError)
    return thrown;
  if (thrown instanceof LockLostError) {
    context.logger.warn('Another worker took this job over; leaving it alone');
    return thrown;
  }
  const decision = thrown instanceof CallFailedError ? thrown.decision : context.decide(thrown);
  logFailure(context.logger, decision, thrown);

  switch (decision.action) {
    case 'stop':
      if (!run.settled()) {
        await context.settle({ status: 'failed', error: decision.error.toShape() }).catch((error: unknown) => {
          context.logger.warn({ err: error }, 'Could not settle a failed job');
        });
      }
      return new UnrecoverableError(toReason(decision.error));
    case 'retry':
      return Object.assign(new Error(toReason(decision.error)), { delayMs: decision.delayMs });
    case 'pause':
      await pauseQueue(queue, decision.delayMs);
      return Worker.RateLimitError();
    case 'hand_back':
      await job.moveToDelayed(Date.now() + 1, token);
      return new DelayedError();
  }
}

function logFailure(logger: Logger, decision: Decision, thrown: unknown): void {
  const { error } = decision;
  const details = {
    action: decision.action,
    code: error.code,
    provider: error.provider,
    vendorMessage: error.vendorMessage,
  };
  // What holds a whole queue up is told by whoever found it out, once and not at every try.
  if (decision.action === 'pause' && error.code === 'unavailable')
    logger.debug({ ...details, reason: error.message }, 'A queue waits for what its jobs need');
  else if (error.code === 'internal') logger.error({ ...details, err: thrown }, 'A job failed inside');
  else logger.info({ ...details, reason: error.message }, 'A call failed');
}

/** What Bull Board shows: our own wording, which holds no secret. */
function toReason(error: ModelManagerError): string {
  return `${error.code}: ${error.message}`;
}

function pastDeadline(): ModelManagerError {
  return new ModelManagerError('timeout', 'The request ran past its deadline.', {
    retryable: false,
    hint: 'Give it a longer timeout_seconds, or run it with background: true and read it with get_job.',
  });
}
