import type { PreferenceSettings } from '@aimm/contracts';
import type { PreferenceChange, PreferenceList, PreferenceView } from '@aimm/manager';
import * as z from 'zod';
import { toIsoTime } from './units.ts';

export const PreferenceSchema = z.object({
  name: z.string(),
  scope: z.enum(['own', 'everybody', 'built_in']),
  means: z.string().describe('What the name stands for, in words.'),
  models: z
    .array(z.string())
    .describe('In order of preference; empty where it is chosen by size, and for settings alone.'),
  settings: z.record(z.string(), z.unknown()),
  updated_at: z.string().optional(),
  hides: z.boolean().optional().describe('Another of this name holds once this one is removed.'),
  hidden_by: z.string().optional().describe('What has this name by now, so that the preference is not used.'),
});
type PreferenceOutput = z.input<typeof PreferenceSchema>;

export function toPreferenceOutput(view: PreferenceView): PreferenceOutput {
  const { name, scope, means, models, settings, updatedAt, hides, hiddenBy } = view;
  return {
    name,
    scope,
    means,
    models,
    settings: toSnakeCaseSettings(settings),
    ...(updatedAt !== undefined && { updated_at: toIsoTime(updatedAt) }),
    ...(hides === true && { hides }),
    ...(hiddenBy !== undefined && { hidden_by: hiddenBy }),
  };
}

/** Settings by the names that callers of the tools write. */
function toSnakeCaseSettings(settings: PreferenceSettings): Record<string, unknown> {
  const entries = Object.entries(settings).map(([name, value]) => [
    name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
    value,
  ]);
  return Object.fromEntries(entries);
}

const scopes: Readonly<Record<PreferenceView['scope'], string>> = {
  own: 'yours',
  everybody: "everybody's",
  built_in: 'built in',
};

/** `work (yours): openai/gpt-6-luna; temperature 0.2`. */
function formatPreference(view: PreferenceView): string {
  const settings = Object.entries(toSnakeCaseSettings(view.settings)).map(([name, value]) => {
    const text = typeof value === 'string' ? value : JSON.stringify(value);
    return `${name} ${text.length > 80 ? `${text.slice(0, 79)}…` : text}`;
  });
  const hidden = view.hiddenBy === undefined ? '' : ` (not used: ${view.hiddenBy} has that name)`;
  return `${[`${view.name} (${scopes[view.scope]}): ${view.means}`, ...settings].join('; ')}${hidden}`;
}

export function formatPreferences({ preferences }: PreferenceList): string {
  return [
    'Names that model takes, besides provider/model-id:',
    ...preferences.map((view) => `- ${formatPreference(view)}`),
    'set_preference changes them. default holds where no model is named; auto is what model auto chooses from.',
  ].join('\n');
}

export function formatPreferenceChange({ change, name, inForce, warnings }: PreferenceChange): string {
  const now = inForce === undefined ? `Nothing is called ${name} now.` : `Now ${formatPreference(inForce)}`;
  const done = { set: 'Set.', removed: 'Removed.', none: 'There was none to remove.' }[change];
  return [`${done} ${now}`, ...warnings.map((warning) => `Warning: ${warning}`)].join('\n');
}
