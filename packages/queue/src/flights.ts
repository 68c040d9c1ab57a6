import { randomUUID } from 'node:crypto';
import {
  type ErrorShape,
  type Flight,
  type GeneratePayload,
  GenerationResult,
  type JobPayload,
  jobs,
  type LedgerRow,
  type Outcome,
  type Reply,
} from '@aimm/contracts';
import type { Redis } from 'ioredis';
import {
  type BudgetClaim,
  type Budgets,
  type Fence,
  parseReserved,
  type Reserved,
  toBudgetsArgument,
} from './budgets.ts';
import { replyStreamLength } from './checkpoints.ts';
import { withRedis } from './connection.ts';
import { joinScript, landScript, leaveScript, promoteScript } from './flight-scripts.ts';
import { keys } from './names.ts';
import type { Producer } from './producer.ts';
import { generationRecord } from './request-records.ts';
import { toIndexMember } from './request-index.ts';
import { requestTtlMs } from './requests.ts';
import { type Follower, isBrokenOff, isOwnFailure, isWorthKeeping, toSharedResult } from './shared-answer.ts';

/** A request that may be answered by the cache or by another's call. */
export type Shareable = GeneratePayload & { flight: Flight };

export type Joined =
  | { state: 'cached'; result: GenerationResult }
  /** Another makes the call; this one has been noted, and needs no job. */
  | { state: 'following' }
  /** This one makes the call; it is to be added. */
  | { state: 'leading' }
  /** It would make the call, and the budgets do not let it. */
  | { state: 'refused'; reserved: Exclude<Reserved, { state: 'held' }> };

/** Identical requests at once, of which one makes the call; and the answers that are kept for those who come later. */
export interface Flights {
  /**
   * Finds the answer under this key, or a call under way, or leads one within the budgets. One script. Can be repeated.
   * @throws unavailable
   */
  join(payload: Shareable, cacheKey: string, claims: readonly BudgetClaim[]): Promise<Joined>;
  /**
   * A leader has ended: gives its followers the same end, and the cache its answer. Gives the followers that were answered. Where the
   * failure was the leader's own, another of them is to lead, see `passOn`.
   */
  land(payload: GeneratePayload, end: FlightEnd, fence?: Fence): Promise<Follower[]>;
  /** Makes the follower who waited longest the leader, and adds its job. Whether there was one. Can be repeated. */
  passOn(flight: Flight, leaderId: string, fence?: Fence): Promise<boolean>;
  /** Sees to it that a flight has a leader whose job is there: the one who should have done so may have died over it. */
  revive(flight: Flight): Promise<void>;
  /** A follower wants no answer any more. False where it is none (now). */
  leave(flightId: string, requestId: string): Promise<boolean>;
}

export interface FlightEnd {
  outcome: Outcome;
  /** Of the calls that were made. */
  rows: readonly LedgerRow[];
  /** What is longer is not sent: it is read by its id. */
  maxReplyBytes: number;
}

/** A slot is given up so long after its leader's deadline. */
const slotGraceMs = 60_000;

type Scripted = Redis & {
  aimmJoin(count: number, ...argv: (string | number)[]): Promise<[string, ...(string | number)[]]>;
  aimmLand(...argv: (string | number)[]): Promise<string[]>;
  aimmPromote(...argv: (string | number)[]): Promise<[] | ['shown'] | [follower: string, request: string]>;
  aimmLeave(flight: string, requestId: string): Promise<number>;
};

export interface FlightsOptions {
  redis: Redis;
  budgets: Budgets;
  producer: Pick<Producer, 'addGeneration'>;
}

