import type { ErrorFacts, ErrorRule } from '../adapter/provider-error.ts';

export const mistralErrorRules: readonly ErrorRule[] = [
  { code: 'overloaded', status: [429], words: ['3505'] },
  { code: 'overloaded', status: [429], message: /capacity exceeded/i },
  { code: 'quota_exceeded', status: [429], test: isUsedUp },
  { code: 'unknown_model', words: ['invalid_model'] },
  { code: 'unknown_model', status: [400, 422], message: /^invalid model/i },
  { code: 'context_length_exceeded', status: [400, 422], message: /too large for model with \d+ maximum context/i },
  { code: 'content_filtered', status: [400, 403, 422], message: /guardrail/i },
];

/** A free organisation without allowance has a limit of nothing; the month's tokens do not come back this minute. */
function isUsedUp({ headers }: ErrorFacts): boolean {
  return headers['x-ratelimit-limit-req-minute'] === '0' || headers['x-ratelimit-remaining-tokens-month'] === '0';
}
