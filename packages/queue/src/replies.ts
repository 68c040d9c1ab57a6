import { setImmediate as nextTurn } from 'node:timers/promises';
import { Reply } from '@aimm/contracts';
import type { Logger } from '@aimm/runtime';
import type { Redis } from 'ioredis';
import { disconnect } from './connection.ts';
import { replyStreamLength } from './checkpoints.ts';
import { keys } from './names.ts';
import { tellScript } from './tell-script.ts';

/** What a reply carries besides its place in the order. */
export type ReplyBody =
  | { type: 'started'; model?: string }
  | { type: 'text'; text: string }
  | { type: 'reasoning'; text: string }
  | Pick<Extract<Reply, { type: 'reset' }>, 'type' | 'reason' | 'again'>
  | Pick<Extract<Reply, { type: 'waiting' }>, 'type' | 'untilMs' | 'reason' | 'why'>;

/** Sends what happens in one job to the front that waits for it. Never awaited: parts are a courtesy, outcomes are not. */
export interface ReplyWriter {
  send(attempt: number, body: ReplyBody): void;
  /** Sends what is buffered. */
  flush(): void;
  /** The terminal reply's place in the order, for the script that sends it with the outcome. */
  next(): number;
}

/** Text that arrives within this time travels as one part: a vendor's tokens come faster than anybody reads. */
const coalesceMs = 25;
const coalesceChars = 2_048;
/** Where the request itself is told no text, only those who may have joined it. */
const unreadMs = 100;

export interface ReplyWriterOptions {
  redis: Redis;
  /** Absent: nobody waits. */
  stream: string | undefined;
  requestId: string;
  /** Above those of the job's earlier runs, as parts of one call may come from several runs. */
  firstSeq: number;
  /** Others share the call, or may join at any time. `hears`: what the request itself is told, of all that is sent. */
  flight?: { id: string; hears: (type: ReplyBody['type']) => boolean } | undefined;
}

type Scripted = Redis & { aimmTell(...argv: (string | number)[]): Promise<null> };

export function createReplyWriter({ redis, stream, requestId, firstSeq, flight }: ReplyWriterOptions): ReplyWriter {
  if (flight !== undefined) redis.defineCommand('aimmTell', { numberOfKeys: 4, lua: tellScript });
  const isRead = flight === undefined || (stream !== undefined && flight.hears('text'));
  let seq = firstSeq;
  let pending: { attempt: number; type: 'text' | 'reasoning'; text: string } | undefined;
  let timer: NodeJS.Timeout | undefined;

  const share = (attempt: number, body: ReplyBody, { id, hears }: NonNullable<typeof flight>) => {
    const place = JSON.stringify({ requestId, attempt, seq: seq++ }).slice(0, -1);
    const isHeard = stream !== undefined && hears(body.type);
    const text = body.type === 'text' ? JSON.stringify(body.text).slice(1, -1) : '';
    (redis as Scripted)
      .aimmTell(
        isHeard ? stream : keys.flight(id),
        keys.flight(id),
        keys.said(id),
        keys.listeners(id),
        requestId,
        replyStreamLength,
        place,
        `,"flight":${JSON.stringify(id)}`,
        `,${JSON.stringify(body).slice(1)}`,
        isHeard ? 1 : 0,
        attempt,
        body.type,
        text,
      )
      .catch(() => undefined);
  };
  const write = (attempt: number, body: ReplyBody) => {
    if (flight !== undefined) return share(attempt, body, flight);
    if (stream === undefined) return;
    const reply = JSON.stringify({ requestId, attempt, seq: seq++, ...body } satisfies Reply);
    // NOMKSTREAM: a front that has gone must not get a new stream that nobody would ever delete.
    redis.xadd(stream, 'NOMKSTREAM', 'MAXLEN', '~', replyStreamLength, '*', 'r', reply).catch(() => undefined);
  };
  const flush = () => {
    clearTimeout(timer);
    timer = undefined;
    if (pending === undefined) return;
    const { attempt, ...body } = pending;
    pending = undefined;
    write(attempt, body);
  };

  return {
    flush,
    next: () => seq++,
    send(attempt, body) {
      if (body.type !== 'text' && body.type !== 'reasoning') {
        flush();
        write(attempt, body);
        return;
      }
      if (pending !== undefined && (pending.type !== body.type || pending.attempt !== attempt)) flush();
      pending = { attempt, type: body.type, text: (pending?.text ?? '') + body.text };
      if (pending.text.length >= coalesceChars) flush();
      else timer ??= setTimeout(flush, isRead ? coalesceMs : unreadMs);
    },
  };
}

