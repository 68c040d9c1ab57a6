import type { GeneratePayload } from '@aimm/contracts';
import { type Headroom, parseHeadroom } from '@aimm/providers';
import { type Admission, createErrorLog, type LimitScope, modelOf, queueOf } from '@aimm/queue';
import type { Logger } from '@aimm/runtime';

/** Slows a model down, for all workers, while its vendor says that little is left of a limit. */
export interface PaceKeeper {
  /** Reads a response's headers; `keys` share what is asked of the vendor. */
  note(payload: GeneratePayload, headers: Record<string, string>, keys: number): void;
}

/** Less than this share of a limit is little; without a known limit, so few calls. */
const littleShare = 0.2;
const fewCalls = 5;
/** Vendors' windows are a minute, where they say nothing. */
const usualResetMs = 60_000;
/** Headers come with answers only: a call at least every so often tells whether there is more by now. */
const longestEveryMs = 5_000;
const longestForMs = 10_000;

export function createPaceKeeper({ admission, logger }: { admission: Admission; logger: Logger }): PaceKeeper {
  const slowed = new Set<string>();
  const onError = createErrorLog(logger, 'Could not pass a pace on');
  const tell = (work: Promise<void>) => void work.catch(onError);

  return {
    note(payload, headers, keys) {
      const headroom = parseHeadroom(headers, Date.now());
      if (headroom === undefined) return;
      const id = modelOf(payload);
      const scope: LimitScope = { kind: 'model', id };
      const requests = toPace(headroom.requests, keys, longestEveryMs * 1_000);
      const tokens = toPace(headroom.tokens, keys);
      const isSlow = (requests?.everyUs ?? 0) > 0 || (tokens?.everyUs ?? 0) > 0;
      if (!isSlow && !slowed.delete(id)) return;
      if (isSlow) slowed.add(id);
      tell(admission.pace(scope, { ...(requests && { requests }), ...(tokens && { tokens }) }));
      const emptyForMs = [headroom.requests, headroom.tokens]
        .filter((each) => each?.left === 0 && keys === 1)
        .map((each) => Math.min(each?.resetMs ?? usualResetMs, longestEveryMs));
      if (emptyForMs.length > 0)
        tell(admission.hold(scope, queueOf('generate', payload.provider), Math.max(...emptyForMs)));
    },
  };
}

/** What is left, spread over the time until the limit is whole again; 0 where there is plenty. */
function toPace(room: Headroom['requests'], keys: number, longestEveryUs = Number.POSITIVE_INFINITY) {
  if (room === undefined) return undefined;
  const { left, limit, resetMs = usualResetMs } = room;
  const isLittle = limit === undefined ? left <= fewCalls : left <= limit * littleShare;
  if (!isLittle || resetMs <= 0) return { everyUs: 0, forMs: 0 };
  const everyUs = Math.min((resetMs * 1_000) / Math.max(1, left * keys), longestEveryUs);
  return { everyUs: Math.max(1, everyUs), forMs: Math.min(resetMs, longestForMs) };
}
