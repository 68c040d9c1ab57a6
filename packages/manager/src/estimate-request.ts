import {
  estimateCost,
  estimateOutput,
  estimateTokens,
  expectOutput,
  type ResolvedModel,
  toHighest,
} from '@aimm/catalog';
import { ModelManagerError } from '@aimm/contracts';
import { nameAlias } from './aliases.ts';
import { applyPreferences, type PreparedAsk, toAliasName } from './apply-preferences.ts';
import { toPlan } from './choose-model.ts';
import type { Caller } from './caller.ts';
import type { CostEstimate, EstimateAsk } from './cost-estimates.ts';
import { openPool } from './pick-member.ts';
import { resolveModelName } from './resolve-model-name.ts';
import type { Resources } from './resources.ts';

/**
 * What each model would charge for a request, cheapest first, those of unknown price last. Nobody is asked and nothing is
 * queued: of a name that stands for several models each is estimated that workers could call. @throws unknown_model, invalid_request
 */
export async function estimateRequest(
  resources: Resources,
  caller: Caller,
  { models, ...given }: EstimateAsk,
): Promise<CostEstimate[]> {
  const estimates = await Promise.all(
    [...new Set(models)].map(async (asked) => {
      const ask = await applyPreferences(resources, caller, { ...given, model: asked });
      const candidates = await toCandidates(resources, ask);
      return candidates.map((model) => estimate(resources, asked, ask, model));
    }),
  );
  const seen = new Set<string>();
  return estimates
    .flat()
    .filter(({ asked, model }) => !seen.has(`${asked} ${model}`) && seen.add(`${asked} ${model}`))
    .toSorted((a, b) => (a.expectedNanoUsd ?? Infinity) - (b.expectedNanoUsd ?? Infinity) || 0);
}

/** What a name may turn out to be. */
async function toCandidates(resources: Resources, ask: PreparedAsk): Promise<ResolvedModel[]> {
  const { providers } = resources;
  const { model = 'auto', alias } = ask;
  const resolve = async (name: string) =>
    openPool(resources, name)?.members ?? [await resolveModelName(resources, name)];
  if (alias === undefined && model !== 'auto') return resolve(model);
  const callable: ResolvedModel[] = [];
  const { lists } = toPlan(resources, ask);
  const known = await Promise.all(lists.map(async (names) => (await Promise.all(names.map(resolve))).flat()));
  if (alias?.models !== undefined) callable.push(...(known[0] ?? []));
  for (const members of known) {
    const states = await Promise.all(
      members.map(({ provider }) => providers.isConfigured(provider.id).catch(() => undefined)),
    );
    const found = members.filter((_, index) => states[index] !== false);
    if (found.length > 0) return found;
  }
  if (callable.length > 0) return callable;
  throw new ModelManagerError('authentication', `No model that ${model} may stand for is configured.`, {
    hint:
      alias === undefined
        ? 'check_health shows what each provider lacks.'
        : `It is ${nameAlias(alias)}; get_preferences shows what it stands for.`,
  });
}

function estimate(resources: Resources, asked: string, ask: PreparedAsk, resolved: ResolvedModel): CostEstimate {
  const { catalog, now } = resources;
  const { provider, model, info } = resolved;
  const { messages, settings } = ask;
  const request = { messages, settings, provider: provider.id, model };
  const inputTokens = estimateTokens({ messages, settings }, provider.kind);
  const maxOutputTokens = estimateOutput(catalog, request);
  const expectedOutputTokens = Math.min(expectOutput(settings), maxOutputTokens);
  const price = (outputTokens: number) =>
    estimateCost(catalog, { ...request, settings: { ...settings, maxOutputTokens: outputTokens } }, now());
  const longest = price(maxOutputTokens);
  const { priceVersion, costNanoUsd, warning } = catalog.priceCall({
    provider: provider.id,
    model,
    usage: { inputTokens, outputTokens: expectedOutputTokens },
    at: now(),
    serviceTier: settings.serviceTier,
  });
  const window = info?.contextWindow;
  return {
    asked,
    ...toAliasName(ask),
    provider: provider.id,
    model: `${provider.id}/${model}`,
    inputTokens,
    expectedOutputTokens,
    maxOutputTokens,
    expectedNanoUsd: price(expectedOutputTokens).askedNanoUsd,
    maxNanoUsd: longest.askedNanoUsd === null ? null : toHighest(longest),
    ...(costNanoUsd === null
      ? {
          unpricedBecause:
            warning?.message ??
            `Nobody knows the price of ${provider.id}/${model}: neither config/models.json nor the price data has it.`,
        }
      : { priceVersion }),
    warnings:
      window !== undefined && inputTokens + expectedOutputTokens > window
        ? [`About ${inputTokens} tokens do not fit its context window of ${window}.`]
        : [],
  };
}
