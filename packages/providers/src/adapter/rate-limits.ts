import type { RateLimits } from '@aimm/contracts';
import { parseReset } from './retry-after.ts';

type Headers = Readonly<Record<string, string>>;

/** Where each vendor says what is left. Names overlap with nobody else's, so every provider is looked at for all. */
const requestsLeft = [
  'x-ratelimit-remaining-requests', // OpenAI and what speaks its wire
  'anthropic-ratelimit-requests-remaining',
  'x-ratelimit-remaining-req-minute', // Mistral
] as const;
const tokensLeft = [
  'x-ratelimit-remaining-tokens',
  'anthropic-ratelimit-tokens-remaining',
  'x-ratelimit-remaining-tokens-minute',
] as const;
/** Mistral gives none. */
const resets = [
  'x-ratelimit-reset-requests',
  'x-ratelimit-reset-tokens',
  'anthropic-ratelimit-requests-reset',
  'anthropic-ratelimit-tokens-reset',
] as const;

/**
 * What a response's headers say of the limits that are left; undefined where they say nothing. Google and Ollama do not.
 * @param headers by lower-case name
 * @param now epoch milliseconds
 */
export function parseRateLimits(headers: Headers, now: number): RateLimits | undefined {
  const requestsRemaining = findCount(headers, requestsLeft);
  const tokensRemaining = findCount(headers, tokensLeft);
  if (requestsRemaining === undefined && tokensRemaining === undefined) return undefined;
  const waits = resets.flatMap((name) => parseReset(headers[name] ?? '', now) ?? []);
  return {
    ...(requestsRemaining !== undefined && { requestsRemaining }),
    ...(tokensRemaining !== undefined && { tokensRemaining }),
    ...(waits.length > 0 && { resetAt: Math.round(now + Math.max(0, ...waits)) }),
    seenAt: now,
  };
}

function findCount(headers: Headers, names: readonly string[]): number | undefined {
  const text = names.map((name) => headers[name]).find((value) => value !== undefined);
  const count = text !== undefined && /^\d+$/.test(text.trim()) ? Number(text) : undefined;
  return Number.isSafeInteger(count) ? count : undefined;
}

/** What is left of one limit. `resetMs`: how long until it is whole again. */
interface Room {
  left: number;
  limit?: number;
  resetMs?: number;
}

/** What a vendor's limits for the model that answered still allow. */
export interface Headroom {
  requests?: Room;
  tokens?: Room;
}

const requestsAtMost = [
  'x-ratelimit-limit-requests',
  'anthropic-ratelimit-requests-limit',
  'x-ratelimit-limit-req-minute',
] as const;
const tokensAtMost = [
  'x-ratelimit-limit-tokens',
  'anthropic-ratelimit-tokens-limit',
  'x-ratelimit-limit-tokens-minute',
] as const;

/** The same for our own pace: each limit by itself. @param now epoch milliseconds */
export function parseHeadroom(headers: Headers, now: number): Headroom | undefined {
  const toRoom = (left: readonly string[], most: readonly string[], reset: readonly string[]): Room | undefined => {
    const count = findCount(headers, left);
    if (count === undefined) return undefined;
    const limit = findCount(headers, most);
    const resetMs = reset.flatMap((name) => parseReset(headers[name] ?? '', now) ?? [])[0];
    return { left: count, ...(limit !== undefined && { limit }), ...(resetMs !== undefined && { resetMs }) };
  };
  const requests = toRoom(requestsLeft, requestsAtMost, [resets[0], resets[2]]);
  const tokens = toRoom(tokensLeft, tokensAtMost, [resets[1], resets[3]]);
  if (requests === undefined && tokens === undefined) return undefined;
  return { ...(requests && { requests }), ...(tokens && { tokens }) };
}
