import type { ErrorRule } from '../adapter/provider-error.ts';

export const ollamaErrorRules: readonly ErrorRule[] = [
  { code: 'context_length_exceeded', status: [400], message: /exceeds? the (available )?context (length|size)/i },
  { code: 'unknown_model', message: /^model .+ not found/i },
];
