import * as z from 'zod';
import { defineTool } from '../define-tool.ts';
import { formatModel, ModelSchema, toModelOutput } from '../format/model.ts';

export const getModelInfo = defineTool({
  name: 'get_model_info',
  title: 'Describe a model',
  description:
    'Describes one model: context window, longest answer, modalities, capabilities, prices, settings it does not take, and whether it is available now.',
  input: z.strictObject({
    model: z.string().min(1).max(300).describe('Written as in generate.'),
  }),
  output: ModelSchema.extend({ warnings: z.array(z.string()) }),
  annotations: { readOnlyHint: true, destructiveHint: false, idempotentHint: true, openWorldHint: false },
  scopes: ['read', 'generate'],
  async run(input, context) {
    const manager = await context.manager();
    const model = await manager.getModelInfo(context.caller, input.model);
    return { text: [formatModel(model)], structured: { ...toModelOutput(model), warnings: model.warnings } };
  },
});
