import type { Accepted, CompareAsk, ProgressEvent } from '@aimm/manager';
import type { ComparisonResult } from '@aimm/contracts';
import * as z from 'zod';
import { cancelledByClient, defineTool } from '../define-tool.ts';
import { toErrorOutput } from '../errors.ts';
import { createFollower, leaveRunning, waitForEnd } from '../follow.ts';
import { comparisonFields, type ComparisonOutput, formatComparison, toComparisonOutput } from '../format/comparison.ts';
import { toGenerationOutput } from '../format/generation.ts';
import { formatHandBack, formatQueued } from '../format/job.ts';
import {
  backgroundField,
  limitFields,
  ModelNameInput,
  modelsField,
  questionFields,
  rareFields,
  requireOneQuestion,
  settingFields,
} from '../input/ask-fields.ts';
import { toAsk } from '../input/to-ask.ts';

const Input = z
  .strictObject({
    ...questionFields,
    ...modelsField,
    ...settingFields,
    judge: ModelNameInput.optional().describe('A model that ranks the answers.'),
    criteria: z.string().min(1).optional().describe('What the judge ranks by.'),
    ...backgroundField,
    ...limitFields,
    ...rareFields,
  })
  .superRefine((input, ctx) => {
    requireOneQuestion(input, ctx);
    if (input.criteria !== undefined && input.judge === undefined)
      ctx.addIssue({ code: 'custom', path: ['criteria'], message: 'needs judge, the model that ranks by them' });
  });

export const compareModels = defineTool({
  name: 'compare_models',
  title: 'Compare models',
  description:
    'Asks 2 to 10 models the same question at once and returns every answer side by side with tokens, cost and latency, which was fastest, cheapest and longest, and on request a judgement by another model. One model failing leaves the others standing.',
  input: Input,
  output: z.object(comparisonFields),
  annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: false, openWorldHint: true },
  scopes: ['generate'],
  meta: { 'anthropic/maxResultSizeChars': 500_000 },
  failsAsJob: true,
  steps: ({ models, judge }) => models.length + (judge === undefined ? 0 : 1),
  async run(input, context) {
    const ask: CompareAsk = {
      ...toAsk(input, context.maxPromptBytes, input.criteria),
      models: input.models,
      judge: input.judge,
      criteria: input.criteria,
    };
    const manager = await context.manager();
    if (context.cancelled.aborted) throw cancelledByClient();
    if (input.background === true) {
      const accepted = await manager.compare(context.caller, ask);
      leaveRunning(accepted);
      return {
        text: formatQueued(accepted.requestId, accepted.models),
        structured: toPartialOutput(accepted, [], 'queued'),
        goesOn: accepted.requestId,
      };
    }
    const { onProgress, started, finished } = createFollower(context.progress, 'comparison');
    const accepted = await manager.compare(context.caller, ask, { signal: context.cancelled, onProgress });
    const ending = await waitForEnd(accepted, context);
    if (ending.done) return { text: formatComparison(ending.value), structured: toComparisonOutput(ending.value) };
    return {
      text: formatHandBack(accepted.requestId, ''),
      structured: toPartialOutput(accepted, finished, started() ? 'running' : 'queued'),
      goesOn: accepted.requestId,
    };
  },
});

type Finished = Extract<ProgressEvent, { type: 'model_finished' }>;

/** What is known of a comparison that goes on: the models that ended, in the order asked. */
function toPartialOutput(
  accepted: Accepted<ComparisonResult>,
  finished: readonly Finished[],
  status: 'queued' | 'running',
): ComparisonOutput {
  const left = [...finished];
  const results = accepted.models.map((model) => {
    const index = left.findIndex((event) => `${event.provider}/${event.model}` === model);
    const event = index === -1 ? undefined : left.splice(index, 1)[0];
    if (event?.result !== undefined) return toGenerationOutput(event.result);
    if (event?.error !== undefined) return { status: 'failed' as const, model, error: toErrorOutput(event.error) };
    return { status, model };
  });
  return {
    job_id: accepted.requestId,
    status,
    results,
    progress: { finished: finished.length, total: accepted.models.length },
  };
}
