import { GenerationSettings } from '@aimm/contracts';
import * as z from 'zod';

// Messages complete the sentence "expected …", as faults are told.
const reference = z.string().regex(/^[^/\s]+\/\S+$/, 'a model as provider/model-id');
/** Which models and pools there are is checked against the other files. */
const modelOrPool = z.string().regex(/^\S+$/, 'a model as provider/model-id, or the name of a pool');
const models = z.array(modelOrPool).min(1, 'at least one model');
const name = z.string().regex(/^[a-z][a-z0-9.-]{0,63}$/, 'a name of lower-case letters, digits, dots and dashes');

/** How demanding a task is: which models are worth asking. */
export const Tier = z.enum(['small', 'medium', 'large']);
export type Tier = z.infer<typeof Tier>;

/** By what one of several models is chosen. */
export const Preference = z.enum(['cheapest', 'fastest', 'balanced']);
export type Preference = z.infer<typeof Preference>;

const reservedRules: ReadonlySet<string> = new Set(Preference.options);

/** A way of choosing that requests call by its name. Settings are those of requests that say nothing else. */
const RoutingRule = z
  .strictObject({
    candidates: models.optional(),
    tier: Tier.optional(),
    prefer: Preference.default('balanced'),
    settings: GenerationSettings.optional(),
  })
  .refine(({ candidates, tier }) => candidates === undefined || tier === undefined, 'candidates or tier, not both');
export type RoutingRule = z.infer<typeof RoutingRule>;

/** A list, or a list that is also asked what the model before it would not answer. */
const FallbackChain = z
  .union(
    [models, z.strictObject({ models, onContentFiltered: z.boolean().default(false) })],
    'a list of models, or {"models": […], "onContentFiltered": true}',
  )
  .transform((chain) => (Array.isArray(chain) ? { models: chain, onContentFiltered: false } : chain));
export type FallbackChain = z.infer<typeof FallbackChain>;

/** What routing.json may say besides `auto` and `cache`. */
export const routingFields = {
  tiers: z.strictObject({ small: models.optional(), medium: models.optional(), large: models.optional() }).optional(),
  rules: z
    .record(
      name.refine((rule) => !reservedRules.has(rule), 'another name: this one has a meaning already'),
      RoutingRule,
    )
    .optional(),
  /** By the model that failed; `*` is every other. */
  fallbacks: z.record(z.string(), FallbackChain).optional(),
  /** Equal models of several providers under one name. */
  pools: z
    .record(
      name.refine((pool) => pool !== 'auto', 'another name: auto has a meaning already'),
      z.array(reference).min(2, 'at least two models'),
    )
    .optional(),
};
