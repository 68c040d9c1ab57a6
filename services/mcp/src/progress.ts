import type { Logger } from '@aimm/runtime';
import type { ServerContext } from '@modelcontextprotocol/server';

/** How much text one message carries at most; what a burst brings beyond it is in the answer anyway. */
const maxTextLength = 4000;

/** How many steps there are: undefined where nothing is counted, `later` where a status will bring the number. */
export type Steps = number | 'later' | undefined;

export interface ProgressReporter {
  /** Says where the request stands; `finished` counts the steps done of `total`, where there are steps. */
  status(message: string, finished?: number, total?: number): void;
  /** Text that the model added. Sent in throttled messages that, put together, are the text. */
  text(delta: string): void;
  /** Sends what is still held back and falls silent: no progress may follow the answer. */
  close(): Promise<void>;
}

export interface ProgressOptions {
  token: string | number;
  notify: ServerContext['mcpReq']['notify'];
  logger: Logger;
  steps: Steps;
  /** Longest silence: clients restart their timeout with each message. */
  heartbeatMs: number;
  /** Shortest time between two messages of text. */
  textIntervalMs: number;
}

/** Reports progress of one call as `notifications/progress`, one at a time and with ever increasing `progress`. */
export function createProgressReporter(options: ProgressOptions): ProgressReporter {
  const startedAt = Date.now();
  let sending: Promise<void> = Promise.resolve();
  let sent = 0;
  let total = options.steps === 'later' ? undefined : options.steps;
  let base = 0;
  let sentSinceBase = 0;
  let held = '';
  let closed = false;
  let textTimer: NodeJS.Timeout | undefined;
  let textScheduled = false;

  /** Between two steps the value creeps towards the next one: it must rise with every message. */
  const nextProgress = () => {
    sent += 1;
    if (options.steps === undefined) return sent;
    sentSinceBase += 1;
    return base + sentSinceBase / (sentSinceBase + 1);
  };

  const send = (message: string, progress = nextProgress()) => {
    heartbeat.refresh();
    // Past the last step there is something more to do, and nobody knows how much.
    const known = total !== undefined && progress <= total ? { total } : {};
    const params = { progressToken: options.token, progress, ...known, message };
    sending = sending
      .then(() => options.notify({ method: 'notifications/progress', params }))
      .catch((error: unknown) => options.logger.debug({ err: error }, 'Progress could not be sent'));
  };

  const flushText = () => {
    if (held === '') return;
    const text = held.length > maxTextLength ? `…${held.slice(-maxTextLength)}` : held;
    held = '';
    send(text);
  };

  /** The next text may go when the interval is over and the last message is out: slow readers get fewer, longer ones. */
  const scheduleText = () => {
    textScheduled = true;
    textTimer = setTimeout(() => {
      void sending.then(() => {
        textScheduled = false;
        if (closed || held === '') return;
        flushText();
        scheduleText();
      });
    }, options.textIntervalMs);
  };

  const heartbeat = setInterval(() => {
    if (held === '') send(`Still working, ${Math.round((Date.now() - startedAt) / 1000)} s so far`);
  }, options.heartbeatMs);

  return {
    status(message, finished, newTotal) {
      if (closed) return;
      flushText();
      if (options.steps === 'later') total = newTotal ?? total;
      if (finished === undefined || options.steps === undefined || finished <= base) return send(message);
      base = finished;
      sentSinceBase = 0;
      send(message, finished);
    },
    text(delta) {
      if (closed || delta === '') return;
      held += delta;
      if (textScheduled) return;
      flushText();
      scheduleText();
    },
    async close() {
      if (closed) return;
      flushText();
      closed = true;
      clearInterval(heartbeat);
      clearTimeout(textTimer);
      await sending;
    },
  };
}
