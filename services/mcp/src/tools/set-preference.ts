import { toSettings } from '@aimm/batch/input';
import * as z from 'zod';
import { defineTool } from '../define-tool.ts';
import { formatPreferenceChange, PreferenceSchema, toPreferenceOutput } from '../format/preference.ts';
import { ModelNameInput, rareFields, settingFields } from '../input/ask-fields.ts';

const { system, max_output_tokens, temperature, top_p, stop, seed, reasoning_effort } = settingFields;
const { top_k, presence_penalty, frequency_penalty, service_tier, prompt_cache } = rareFields;

export const setPreference = defineTool({
  name: 'set_preference',
  title: 'Set a preference',
  description:
    'Lets a name stand for a model with settings: an alias; default for requests that name no model (its settings are for all); or auto, what model auto chooses from. With the name alone it is removed. A request’s own settings win.',
  input: z.strictObject({
    name: z.string().min(1).max(64).describe('An alias, default or auto.'),
    model: z
      .union([ModelNameInput, z.array(ModelNameInput).min(1).max(20)], 'expected a model or a list of up to 20')
      .optional()
      .describe('A model or pool, or several of which the first is asked that can be.'),
    system,
    max_output_tokens,
    temperature,
    top_p,
    stop,
    seed,
    reasoning_effort,
    client: z.string().min(1).max(200).optional().describe('Whose; default yours. * is everybody’s, for admins.'),
    top_k,
    presence_penalty,
    frequency_penalty,
    service_tier,
    prompt_cache,
  }),
  output: z.object({
    change: z.enum(['set', 'removed', 'none']),
    name: z.string(),
    preference: PreferenceSchema.optional().describe('What holds under this name now.'),
    warnings: z.array(z.string()),
  }),
  annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: true, openWorldHint: false },
  scopes: ['generate'],
  async run(input, context) {
    const { name, model, client, system: instructions, ...fields } = input;
    const manager = await context.manager();
    const change = await manager.setPreference(context.caller, {
      name,
      models: typeof model === 'string' ? [model] : model,
      settings: { ...toSettings(fields), ...(instructions !== undefined && { system: instructions }) },
      client,
    });
    return {
      text: [formatPreferenceChange(change)],
      structured: {
        change: change.change,
        name: change.name,
        ...(change.inForce !== undefined && { preference: toPreferenceOutput(change.inForce) }),
        warnings: change.warnings,
      },
    };
  },
});
