import { expect, test } from 'vitest';
import { parseHeadroom, parseRateLimits } from '../src/adapter/rate-limits.ts';

const now = Date.parse('2026-11-22T12:00:00Z');

test.each([
  [
    'openai',
    {
      'x-ratelimit-limit-requests': '500',
      'x-ratelimit-remaining-requests': '499',
      'x-ratelimit-remaining-tokens': '29900',
      'x-ratelimit-reset-requests': '120ms',
      'x-ratelimit-reset-tokens': '6m0s',
    },
    { requestsRemaining: 499, tokensRemaining: 29_900, resetAt: now + 360_000 },
  ],
  [
    'anthropic',
    {
      'anthropic-ratelimit-requests-remaining': '49',
      'anthropic-ratelimit-tokens-remaining': '80000',
      'anthropic-ratelimit-requests-reset': '2026-11-22T12:00:01Z',
      'anthropic-ratelimit-tokens-reset': '2026-11-22T12:00:30Z',
    },
    { requestsRemaining: 49, tokensRemaining: 80_000, resetAt: now + 30_000 },
  ],
  [
    'mistral',
    { 'x-ratelimit-remaining-req-minute': '59', 'x-ratelimit-remaining-tokens-minute': '0' },
    { requestsRemaining: 59, tokensRemaining: 0 },
  ],
])('%s says what is left', (_vendor, headers, expected) => {
  expect(parseRateLimits(headers, now)).toEqual({ ...expected, seenAt: now });
});

test('a reset that is past is now', () => {
  const headers = {
    'anthropic-ratelimit-requests-remaining': '1',
    'anthropic-ratelimit-requests-reset': '2026-11-22T11:00:00Z',
  };
  expect(parseRateLimits(headers, now)).toEqual({ requestsRemaining: 1, resetAt: now, seenAt: now });
});

test.each([
  [{}],
  [{ 'content-type': 'application/json' }],
  [{ 'x-ratelimit-remaining-requests': 'plenty' }],
  [{ 'x-ratelimit-remaining-tokens': '' }],
])('what no vendor means says nothing: %j', (headers) => {
  expect(parseRateLimits(headers, now)).toBeUndefined();
});

test('tells what is left of each limit by itself, and how much it was', () => {
  expect(
    parseHeadroom(
      {
        'x-ratelimit-limit-requests': '500',
        'x-ratelimit-remaining-requests': '4',
        'x-ratelimit-remaining-tokens': '29900',
        'x-ratelimit-reset-requests': '120ms',
        'x-ratelimit-reset-tokens': '6m0s',
      },
      now,
    ),
  ).toEqual({ requests: { left: 4, limit: 500, resetMs: 120 }, tokens: { left: 29_900, resetMs: 360_000 } });
  expect(parseHeadroom({ 'x-ratelimit-remaining-req-minute': '0' }, now)).toEqual({ requests: { left: 0 } });
  expect(parseHeadroom({}, now)).toBeUndefined();
});
