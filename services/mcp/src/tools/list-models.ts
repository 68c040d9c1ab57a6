import { Capability } from '@aimm/contracts';
import * as z from 'zod';
import { defineTool } from '../define-tool.ts';
import { formatModelLine, ModelSchema, ProviderSchema, toModelOutput, toProviderOutput } from '../format/model.ts';
import { ErrorSchema } from '../format/error-schema.ts';
import { toErrorOutput } from '../errors.ts';
import { formatPlural } from '../format/units.ts';

/** Lines that a model can still make use of; the rest is one search away. */
const maxLines = 200;

export const listModels = defineTool({
  name: 'list_models',
  title: 'List models',
  description:
    'Lists the models that can be asked, with context window, capabilities, prices and whether they are available now, and the configured providers.',
  input: z.strictObject({
    provider: z.string().min(1).optional().describe('Only this provider, such as openai.'),
    capability: Capability.optional().describe('Only models that can do this.'),
    search: z.string().min(1).optional().describe('Only models whose id or name contains this.'),
    refresh: z.boolean().optional().describe('Ask the providers anew in place of their last listing.'),
  }),
  output: z.object({
    models: z.array(ModelSchema),
    providers: z.array(ProviderSchema),
    problems: z
      .array(z.object({ provider: z.string(), error: ErrorSchema }))
      .describe('Providers whose own listing could not be read; their models are from the catalog.'),
  }),
  annotations: { readOnlyHint: true, destructiveHint: false, idempotentHint: true, openWorldHint: true },
  scopes: ['read', 'generate'],
  async run(input, context) {
    const manager = await context.manager();
    const { models, providers, problems } = await manager.listModels(input);
    const listed = models.slice(0, maxLines).map((model) => formatModelLine(model));
    const notes = [
      ...(models.length > maxLines
        ? [`… and ${models.length - maxLines} more: narrow the list with provider, capability or search.`]
        : []),
      ...providers
        .filter((provider) => provider.configured === false)
        .map(
          (provider) => `${provider.id} is not configured: set ${provider.apiKeyVariables.join(' or ') || 'it up'}.`,
        ),
      ...problems.map(({ provider, error }) => `${provider} could not be asked: ${error.message}`),
    ];
    return {
      text: [[`${formatPlural(models.length, 'model')}.`, ...listed].join('\n'), notes.join('\n')],
      structured: {
        models: models.map(toModelOutput),
        providers: providers.map(toProviderOutput),
        problems: problems.map(({ provider, error }) => ({ provider, error: toErrorOutput(error) })),
      },
    };
  },
});
