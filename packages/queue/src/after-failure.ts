import type { JobPayload, ModelManagerError } from '@aimm/contracts';
import type { Logger } from '@aimm/runtime';
import { DelayedError, type Job, type Queue, UnrecoverableError, WaitingChildrenError, Worker } from 'bullmq';
import type { Redis } from 'ioredis';
import type { Admission, LimitScope } from './admission.ts';
import { LockLostError } from './checkpoints.ts';
import type { Decision } from './decision.ts';
import { handBack } from './hand-back.ts';
import { CallFailedError, type JobContext } from './job-context.ts';
import { keepPlace } from './keep-place.ts';
import { modelOf } from './names.ts';
import { toReason } from './reasons.ts';

/** A run whose handler threw. */
interface FailedRun {
  context: JobContext;
  /** Its outcome is written. */
  settled(): boolean;
}

/** Carries out what is decided of a failure, and returns what to throw at BullMQ for it. */
export async function afterFailure(
  thrown: unknown,
  job: Job,
  token: string,
  run: FailedRun,
  { redis, queue, admission }: { redis: Redis; queue: Queue; admission: Admission },
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
  keepPlace(redis, queue.name, job, decision);

  switch (decision.action) {
    case 'stop':
      await context.hold(decision);
      if (!run.settled()) {
        await context.settle({ status: 'failed', error: decision.error.toShape() }).catch((error: unknown) => {
          context.logger.warn({ err: error }, 'Could not settle a failed job');
        });
      }
      return Object.assign(new UnrecoverableError(toReason(decision.error)), {
        isRecorded:
          thrown instanceof CallFailedError && (job.data as Partial<JobPayload<'generate'>>).batch !== undefined,
      });
    case 'retry':
      return Object.assign(new Error(toReason(decision.error)), { delayMs: decision.delayMs });
    case 'pause':
      await context.hold(decision);
      if (decision.error.appliesTo !== 'model') return Worker.RateLimitError();
      await job.moveToDelayed(Date.now() + decision.delayMs, token);
      return new DelayedError();
    case 'requeue':
      await admission.pause(queue.name, decision.delayMs);
      return Worker.RateLimitError();
    case 'delay':
      await job.moveToDelayed(Date.now() + decision.delayMs, token);
      return new DelayedError();
    case 'hand_back':
      return handBack(job, token, admission);
  }
}

/** Who is to wait: the model where the vendor says that it is the model's limit, else all of the provider. */
export function toHeldScope(job: Job, error: ModelManagerError): LimitScope {
  const payload = job.data as JobPayload<'generate'>;
  return error.appliesTo === 'model'
    ? { kind: 'model', id: modelOf(payload) }
    : { kind: 'provider', id: payload.provider };
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
  if (decision.action === 'delay' || decision.action === 'requeue') {
    logger.debug({ ...details, delayMs: decision.delayMs, reason: error.message }, 'A job waits for its turn');
  } else if (error.code === 'internal') logger.error({ ...details, err: thrown }, 'A job failed inside');
  else logger.info({ ...details, reason: error.message }, 'A call failed');
}
