import { toModelManagerError } from '@aimm/contracts';
import type { Accepted, ProgressEvent } from '@aimm/manager';
import type { ToolContext } from './define-tool.ts';
import { JobError } from './errors.ts';
import { formatPlace, formatPutAside } from './format/wait.ts';
import { formatSeconds } from './format/units.ts';
import type { ProgressReporter } from './progress.ts';

type Finished = Extract<ProgressEvent, { type: 'model_finished' }>;

type FollowedKind = 'generation' | 'comparison' | 'batch';

/** What was seen of a request while its call waits. */
export interface Follower {
  onProgress: (event: ProgressEvent) => void;
  /** A worker has begun. */
  started: () => boolean;
  /** Models of a comparison that ended, in the order they did. */
  finished: Finished[];
}

/** Tells the client what happens to its request. A comparison's texts are not told: they would interleave. */
export function createFollower(progress: ProgressReporter | undefined, kind: FollowedKind): Follower {
  const finished: Finished[] = [];
  let started = false;
  let lastMessage = '';
  const tell = (message: string, finished?: number, total?: number) => {
    if (message !== lastMessage) progress?.status(message, finished, total);
    lastMessage = message;
  };
  return {
    finished,
    started: () => started,
    onProgress: (event) => {
      if (event.type !== 'queued') started = true;
      if (event.type === 'model_finished') finished.push(event);
      if (event.type === 'text') {
        if (kind === 'generation') progress?.text(event.text);
        // What comes after text is news again, even in the same words.
        lastMessage = '';
        return;
      }
      const message = describeEvent(event, kind);
      if (event.type === 'batch') tell(message, event.done, event.total);
      else if (event.type === 'model_finished') tell(message, event.finished, event.total);
      else tell(message);
    },
  };
}

function describeEvent(event: Exclude<ProgressEvent, { type: 'text' }>, kind: FollowedKind): string {
  switch (event.type) {
    case 'queued': {
      const place = formatPlace(event);
      return kind === 'generation' ? `Waiting at ${event.provider}: ${place}` : `${nameOf(event)} waits: ${place}`;
    }
    case 'started':
      return `${nameOf(event)} started`;
    case 'reasoning':
      return 'The model is thinking';
    case 'reset':
      return `The answer starts again, the text so far is void: ${event.reason.message}`;
    case 'waiting': {
      const wait = formatSeconds(Math.max(0, event.untilMs - Date.now()));
      if (event.why === 'retry') return `${event.reason.message} It is tried again in ${wait}`;
      if (event.why === 'rate_limit') return `Waiting ${wait} for a limit: ${event.reason.message}`;
      const who = event.reason.provider ?? 'The provider';
      return `${who} asks us to wait ${wait}: ${event.reason.message}`;
    }
    case 'batch': {
      const failed = event.failed === 0 ? '' : `, ${event.failed} failed`;
      return `${event.done} of ${event.total} done${failed}`;
    }
    case 'judging': {
      if (event.waitingFor === undefined) return `All have ended; ${nameOf(event)} ranks the answers`;
      const place = event.position === undefined ? formatPutAside(event) : formatPlace(event);
      return `All have ended; the judge ${nameOf(event)} waits: ${place}`;
    }
    case 'model_finished': {
      const count = `(${event.finished} of ${event.total})`;
      if (event.error !== undefined) return `${nameOf(event)} failed: ${event.error.message} ${count}`;
      const took = event.result === undefined ? '' : ` in ${formatSeconds(event.result.latency.totalMs)}`;
      return `${nameOf(event)} finished${took} ${count}`;
    }
  }
}

function nameOf({ provider, model }: { provider: string; model: string }): string {
  return `${provider}/${model}`;
}

export type Ending<T> = { done: true; value: T } | { done: false };

/**
 * Waits for a request's end. Without progress to keep the client patient, only until `handBackAt`: then the caller
 * answers with the job's id, before the client cuts the call off and the answer is lost to it. A client that takes
 * tasks is answered with one much sooner.
 *
 * @throws JobError
 */
export async function waitForEnd<T>(accepted: Accepted<T>, context: ToolContext): Promise<Ending<T>> {
  leaveRunning(accepted);
  const { tasks, progress, handBackAt } = context;
  const timeoutMs = tasks?.afterMs ?? (progress === undefined ? handBackAt - Date.now() : undefined);
  const result = accepted.result.then(
    (value): Ending<T> => ({ done: true, value }),
    async (thrown: unknown) => {
      throw new JobError(thrown, accepted.requestId, { goesOn: await goesOn(thrown, accepted.requestId, context) });
    },
  );
  return endWithin(result, { done: false }, timeoutMs, context.gone);
}

/** Whether only the wait has failed: a front that leaves says so with a code that jobs end with, too. */
async function goesOn(thrown: unknown, jobId: string, context: ToolContext): Promise<boolean> {
  if (toModelManagerError(thrown).code !== 'unavailable') return false;
  try {
    const manager = await context.manager();
    const { status } = await manager.getJob(context.caller, jobId);
    return status === 'queued' || status === 'running';
  } catch {
    // It was accepted: as long as nobody knows of its end, get_job is to be asked.
    return true;
  }
}

/** Nobody waits for it here any more; a failure is read by id. */
export function leaveRunning<T>(accepted: Accepted<T>): void {
  accepted.result.catch(() => undefined);
}

/** What the promise gives, or `otherwise` after `timeoutMs` or when the signal aborts. */
export async function endWithin<T>(
  promise: Promise<T>,
  otherwise: T,
  timeoutMs: number | undefined,
  signal: AbortSignal,
): Promise<T> {
  const early = Promise.withResolvers<T>();
  const giveUp = () => early.resolve(otherwise);
  const timer = timeoutMs === undefined ? undefined : setTimeout(giveUp, Math.max(0, timeoutMs));
  if (signal.aborted) giveUp();
  signal.addEventListener('abort', giveUp, { once: true });
  try {
    return await Promise.race([promise, early.promise]);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', giveUp);
  }
}
