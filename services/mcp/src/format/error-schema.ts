import { ErrorCode } from '@aimm/contracts';
import * as z from 'zod';

/** What {@link toErrorOutput} makes. */
export const ErrorSchema = z.object({
  code: ErrorCode,
  message: z.string(),
  hint: z.string(),
  retryable: z.boolean(),
  retry_after_ms: z.number().optional(),
  provider: z.string().optional(),
});
