import {
  Capability,
  GenerationSettings,
  isTimeZone,
  ModelInfo,
  ModelPrices,
  ModelQuirks,
  ProviderId,
} from '@aimm/contracts';
import * as z from 'zod';
import { isUsd, usdWords } from './budgets.ts';
import { providerKinds } from './provider-kinds.ts';
import { routingFields } from './routing-schemas.ts';

// Messages complete the sentence "expected …", as faults are told.
const atLeastOne = 'a whole number of at least 1';
const count = z.int(atLeastOne).min(1, atLeastOne);
/** What Node's timers can count; with more they fire at once. */
const longestMs = 2 ** 31 - 1;
const milliseconds = count.max(longestMs, `at most ${longestMs} (24 days)`);
const text = z.string().min(1, 'a text that is not empty');
const date = z.iso.date('a date like 2026-11-22');
const reference = z.string().regex(/^[^/\s]+\/\S+$/, 'a model as provider/model-id');

/** Queues that no provider's queue may share a name with; `<provider>-checks` is each provider's own second queue. */
const reservedQueues: ReadonlySet<string> = new Set(['compare', 'persist-usage', 'persist-turn', 'persist-batch']);
const ProviderName = ProviderId.refine((id) => !reservedQueues.has(id) && !id.endsWith('-checks'), {
  error:
    'another id: compare, persist-usage, persist-turn, persist-batch and ids ending in -checks are names of queues',
});

/** fetch refuses addresses with credentials, and they would show wherever the address does. */
export const BaseUrl = z.string().refine(isPlainHttpUrl, {
  error: 'an http:// or https:// address without user name, password, query or fragment',
});

const keepAliveWords = 'a time like "30m" or "24h", a number of seconds, 0 (unload at once) or -1 (never unload)';

const cooldownWords = 'false, or settings: failureShare, minimumFailures, windowSeconds, firstSeconds, maxSeconds';
const seconds = z.number('a number of seconds above 0').positive('a number of seconds above 0');

/** When a provider or a model that fails is set aside; `false` never does. */
const Cooldown = z.strictObject({
  failureShare: z.number('a number above 0 and up to 1').gt(0, 'a number above 0').max(1, 'at most 1').default(0.5),
  minimumFailures: count.default(5),
  windowSeconds: seconds.default(60),
  firstSeconds: seconds.default(5),
  maxSeconds: seconds.default(300),
});
export type Cooldown = z.infer<typeof Cooldown>;

const limitsWords = 'limits: requestsPerMinute, tokensPerMinute, concurrency';
/** Besides those of the provider. */
const LimitsEntry = z.strictObject(
  { requestsPerMinute: count.optional(), tokensPerMinute: count.optional(), concurrency: count.optional() },
  limitsWords,
);

const ProviderEntry = z.strictObject({
  id: ProviderName,
  kind: z.enum(providerKinds),
  name: text.optional(),
  baseUrl: BaseUrl.optional(),
  apiKeyVariables: z
    .array(z.string().regex(/^[A-Z_][A-Z0-9_]*$/, 'the name of an environment variable, like OPENAI_API_KEY'))
    .optional(),
  keyRequired: z.boolean().optional(),
  concurrency: count.default(4),
  requestsPerMinute: count.optional(),
  tokensPerMinute: count.optional(),
  models: z.record(text, LimitsEntry, 'limits by model id').optional(),
  attempts: count.default(3),
  firstByteTimeoutMs: milliseconds.default(120_000),
  idleTimeoutMs: milliseconds.default(60_000),
  timeoutMs: milliseconds.default(600_000),
  defaultModel: text.optional(),
  cooldown: z.union([z.literal(false), Cooldown], cooldownWords).default(() => Cooldown.parse({})),
  /** Kind `ollama` only. */
  keepAlive: z
    .union([z.string().regex(/^-?\d+(\.\d+)?(ms|s|m|h)$/, keepAliveWords), z.int(keepAliveWords)], keepAliveWords)
    .optional(),
  contextLength: count.optional(),
});
export type ProviderEntry = z.infer<typeof ProviderEntry>;

