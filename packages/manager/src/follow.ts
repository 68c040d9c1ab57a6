import { type ErrorShape, ModelManagerError, type Outcome, type Reply } from '@aimm/contracts';
import { type ProgressEvent, splitModel } from './progress.ts';
import type { Resources } from './resources.ts';
import { toWaitView } from './wait.ts';

/** A waiting request's place is looked up this often. */
const positionEveryMs = 1_000;

export interface Followed {
  outcome: Promise<Outcome>;
  /** Nobody is to wait: it was not queued. */
  stop(): void;
  /** The job is durable: look after it from now on. */
  added(): void;
}

export interface FollowOptions {
  requestId: string;
  provider: string;
  model: string;
  deadlineAt: number;
  onProgress?: ((event: ProgressEvent) => void) | undefined;
  /** Called at `startBy`, while the job still waits in its queue; again a second later where it rejects. */
  startBy?: number | undefined;
  onOverdue?: (() => Promise<void>) | undefined;
  /** The answer may begin again after text of it was told. */
  allowRestart?: boolean | undefined;
  /** The call of another, which was shared, broke after text of it was told here, and that may not be. */
  onBroken?: ((reason: ErrorShape) => Promise<void>) | undefined;
}

/** Listens to one generation: collects its text, reports its progress, and its place in the queue while it waits. */
export function follow({ queue, catalog, now, logger }: Resources, options: FollowOptions): Followed {
  const { requestId, provider, model, onProgress } = options;
  /** Who is asked now: after a fallback, or a move to an equal model, another than at first. */
  let asked = { provider, model };
  let text = '';
  let started = false;
  const report = (event: ProgressEvent) => onProgress?.(event);

  let broken = false;
  const begin = () => {
    if (!started) report({ type: 'started', ...asked });
    started = true;
  };
  const say = (said: string) => {
    begin();
    text += said;
    report({ type: 'text', text: said, totalLength: text.length });
  };
  const isBreak = (reply: Reply) =>
    reply.type === 'reset' &&
    reply.again === true &&
    reply.requestId !== requestId &&
    text !== '' &&
    options.allowRestart !== true;

  const onPart = (reply: Reply) => {
    if (broken) return;
    if (reply.type === 'reset' && isBreak(reply)) {
      broken = true;
      options.onBroken?.(reply.reason).catch((error: unknown) => {
        logger.warn({ err: error, requestId }, 'Could not end a request whose shared call broke');
      });
      return;
    }
    switch (reply.type) {
      case 'started':
        started = true;
        if (reply.model !== undefined) asked = splitModel(reply.model);
        report({ type: 'started', ...asked });
        break;
      case 'text':
        say(reply.text);
        break;
      case 'joined':
        if (reply.text !== '') say(reply.text);
        break;
      case 'reasoning':
        report({ type: 'reasoning', text: reply.text });
        break;
      case 'reset':
        if (text === '' && reply.flight !== undefined) break;
        text = '';
        report({ type: 'reset', reason: reply.reason });
        break;
      case 'waiting':
        started = false;
        report({ type: 'waiting', untilMs: reply.untilMs, reason: reply.reason, why: reply.why });
        break;
      case 'done':
      case 'failed':
        break;
    }
  };
  const waiter = queue.waiters.wait(requestId, { deadlineAt: options.deadlineAt, onPart });

  const reportPosition = async () => {
    if (started) return;
    const record = await queue.requests.find(requestId);
    const state = record && (await queue.requests.readState(record));
    if (!started && record?.model !== undefined) asked = splitModel(record.model);
    if (!started && record?.follows === true && state?.status === 'running') {
      started = true;
      report({ type: 'started', ...asked });
    }
    if (started || state?.status !== 'queued') return;
    if (options.startBy !== undefined && now() >= options.startBy && !isOverdue) {
      isOverdue = true;
      await options.onOverdue?.().catch((error: unknown) => {
        isOverdue = false;
        throw error;
      });
    } else if (record !== undefined && state.position !== undefined) {
      const { position } = state;
      const wait = toWaitView(state, catalog.findProvider(record.queue)?.requestsPerMinute, now());
      report({ ...wait, type: 'queued', ...asked, position, ahead: position - 1 });
    }
  };
  const needsPosition = onProgress !== undefined || options.startBy !== undefined;
  let timer: NodeJS.Timeout | undefined;
  const look = () => {
    const { startBy = 0 } = options;
    const untilStart = startBy > now() ? startBy - now() : positionEveryMs;
    timer = setTimeout(
      () => {
        reportPosition()
          .catch((error: unknown) => logger.debug({ err: error, requestId }, 'Could not look up a place in the queue'))
          .finally(() => !ended && look());
      },
      Math.min(positionEveryMs, untilStart),
    );
  };
  let ended = false;
  let isOverdue = false;
  void waiter.outcome.finally(() => {
    ended = true;
    clearTimeout(timer);
  });

  return {
    outcome: waiter.outcome,
    stop: () => waiter.stop(),
    added() {
      waiter.added();
      if (needsPosition) look();
    },
  };
}

/** The value of an outcome, parsed. @throws ModelManagerError what the request failed with */
export function unwrap<T>(outcome: Outcome, parse: (value: unknown) => T): T {
  if (outcome.status === 'failed') throw ModelManagerError.fromShape(outcome.error);
  return parse(outcome.value);
}