export function createFlights({ redis, budgets, producer }: FlightsOptions): Flights {
  redis.defineCommand('aimmJoin', { lua: joinScript });
  redis.defineCommand('aimmLand', { numberOfKeys: 4, lua: landScript });
  redis.defineCommand('aimmPromote', { numberOfKeys: 3, lua: promoteScript });
  redis.defineCommand('aimmLeave', { numberOfKeys: 1, lua: leaveScript });
  const scripted = redis as Scripted;

  const promote = async (flight: Flight, leaderId: string, fence?: Fence, broken = '') => {
    const [follower, request] = await scripted.aimmPromote(
      fence?.lockKey ?? keys.flight(flight.id),
      keys.flight(flight.id),
      keys.slot(flight.slot),
      fence?.token ?? '',
      leaderId,
      flight.id,
      broken,
      replyStreamLength,
    );
    if (follower === 'shown') return 'shown';
    return follower !== undefined && request !== undefined && lead(flight, follower, request);
  };
  const passOn: Flights['passOn'] = async (flight, leaderId, fence) =>
    (await promote(flight, leaderId, fence)) === true;

  const lead = async (flight: Flight, follower: string, request: string): Promise<true> => {
    const payload = toPayload(flight, follower, request);
    // What it asked was looked at when another paid for it; a budget that is used up since then is passed by this one call.
    await budgets.hold(payload.requestId, payload.budget ?? [], payload.deadlineAt);
    await producer.addGeneration(payload, { goesOn: true });
    return true;
  };

  return {
    passOn,

    async join(payload, cacheKey, claims) {
      const { flight, requestId, deadlineAt } = payload;
      const record = generationRecord(payload);
      const { request, ...follower } = payload;
      const [head = '', tail = ''] = JSON.stringify({
        ...record,
        budget: undefined,
        follows: true,
        flight: { ...flight, id: marker },
      }).split(marker);
      const { budget: _budget, flight: _flight, ...answered } = record;
      const counters = claims.map(({ key }) => keys.budget(key));
      const [state, ...values] = await withRedis(redis, () =>
        scripted.aimmJoin(
          5 + counters.length,
          keys.cache(cacheKey),
          keys.slot(flight.slot),
          keys.request(requestId),
          keys.requestsOf(payload.client),
          keys.requesters,
          ...counters,
          requestId,
          Math.max(1, Math.ceil(deadlineAt - payload.enqueuedAt)) + slotGraceMs,
          requestTtlMs,
          JSON.stringify({ ...answered, cached: cacheKey }),
          head,
          tail,
          JSON.stringify(follower),
          JSON.stringify(request),
          claims.length === 0 ? '' : toBudgetsArgument(claims),
          toIndexMember(payload),
          payload.enqueuedAt,
          payload.client,
          payload.stream ? (payload.replyTo ?? '') : '',
          replyStreamLength,
        ),
      );
      switch (state) {
        case 'cached':
          return { state, result: GenerationResult.parse(JSON.parse(String(values[0]))) };
        case 'following':
        case 'leading':
          return { state };
        default:
          return { state: 'refused', reserved: requireRefused(parseReserved([state, ...values])) };
      }
    },

    async land(payload, { outcome, rows, maxReplyBytes }, fence) {
      const { flight, cache, requestId } = payload;
      if (flight === undefined) return [];
      if (isOwnFailure(outcome, payload, rows)) {
        const broken = isBrokenOff(outcome, payload, rows) ? toBreak(payload, flight, outcome.error) : '';
        // Where all who wait were shown the text of a call that broke, its end is theirs as well.
        if ((await promote(flight, requestId, fence, broken)) !== 'shown') return [];
      }
      const result = outcome.status === 'succeeded' ? GenerationResult.parse(outcome.value) : undefined;
      const isKept = result !== undefined && cache !== undefined && isWorthKeeping(result);
      const followers = await scripted.aimmLand(
        fence?.lockKey ?? keys.flight(flight.id),
        keys.flight(flight.id),
        keys.slot(flight.slot),
        keys.cache(cache?.key ?? ''),
        fence?.token ?? '',
        requestId,
        flight.id,
        isKept ? JSON.stringify(withoutOthersWarnings(payload, result)) : '',
        cache?.ttlMs ?? 0,
        replyStreamLength,
        ...toReplyPieces(payload, outcome, maxReplyBytes),
      );
      return followers.map(parseFollower);
    },

    async revive(flight) {
      const leaderId = await redis.hget(keys.flight(flight.id), 'leader');
      if (leaderId === null) return;
      const [follower, request] = await redis.hmget(keys.flight(flight.id), `f:${leaderId}`, 'request');
      // A follower that was made leader is known here, and adding it twice makes one job.
      if (follower != null && request != null) await lead(flight, follower, request);
      else await passOn(flight, leaderId);
    },

    leave: async (flightId, requestId) =>
      (await withRedis(redis, () => scripted.aimmLeave(keys.flight(flightId), requestId))) === 1,
  };
}

/** Stands for an id in JSON that a script puts together. */
const marker = randomUUID();

const FollowerSchema = jobs.generate.payload.omit({ request: true });

function parseFollower(json: string): Follower {
  return FollowerSchema.parse(JSON.parse(json));
}

function toPayload(flight: Flight, follower: string, request: string): JobPayload<'generate'> {
  return jobs.generate.payload.parse({ ...parseFollower(follower), request: JSON.parse(request), flight });
}

/** What those hear who were shown the text of a call that broke. */
function toBreak({ requestId }: GeneratePayload, { id: flight }: Flight, reason: ErrorShape): string {
  const place = { requestId, attempt: Number.MAX_SAFE_INTEGER, seq: Number.MAX_SAFE_INTEGER, flight };
  return JSON.stringify({ ...place, type: 'reset', reason, again: true } satisfies Reply);
}

/** What every follower is told, but for its id. */
function toReplyPieces(payload: GeneratePayload, outcome: Outcome, maxReplyBytes: number): string[] {
  const place = { requestId: marker, attempt: Number.MAX_SAFE_INTEGER, seq: Number.MAX_SAFE_INTEGER };
  const write = (reply: Reply) => JSON.stringify(reply);
  if (outcome.status === 'failed') return write({ ...place, type: 'failed', error: outcome.error }).split(marker);
  const result = withoutOthersWarnings(payload, GenerationResult.parse(outcome.value));
  const whole = write({ ...place, type: 'done', value: toSharedResult(result, marker) });
  return (whole.length <= maxReplyBytes ? whole : write({ ...place, type: 'done', value: null })).split(marker);
}

/** Why a model was chosen, say, is the asker's own; what the call itself brought is for all. */
function withoutOthersWarnings({ warnings, hop }: GeneratePayload, result: GenerationResult): GenerationResult {
  return hop === undefined ? { ...result, warnings: result.warnings.slice(warnings.length) } : result;
}

function requireRefused(reserved: Reserved): Exclude<Reserved, { state: 'held' }> {
  if (reserved.state === 'held') throw new TypeError('what is held is no refusal');
  return reserved;
}