export interface ReplyReader {
  /** The stream that workers write to; goes into a payload's `replyTo`. */
  readonly stream: string;
  /** Listens for one request, from before its job is added until the returned function is called. */
  listen(requestId: string, listener: (reply: Reply) => void): () => void;
  close(): Promise<void>;
}

/** A dead front's stream lives this long. */
const streamTtlMs = 600_000;
const heartbeatMs = 5_000;

export interface ReplyReaderOptions {
  /** Writes and keeps the stream alive. */
  redis: Redis;
  /** A connection of its own: it blocks. */
  blocking: Redis;
  frontId: string;
  logger: Logger;
}

/** Reads the one reply stream of this front over one blocking connection and hands each reply to its listener. */
export function createReplyReader({ redis, blocking, frontId, logger }: ReplyReaderOptions): ReplyReader {
  const stream = keys.replies(frontId);
  const listeners = new Map<string, (reply: Reply) => void>();
  /** Who of this front's requests listens to a flight, and to which each does. */
  const flights = new Map<string, Set<string>>();
  const flightOf = new Map<string, string>();
  let lastId = '0-0';
  let closed = false;
  let stopReading = () => {};

  // The stream must exist before a worker writes (NOMKSTREAM), also after Redis came back empty.
  const keepAlive = async () => {
    const type = await redis.type(stream);
    if (type === 'none') {
      lastId = '0-0';
      await redis.xadd(stream, '*', 'hello', frontId);
    }
    await redis.pexpire(stream, streamTtlMs);
  };
  const beat = () => void keepAlive().catch(() => undefined);
  const heartbeat = setInterval(beat, heartbeatMs).unref();
  redis.on('ready', beat);
  if (redis.status === 'ready') beat();

  const dispatch = (json: string) => {
    const parsed = Reply.safeParse(JSON.parse(json));
    if (!parsed.success) {
      logger.warn({ issues: parsed.error.issues.length }, 'Dropped a reply of an unknown form');
      return;
    }
    const { data: reply } = parsed;
    const own = listeners.get(reply.requestId);
    if (reply.type === 'joined' && own !== undefined) join(reply.requestId, reply.flight);
    own?.(reply);
    if (reply.type === 'joined' || reply.flight === undefined) return;
    for (const id of flights.get(reply.flight) ?? []) if (id !== reply.requestId) listeners.get(id)?.(reply);
  };
  const join = (requestId: string, flight: string) => {
    const joined = flights.get(flight) ?? new Set();
    flights.set(flight, joined.add(requestId));
    flightOf.set(requestId, flight);
  };
  const leave = (requestId: string) => {
    const flight = flightOf.get(requestId) ?? '';
    flightOf.delete(requestId);
    flights.get(flight)?.delete(requestId);
    if (flights.get(flight)?.size === 0) flights.delete(flight);
  };

  /**
   * A connection that is closed while it reconnects never settles its commands: then null. Each read has a promise of its own;
   * one that lasted would keep every answer that it was raced with.
   */
  const read = () =>
    new Promise<Awaited<ReturnType<Redis['xread']>>>((resolve, reject) => {
      stopReading = () => resolve(null);
      blocking.xread('COUNT', 500, 'BLOCK', 2_000, 'STREAMS', stream, lastId).then(resolve, reject);
    });

  const readOn = async () => {
    while (!closed) {
      try {
        for (const [, entries] of (await read()) ?? []) {
          for (const [id, [field, value]] of entries) {
            lastId = id;
            if (field === 'r' && value !== undefined) dispatch(value);
          }
          // What was told is passed on to the client before Redis is asked for more.
          await nextTurn();
        }
      } catch (error) {
        if (closed) return;
        logger.debug({ reason: (error as Error).message }, 'Reading replies failed; trying again');
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    }
  };
  const reading = readOn();

  return {
    stream,
    listen(requestId, listener) {
      listeners.set(requestId, listener);
      return () => {
        listeners.delete(requestId);
        leave(requestId);
      };
    },
    async close() {
      closed = true;
      stopReading();
      clearInterval(heartbeat);
      redis.off('ready', beat);
      disconnect(blocking);
      await reading;
      if (redis.status === 'ready') await redis.del(stream).catch(() => undefined);
    },
  };
}
