import type { ErrorCode, ModelManagerError } from '@aimm/contracts';

/**
 * What a call says of its provider's state: `answered` (well enough to say something), `failed`, `unreachable` (nobody
 * was there: no model of it can be), or `unknown`.
 */
export type CallVerdict = 'answered' | 'failed' | 'unreachable' | 'unknown';

/** How long a provider may be silent before that is its own fault and not the asker's impatience. */
export interface Patience {
  firstByteTimeoutMs: number;
  idleTimeoutMs: number;
}

/** It said no to this request, and would have answered another. */
const answers: ReadonlySet<ErrorCode> = new Set([
  'invalid_request',
  'unknown_model',
  'context_length_exceeded',
  'content_filtered',
]);

/**
 * Maps the end of a call to what it says of the provider. Keys and rate limits are looked after elsewhere and count for
 * nothing here, nor does a timeout that came sooner than the provider's own. Pure.
 */
export function judgeCall(error: ModelManagerError | undefined, tookMs: number, patience: Patience): CallVerdict {
  if (error === undefined || answers.has(error.code)) return 'answered';
  switch (error.code) {
    case 'server_error':
      return 'failed';
    case 'overloaded':
      return error.retryAfterMs === undefined ? 'failed' : 'unknown';
    case 'timeout':
      return tookMs >= Math.min(patience.firstByteTimeoutMs, patience.idleTimeoutMs) ? 'failed' : 'unknown';
    case 'network':
      return 'unreachable';
    default:
      return 'unknown';
  }
}
