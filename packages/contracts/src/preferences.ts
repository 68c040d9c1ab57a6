import * as z from 'zod';
import { GenerationSettings } from './generation.ts';

/** No slash in it: it can never be taken for `provider/model-id`. */
export const PreferenceName = z
  .string()
  .regex(
    /^[a-z][a-z0-9._-]{0,63}$/,
    'expected 1 to 64 lower-case letters, digits, dots, dashes and underscores, a letter first',
  );

/** What a request is asked with that does not say otherwise. */
export const PreferenceSettings = GenerationSettings.pick({
  maxOutputTokens: true,
  temperature: true,
  topP: true,
  topK: true,
  stop: true,
  seed: true,
  presencePenalty: true,
  frequencyPenalty: true,
  reasoningEffort: true,
  serviceTier: true,
  promptCache: true,
}).extend({
  /** Instructions for the model. */
  system: z.string().min(1).max(20_000).optional(),
});
export type PreferenceSettings = z.infer<typeof PreferenceSettings>;

/** Whose a preference is that holds for every client. */
export const everyClient = '*';

/**
 * A name and what it stands for. `auto` is what that chooses from; `default` is for requests that name no model, and its settings
 * for all of them.
 */
export const ModelPreference = z.object({
  /** Whose it is; `*`: everybody's. */
  client: z.string(),
  name: z.string(),
  /** `provider/model-id` or a pool; of several the first is asked that can be. None: settings alone. */
  models: z.array(z.string()),
  /** What a later version may have added is left out. */
  settings: z.object(PreferenceSettings.shape),
  updatedAt: z.number(),
});
export type ModelPreference = z.infer<typeof ModelPreference>;
