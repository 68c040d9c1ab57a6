import { MessageInput } from '@aimm/batch/input';
import * as z from 'zod';
import { defineTool } from '../define-tool.ts';
import { EstimateSchema, formatEstimates, toEstimateOutput } from '../format/estimate.ts';
import { ModelNameInput, questionFields, requireOneQuestion, settingFields } from '../input/ask-fields.ts';
import { toAsk } from '../input/to-ask.ts';

export const estimateCost = defineTool({
  name: 'estimate_cost',
  title: 'Estimate cost',
  description:
    'Estimates tokens and cost of a request per model, cheapest first, for an ordinary and for the longest answer. Asks nobody and costs nothing.',
  input: z
    .strictObject({
      prompt: questionFields.prompt,
      // What a turn looks like stands twice in the list of tools; once more would cost every client some 400 tokens.
      messages: z
        .array(z.record(z.string(), z.unknown()))
        .min(1)
        .pipe(z.array(MessageInput))
        .optional()
        .describe('A whole conversation in place of prompt, as in generate.'),
      models: z.array(ModelNameInput).min(1).max(50).describe('1 to 50 models, each written as in generate.'),
      max_output_tokens: settingFields.max_output_tokens,
    })
    .superRefine((input, ctx) => requireOneQuestion(input, ctx)),
  output: z.object({ estimates: z.array(EstimateSchema) }),
  annotations: { readOnlyHint: true, destructiveHint: false, idempotentHint: true, openWorldHint: false },
  scopes: ['read', 'generate'],
  async run(input, context) {
    const { messages, settings } = toAsk(input, context.maxPromptBytes);
    const manager = await context.manager();
    const estimates = await manager.estimateCost(context.caller, { messages, settings, models: input.models });
    return { text: [formatEstimates(estimates)], structured: { estimates: estimates.map(toEstimateOutput) } };
  },
});
