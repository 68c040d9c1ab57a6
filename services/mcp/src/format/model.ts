import { Capability, ReasoningEffort } from '@aimm/contracts';
import type { Manager, ModelList, ProviderView } from '@aimm/manager';
import * as z from 'zod';
import { formatCount } from './units.ts';

type Model = ModelList['models'][number];
const Price = z.number().optional();

export const ModelSchema = z.object({
  model: z.string().describe('provider/model-id, as the other tools take it.'),
  provider: z.string(),
  id: z.string(),
  name: z.string().optional(),
  available: z
    .boolean()
    .optional()
    .describe('Absent while unknown: no worker has reported, or the provider was not asked.'),
  demo: z.boolean().describe('Served by the built-in demo, not by the vendor.'),
  context_window: z.int().optional(),
  max_output_tokens: z.int().optional(),
  input_modalities: z.array(z.string()).optional(),
  output_modalities: z.array(z.string()).optional(),
  capabilities: z.array(Capability).optional(),
  prices: z
    .object({
      input_per_million_usd: Price,
      output_per_million_usd: Price,
      cache_read_per_million_usd: Price,
      cache_write_per_million_usd: Price,
    })
    .optional(),
  reasoning_efforts: z.array(ReasoningEffort).optional(),
  unsupported_settings: z.array(z.string()).optional(),
  deprecated_on: z.string().optional(),
  source: z.enum(['catalog', 'provider', 'both']),
});

export function toModelOutput(model: Model): z.input<typeof ModelSchema> {
  const { prices, quirks } = model;
  return {
    model: `${model.provider}/${model.id}`,
    provider: model.provider,
    id: model.id,
    name: model.name,
    available: model.available,
    demo: model.demo,
    context_window: model.contextWindow,
    max_output_tokens: model.maxOutputTokens,
    input_modalities: model.inputModalities,
    output_modalities: model.outputModalities,
    capabilities: model.capabilities,
    prices: prices && {
      input_per_million_usd: prices.inputPerMillionUsd,
      output_per_million_usd: prices.outputPerMillionUsd,
      cache_read_per_million_usd: prices.cacheReadPerMillionUsd,
      cache_write_per_million_usd: prices.cacheWritePerMillionUsd,
    },
    reasoning_efforts: quirks?.reasoningEfforts,
    unsupported_settings: quirks?.unsupported?.map(toSnakeCase),
    deprecated_on: model.deprecatedOn,
    source: model.source,
  };
}

/** Names of settings as callers of these tools write them. */
function toSnakeCase(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/** One line: `openai/gpt-5-mini · 400,000 context · $0.25 in, $2 out per million · text, tools`. */
export function formatModelLine(model: Model): string {
  const { prices } = model;
  const facts = [
    `${model.provider}/${model.id}`,
    model.demo ? 'demo' : '',
    model.available === false ? 'not available' : '',
    model.contextWindow === undefined ? '' : `${formatCount(model.contextWindow)} context`,
    prices?.inputPerMillionUsd === undefined
      ? ''
      : `$${prices.inputPerMillionUsd} in, $${prices.outputPerMillionUsd ?? '?'} out per million`,
    model.capabilities?.join(', ') ?? '',
    model.deprecatedOn === undefined ? '' : `deprecated on ${model.deprecatedOn}`,
  ];
  return facts.filter((fact) => fact !== '').join(' · ');
}

export function formatModel(model: Awaited<ReturnType<Manager['getModelInfo']>>): string {
  const { quirks } = model;
  return [
    formatModelLine(model),
    model.name === undefined ? '' : `Name: ${model.name}`,
    model.maxOutputTokens === undefined ? '' : `Longest answer: ${formatCount(model.maxOutputTokens)} tokens`,
    model.inputModalities === undefined ? '' : `Reads: ${model.inputModalities.join(', ')}`,
    model.outputModalities === undefined ? '' : `Writes: ${model.outputModalities.join(', ')}`,
    quirks?.reasoningEfforts === undefined ? '' : `Reasoning efforts: ${quirks.reasoningEfforts.join(', ')}`,
    quirks?.unsupported === undefined ? '' : `Does not take: ${quirks.unsupported.map(toSnakeCase).join(', ')}`,
    ...model.warnings.map((warning) => `Warning: ${warning}`),
  ]
    .filter((line) => line !== '')
    .join('\n');
}

export const ProviderSchema = z.object({
  provider: z.string(),
  kind: z.string(),
  name: z.string(),
  configured: z.boolean().optional().describe('Absent while no worker has reported.'),
  demo: z.boolean(),
  base_url: z.string().optional(),
  default_model: z.string().optional(),
  concurrency: z.int(),
  requests_per_minute: z.number().optional(),
  tokens_per_minute: z.number().optional(),
  api_key_variables: z.array(z.string()).describe('Environment variables that hold its key; never the key.'),
});

export function toProviderOutput(provider: ProviderView): z.input<typeof ProviderSchema> {
  return {
    provider: provider.id,
    kind: provider.kind,
    name: provider.name,
    configured: provider.configured,
    demo: provider.demo,
    base_url: provider.baseUrl === undefined ? undefined : withoutCredentials(provider.baseUrl),
    default_model: provider.defaultModel,
    concurrency: provider.concurrency,
    requests_per_minute: provider.requestsPerMinute,
    tokens_per_minute: provider.tokensPerMinute,
    api_key_variables: provider.apiKeyVariables,
  };
}

/** Scheme, host, port and path: user, password, query and fragment may hold secrets. */
export function withoutCredentials(url: string): string | undefined {
  if (!URL.canParse(url)) return undefined;
  const { protocol, host, pathname } = new URL(url);
  return `${protocol}//${host}${pathname === '/' ? '' : pathname}`;
}
