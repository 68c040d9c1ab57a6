import { ModelManagerError } from '@aimm/contracts';
import type { JobView } from '@aimm/manager';
import type { Logger } from '@aimm/runtime';
import type { CallToolResult } from '@modelcontextprotocol/server';
import { toResult } from '../define-tool.ts';
import { JobError, toErrorResult } from '../errors.ts';
import { formatBatch, toBatchOutput } from '../format/batch.ts';
import { formatComparison, toComparisonOutput } from '../format/comparison.ts';
import { formatGeneration, toGenerationOutput } from '../format/generation.ts';
import { formatJob } from '../format/job.ts';

const tools = { generation: 'generate', comparison: 'compare_models', batch: 'start_batch' } as const;

/** What the tool that made a job would have answered had it waited for the end; undefined while there is none. */
export function toToolResult(view: JobView, logger: Logger): CallToolResult | undefined {
  const { requestId, kind, status, error, batch, generation, comparison } = view;
  if (status === 'queued' || status === 'running') return undefined;
  if (batch !== undefined) return toResult({ text: formatBatch(batch), structured: toBatchOutput(batch) });
  if (status !== 'succeeded') {
    const thrown =
      error === undefined
        ? new ModelManagerError(status === 'cancelled' ? 'cancelled' : 'internal', `The request ${status}.`)
        : ModelManagerError.fromShape(error);
    return toErrorResult(new JobError(thrown, requestId), { tool: tools[kind], structured: true, logger });
  }
  if (generation !== undefined)
    return toResult({ text: formatGeneration(generation), structured: toGenerationOutput(generation) });
  if (comparison !== undefined)
    return toResult({ text: formatComparison(comparison), structured: toComparisonOutput(comparison) });
  return toResult({ text: formatJob(view), structured: { job_id: requestId, status, model: view.model } });
}
