import { type ErrorCode, type ErrorShape, ModelManagerError, toModelManagerError } from '@aimm/contracts';
import type { Logger } from '@aimm/runtime';
import type { CallToolResult } from '@modelcontextprotocol/server';
import { formatSeconds } from './format/units.ts';

/** What to do about an error whose thrower gave no hint. */
const defaultHints: Record<ErrorCode, string> = {
  invalid_request: 'Correct the arguments and call the tool again.',
  authentication: 'Set a valid API key for this provider in the environment of the server, then restart it.',
  permission: 'Use another model, or an API key that is allowed to use this one.',
  unknown_model: 'Call list_models to see which models there are.',
  rate_limited: 'Wait and call again, or use a model of another provider.',
  quota_exceeded: 'Raise the quota or add credit with the provider, or use a model of another provider.',
  budget_exceeded: 'Raise the budget, or wait until its period ends.',
  context_length_exceeded: 'Shorten the prompt, or use a model with a larger context window (see get_model_info).',
  content_filtered: 'Rephrase the prompt, or use another model.',
  overloaded: 'Call again later, or use a model of another provider.',
  timeout: 'Raise max_wait_seconds or timeout_seconds, or call with background: true and read the answer with get_job.',
  network: 'Check that the provider can be reached from here (check_health), then call again.',
  server_error: 'Call again, or use a model of another provider.',
  cancelled: 'Call the tool again if the answer is still wanted.',
  outcome_unknown: 'It may have been carried out and charged. Call again if a second charge is acceptable.',
  unavailable: 'Call check_health to see what is down.',
  internal: 'The log of the server has the details.',
};

/** An error as structured results carry it. */
export interface ErrorOutput {
  code: ErrorCode;
  message: string;
  hint: string;
  retryable: boolean;
  retry_after_ms?: number | undefined;
  provider?: string | undefined;
}

export function toErrorOutput(error: ErrorShape): ErrorOutput {
  return {
    code: error.code,
    message: error.message,
    hint: error.hint ?? defaultHints[error.code],
    retryable: error.retryable,
    retry_after_ms: error.retryAfterMs,
    provider: error.provider,
  };
}

/** An error as people and models read it: what happened, the way out, and one line to look things up by. */
export function formatError(error: ErrorShape, jobId?: string): string {
  const { message, hint, code, retry_after_ms: retryAfterMs } = toErrorOutput(error);
  const facts = [
    `error: ${code}`,
    ...(retryAfterMs === undefined ? [] : [`retry after ${formatSeconds(retryAfterMs)}`]),
    ...(jobId === undefined ? [] : [`job_id: ${jobId}`]),
  ];
  return `${message}\n${hint}\n(${facts.join(' · ')})`;
}

/** A failure of a request that exists: the id goes into the result. `goesOn`: only the wait for it has failed. */
export class JobError extends ModelManagerError {
  readonly jobId: string;
  readonly goesOn: boolean;
  constructor(thrown: unknown, jobId: string, { goesOn = false } = {}) {
    const error = toModelManagerError(thrown);
    const { hint = goesOn ? 'Call get_job with this job_id to read the answer.' : undefined, ...shape } =
      error.toShape();
    super(error.code, error.message, { ...shape, hint, vendorMessage: error.vendorMessage, cause: error });
    this.jobId = jobId;
    this.goesOn = goesOn;
  }
}

function toStatus(error: ModelManagerError): 'running' | 'cancelled' | 'failed' {
  if (error instanceof JobError && error.goesOn) return 'running';
  return error.code === 'cancelled' ? 'cancelled' : 'failed';
}

/**
 * Whatever a tool threw, as its result. `structured` only for tools whose error is the end of their request, and whose output
 * schema has `status` and `error` and demands nothing else: clients exist that hold even an error against the schema.
 */
export function toErrorResult(
  thrown: unknown,
  { tool, structured, logger }: { tool: string; structured: boolean; logger: Logger },
): CallToolResult {
  const error = toModelManagerError(thrown);
  const jobId = thrown instanceof JobError ? thrown.jobId : undefined;
  if (error.code === 'internal') logger.error({ err: error, tool, jobId }, 'Tool failed');
  else logger.debug({ code: error.code, tool, jobId }, 'Tool answered with an error');
  const shape = error.toShape();
  return {
    isError: true,
    content: [{ type: 'text', text: formatError(shape, jobId) }],
    ...(structured && {
      structuredContent: {
        ...(jobId !== undefined && { job_id: jobId }),
        status: toStatus(error),
        error: toErrorOutput(shape),
      },
    }),
  };
}
