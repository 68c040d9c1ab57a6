import * as z from 'zod';
import { ReasoningEffort } from './generation.ts';

export const Capability = z.enum([
  'text',
  'streaming',
  'tools',
  'json',
  'json_schema',
  'images',
  'files',
  'reasoning',
  'embeddings',
]);
export type Capability = z.infer<typeof Capability>;

/** How a model departs from its vendor's common wire, as data, so that no adapter asks for a model's name. */
export const ModelQuirks = z.strictObject({
  /** Settings (names of GenerationSettings) the model refuses: dropped with a warning. */
  unsupported: z.array(z.string()).optional(),
  /** Settings it takes only while it does not reason. */
  onlyWithoutReasoning: z.array(z.string()).optional(),
  /** False: it reasons only where an effort is asked for. Default: it may unless that is `none`. */
  reasoningByDefault: z.boolean().optional(),
  reasoningEfforts: z.array(ReasoningEffort).optional(),
  /** Reasoning is asked for as an effort level, a token budget, or an on/off switch. */
  reasoningStyle: z.enum(['effort', 'budget', 'switch']).optional(),
  /** Anthropic: how reasoning is switched off; default `disabled`. */
  reasoningOff: z.enum(['disabled', 'between_tools']).optional(),
  /** OpenAI: the summary of its reasoning to ask for; default none, as OpenAI shows it to verified organisations only. */
  reasoningSummary: z.enum(['auto', 'concise', 'detailed']).optional(),
  /** OpenAI wire: which API serves it, and what its system role and token limit are called. */
  api: z.enum(['responses', 'chat']).optional(),
  systemRole: z.enum(['system', 'developer']).optional(),
  maxTokensField: z.enum(['max_tokens', 'max_completion_tokens']).optional(),
  /** Sent as the API version header of this model's calls (Anthropic). */
  apiVersion: z.string().optional(),
  forcedToolChoice: z.boolean().optional(),
});
export type ModelQuirks = z.infer<typeof ModelQuirks>;

/** US dollars per million tokens, for display; the ledger prices calls exactly. */
export const ModelPrices = z.object({
  inputPerMillionUsd: z.number().nonnegative().optional(),
  outputPerMillionUsd: z.number().nonnegative().optional(),
  cacheReadPerMillionUsd: z.number().nonnegative().optional(),
  cacheWritePerMillionUsd: z.number().nonnegative().optional(),
});
export type ModelPrices = z.infer<typeof ModelPrices>;

/** A model as its catalog entry, the provider's own listing, or both describe it. Unknown is absent. */
export const ModelInfo = z.object({
  provider: z.string(),
  id: z.string(),
  name: z.string().optional(),
  contextWindow: z.number().int().positive().optional(),
  maxOutputTokens: z.number().int().positive().optional(),
  inputModalities: z.array(z.string()).optional(),
  outputModalities: z.array(z.string()).optional(),
  capabilities: z.array(Capability).optional(),
  prices: ModelPrices.optional(),
  deprecatedOn: z.string().optional(),
  quirks: ModelQuirks.optional(),
  /** `catalog`: known to config/models.json. `provider`: only the provider lists it. `both`. */
  source: z.enum(['catalog', 'provider', 'both']),
  /** Whether the provider listed it last time it was asked; absent when it was not asked. */
  listed: z.boolean().optional(),
});
export type ModelInfo = z.infer<typeof ModelInfo>;

/** What a provider's own listing says of a model. */
export const ListedModel = ModelInfo.pick({
  id: true,
  name: true,
  contextWindow: true,
  maxOutputTokens: true,
  capabilities: true,
  deprecatedOn: true,
});
export type ListedModel = z.infer<typeof ListedModel>;

/** One key of a provider as its worker sees it: never the key itself. */
export const KeyHealth = z.object({
  /** What a person calls it, or the name of its environment variable. */
  label: z.string(),
  source: z.enum(['environment', 'database']),
  /** Its last characters; absent for keys of the environment. */
  fingerprint: z.string().optional(),
  /** `set_aside`: the provider refused it, so others are used before it. `unreadable`: it cannot be decrypted. */
  state: z.enum(['in_use', 'set_aside', 'unreadable']),
  /** Why it is not in use, as a sentence. */
  reason: z.string().optional(),
  /** When it is used again as before. */
  until: z.number().optional(),
});
export type KeyHealth = z.infer<typeof KeyHealth>;

/** What the vendor said was left when it last answered; what it does not say is absent. */
export const RateLimits = z.object({
  requestsRemaining: z.number().int().nonnegative().optional(),
  tokensRemaining: z.number().int().nonnegative().optional(),
  /** When both are whole again. */
  resetAt: z.number().optional(),
  seenAt: z.number(),
});
export type RateLimits = z.infer<typeof RateLimits>;

export const ProviderHealth = z.object({
  provider: z.string(),
  kind: z.string(),
  configured: z.boolean(),
  demo: z.boolean(),
  /** Absent where not tried. */
  reachable: z.boolean().optional(),
  keyValid: z.boolean().optional(),
  modelCount: z.number().int().optional(),
  /** Whether the default model answers to its name; absent where not checked. */
  defaultModel: z.object({ id: z.string(), available: z.boolean() }).optional(),
  latencyMs: z.number().optional(),
  checkedAt: z.number(),
  /** Every key, in the order of their turns; absent where there is none. */
  keys: z.array(KeyHealth).optional(),
  /** Absent where no call was made lately, or the vendor does not say. */
  limits: RateLimits.optional(),
  /** What is wrong and how to mend it. */
  problem: z.string().optional(),
  hint: z.string().optional(),
});
export type ProviderHealth = z.infer<typeof ProviderHealth>;
