import type { ErrorRule } from '../adapter/provider-error.ts';

export const anthropicErrorRules: readonly ErrorRule[] = [
  {
    code: 'quota_exceeded',
    words: ['billing_error', 'enforced_spend_limit_reached', 'contract_spend_limit_reached'],
  },
  { code: 'quota_exceeded', status: [400], message: /credit balance is too low|specified (API )?usage limit/i },
  { code: 'context_length_exceeded', status: [400, 413], message: /prompt is too long|exceed(s)? context limit/i },
  // Thoughts are signed for the model that had them.
  { code: 'invalid_request', status: [400], message: /signature.{0,10}thinking/i, refused: 'kept' },
];
