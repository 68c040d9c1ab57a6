import { isLargerThanRate } from '../adapter/context-overflow.ts';
import type { ErrorRule } from '../adapter/provider-error.ts';

/** OpenAI's words, which compatible servers borrow. */
export const openAiErrorRules: readonly ErrorRule[] = [
  {
    code: 'quota_exceeded',
    words: [
      'insufficient_quota',
      'billing_hard_limit_reached',
      'credit_balance_exhausted',
      'organization_spend_limit_exceeded',
      'organization_usage_limit_exceeded',
      'project_spend_limit_exceeded',
    ],
  },
  { code: 'rate_limited', words: ['rate_limit_exceeded'], test: isLargerThanRate, retryable: false },
  { code: 'context_length_exceeded', words: ['context_length_exceeded', 'exceed_context_size_error'] },
  // vLLM, LM Studio and others say it in words only.
  {
    code: 'context_length_exceeded',
    status: [400, 413, 500],
    message:
      /maximum (context|model) length|exceeds?.{0,30}context (size|length|window)|(context length of only|greater than the context length)/i,
  },
  {
    code: 'content_filtered',
    words: [
      'bio_policy',
      'content_filter',
      'content_policy_violation',
      'image_content_policy_violation',
      'invalid_prompt',
      'misalignment_policy_violation',
    ],
  },
  // OpenRouter's; of a model that nobody hosts it says “No endpoints found for” it.
  { code: 'content_filtered', status: [403], message: /flagged|requires moderation/i },
  { code: 'invalid_request', status: [404], message: /no endpoints (found|available) (that|matching)/i },
  // An address that lacks its `/v1`: whoever knows the API, and not the model, speaks of the model.
  {
    code: 'server_error',
    status: [404],
    test: ({ codes, message }) => !/model|deployment|endpoints found/i.test([...codes, message].join(' ')),
  },
  // Inside a stream they come without a status.
  {
    code: 'invalid_request',
    words: [
      'empty_image_file',
      'failed_to_download_image',
      'image_file_not_found',
      'image_file_too_large',
      'image_parse_error',
      'image_too_large',
      'image_too_small',
      'invalid_base64_image',
      'invalid_image',
      'invalid_image_format',
      'invalid_image_mode',
      'invalid_image_url',
      'unsupported_image_media_type',
    ],
  },
  { code: 'permission', words: ['data_residency_mismatch'] },
  { code: 'authentication', words: ['invalid_api_key'] },
  { code: 'unknown_model', words: ['model_not_found'] },
  { code: 'overloaded', words: ['server_is_overloaded', 'service_unavailable_error'] },
  // Of a batch; compatible servers say the word of prompts that are too long.
  { code: 'rate_limited', words: ['token_limit_exceeded'], message: /enqueued token/i },
  // Another organisation's reasoning, or a model that does not reason; compatible servers name the field that they do not take.
  { code: 'invalid_request', words: ['invalid_encrypted_content'], refused: 'kept' },
  {
    code: 'invalid_request',
    status: [400, 422],
    message: /\breasoning(_content|_details)?\b(?!\.\w)|\bextra_content\b/i,
    // Who misses it refuses to go without.
    test: ({ message }) => !/passed back|preserved/i.test(message),
    refused: 'kept',
  },
];
