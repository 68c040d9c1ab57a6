import * as z from 'zod';
import { defineTool } from '../define-tool.ts';
import { formatPreferences, PreferenceSchema, toPreferenceOutput } from '../format/preference.ts';

export const getPreferences = defineTool({
  name: 'get_preferences',
  title: 'Show preferences',
  description:
    'Lists the aliases that may stand for a model (fast, smart, code and your own) with models and settings, and your defaults.',
  input: z.strictObject({}),
  output: z.object({ preferences: z.array(PreferenceSchema) }),
  annotations: { readOnlyHint: true, destructiveHint: false, idempotentHint: true, openWorldHint: false },
  scopes: ['read', 'generate'],
  async run(_input, context) {
    const manager = await context.manager();
    const list = await manager.getPreferences(context.caller);
    return { text: [formatPreferences(list)], structured: { preferences: list.preferences.map(toPreferenceOutput) } };
  },
});
