import { isObject } from '../adapter/error-body.ts';
import type { ErrorFacts, ErrorRule } from '../adapter/provider-error.ts';

export const googleErrorRules: readonly ErrorRule[] = [
  // A bad key is a 400 here.
  { code: 'authentication', words: ['api_key_invalid', 'api_key_expired', 'unauthenticated'] },
  { code: 'authentication', status: [400], message: /API key (not valid|expired)/i },
  { code: 'quota_exceeded', status: [429], test: isDailyQuota },
  { code: 'quota_exceeded', words: ['failed_precondition'], message: /billing/i },
  { code: 'context_length_exceeded', status: [400], message: /input token count.*exceeds the maximum/i },
  { code: 'permission', words: ['permission_denied'] },
  { code: 'unknown_model', words: ['not_found'] },
  { code: 'invalid_request', status: [400], message: /thought.signature/i, refused: 'kept' },
];

/** A quota per day is back at midnight in California; per minute it is a rate limit. */
function isDailyQuota({ details }: ErrorFacts): boolean {
  return details
    .flatMap((detail) => (Array.isArray(detail['violations']) ? detail['violations'] : []))
    .some((violation: unknown) => isObject(violation) && String(violation['quotaId']).includes('PerDay'));
}