const settings = z.array(z.enum(Object.keys(GenerationSettings.shape)));
const modalities = z.array(z.enum(['text', 'image', 'audio', 'video', 'file']));
const Prices = z.strictObject(ModelPrices.shape);
/** Both, lest a forgotten one count as free. */
const required = { inputPerMillionUsd: true, outputPerMillionUsd: true } as const;

/** Prices that stand in place of the price table's, in US dollars per million tokens. */
const PriceOverride = Prices.required(required).extend({
  /** What the whole request costs once its input is longer than `inputTokens`. */
  longContext: Prices.required(required).extend({ inputTokens: count }).optional(),
});
export type PriceOverride = z.infer<typeof PriceOverride>;

const factorWords = 'a number above 0 (0.5: half the price), prices, or null where nobody knows';
/** What a service tier costs: so many times the ordinary price, prices of its own, or `null` where nobody knows. */
const TierPrice = z.union([z.number(factorWords).positive(factorWords), PriceOverride], factorWords).nullable();
export type TierPrice = z.infer<typeof TierPrice>;
/** By the vendor's word for the tier, as its answers say it: `flex`, `priority`, `batch`, … */
const TierPrices = z.record(z.string().regex(/^[a-z0-9_-]+$/, "a tier's name in lower case, like flex"), TierPrice);
export type TierPrices = z.infer<typeof TierPrices>;

const ModelEntry = z.strictObject({
  ...ModelInfo.omit({ source: true, listed: true }).shape,
  provider: text,
  id: text,
  name: text.optional(),
  contextWindow: count.optional(),
  maxOutputTokens: count.optional(),
  inputModalities: modalities.optional(),
  outputModalities: modalities.optional(),
  capabilities: z.array(Capability).optional(),
  deprecatedOn: date.optional(),
  quirks: ModelQuirks.extend({
    unsupported: settings.optional(),
    onlyWithoutReasoning: settings.optional(),
  }).optional(),
  /** `null`: nobody knows; the price table's entry is out of date. */
  prices: PriceOverride.nullable().optional(),
  /** Where this model departs from its provider's `serviceTiers`. */
  serviceTiers: TierPrices.optional(),
});
export type ModelEntry = z.infer<typeof ModelEntry>;

const BudgetEntry = z.strictObject({
  /** Part of a key in Redis. */
  name: z.string().regex(/^[\w.-]{1,64}$/, 'a name of letters, digits, dots, dashes and underscores, at most 64'),
  limitUsd: z.number(usdWords).refine(isUsd, usdWords),
  period: z.enum(['day', 'month']),
  timeZone: z.string().refine(isTimeZone, 'the name of a time zone like Europe/Berlin').default('UTC'),
  provider: text.optional(),
  client: text.optional(),
});
export type BudgetEntry = z.infer<typeof BudgetEntry>;

export const ProvidersFile = z.strictObject({
  providers: z.array(ProviderEntry).min(1, 'at least one provider'),
  budgets: z.array(BudgetEntry).optional(),
  /** By the client's name; `*`: each client without an entry of its own. */
  clients: z.record(text, LimitsEntry, 'limits by client name').optional(),
});
export type ProvidersFile = z.infer<typeof ProvidersFile>;

/** `checkedOn`: the day somebody last compared the file with what vendors publish; part of its prices' name in the ledger. */
export const ModelsFile = z.strictObject({
  checkedOn: date,
  /** By a provider's id, or by a kind for all of its providers. */
  serviceTiers: z.record(z.string(), TierPrices).optional(),
  models: z.array(ModelEntry),
});
export type ModelsFile = z.infer<typeof ModelsFile>;

/** `auto.candidates`: what `auto` chooses from, by price, by measured speed, or by both. */
export const RoutingFile = z.strictObject({
  auto: z.strictObject({ candidates: z.array(reference) }),
  ...routingFields,
  /** Answers kept without being asked for: those of requests with temperature 0. */
  cache: z.strictObject({ temperatureZero: z.boolean().default(false), ttlSeconds: count.default(3_600) }).optional(),
});
export type RoutingFile = z.infer<typeof RoutingFile>;

function isPlainHttpUrl(value: string): boolean {
  const url = URL.parse(value);
  if (url === null || !/^https?:$/.test(url.protocol)) return false;
  return url.username === '' && url.password === '' && url.search === '' && url.hash === '';
}
