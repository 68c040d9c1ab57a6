import * as z from 'zod';

export const ErrorCode = z.enum([
  'invalid_request',
  'authentication',
  'permission',
  'unknown_model',
  'rate_limited',
  'quota_exceeded',
  'budget_exceeded',
  'context_length_exceeded',
  'content_filtered',
  'overloaded',
  'timeout',
  'network',
  'server_error',
  'cancelled',
  'outcome_unknown',
  'unavailable',
  'internal',
]);
export type ErrorCode = z.infer<typeof ErrorCode>;

/** How an error travels through Redis and into results. `message` is our own wording; it never holds a secret. */
export const ErrorShape = z.object({
  code: ErrorCode,
  message: z.string(),
  retryable: z.boolean(),
  retryAfterMs: z.number().nonnegative().optional(),
  provider: z.string().optional(),
  hint: z.string().optional(),
});
export type ErrorShape = z.infer<typeof ErrorShape>;

export interface ErrorDetails {
  /** Default: by code, see {@link retryableByDefault}. */
  retryable?: boolean | undefined;
  /** How long the vendor asked us to wait, in milliseconds. */
  retryAfterMs?: number | undefined;
  provider?: string | undefined;
  /** Whose limit it is, where the vendor says that it is the model's alone. Stays in the process. */
  appliesTo?: 'model' | undefined;
  /** What of the request was refused, where it can be asked without: what was kept with its tool calls. Stays in the process. */
  refused?: 'kept' | undefined;
  /** What the reader can do about it, as a sentence. */
  hint?: string | undefined;
  /** For logs only: a short extract of what the vendor said. Never sent to a client or a model. */
  vendorMessage?: string | undefined;
  cause?: unknown;
}

const retryableByDefault: ReadonlySet<ErrorCode> = new Set([
  'rate_limited',
  'overloaded',
  'timeout',
  'network',
  'server_error',
]);

/** The one error of this system. Vendors' errors become it in `providers`; clients see it formatted by their face. */
export class ModelManagerError extends Error {
  readonly code: ErrorCode;
  readonly retryable: boolean;
  readonly retryAfterMs: number | undefined;
  readonly provider: string | undefined;
  readonly appliesTo: 'model' | undefined;
  readonly refused: 'kept' | undefined;
  readonly hint: string | undefined;
  readonly vendorMessage: string | undefined;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = 'ModelManagerError';
    this.code = code;
    this.retryable = details.retryable ?? retryableByDefault.has(code);
    this.retryAfterMs = details.retryAfterMs;
    this.provider = details.provider;
    this.appliesTo = details.appliesTo;
    this.refused = details.refused;
    this.hint = details.hint;
    this.vendorMessage = details.vendorMessage;
  }

  toShape(): ErrorShape {
    return {
      code: this.code,
      message: this.message,
      retryable: this.retryable,
      ...(this.retryAfterMs !== undefined && { retryAfterMs: this.retryAfterMs }),
      ...(this.provider !== undefined && { provider: this.provider }),
      ...(this.hint !== undefined && { hint: this.hint }),
    };
  }

  static fromShape(shape: ErrorShape): ModelManagerError {
    return new ModelManagerError(shape.code, shape.message, shape);
  }
}

/** Whatever was thrown, as our error. What is not ours is `internal`, its text kept as cause and out of the message. */
export function toModelManagerError(thrown: unknown): ModelManagerError {
  if (thrown instanceof ModelManagerError) return thrown;
  return new ModelManagerError('internal', 'Something went wrong inside AI Model Manager.', {
    cause: thrown,
    hint: 'The log of the process that reported this has the details.',
  });
}
