import type { GenerationRequest, GenerationSettings } from '@aimm/contracts';
import type { Catalog } from './catalog.ts';
import { estimateTokens } from './estimate-tokens.ts';

/** What an answer without a limit of its own is taken to be long at most, in tokens; a model that writes less is believed. */
const usualOutputTokens = 4_096;

type Asked = Pick<GenerationRequest, 'messages' | 'settings'> & { provider: string; model: string };

/** Nano-dollars; `null`: nobody knows the price. */
export interface EstimatedCost {
  /** In the service tier that the call asks for. */
  askedNanoUsd: number | null;
  /** In the ordinary one, which may serve it all the same. */
  ordinaryNanoUsd: number | null;
}

/**
 * What a call may cost: its input at full price and the longest answer that it asks for. `at`: epoch milliseconds.
 * `furtherInputTokens`: what will be in the prompt and is not there yet.
 */
export function estimateCost(catalog: Catalog, asked: Asked, at: number, furtherInputTokens = 0): EstimatedCost {
  const { provider, model, settings } = asked;
  const kind = catalog.findProvider(provider)?.kind ?? provider;
  const inputTokens = estimateTokens(asked, kind) + furtherInputTokens;
  const call = {
    provider,
    model,
    usage: {
      inputTokens,
      outputTokens: estimateOutput(catalog, asked),
      // What is kept for the next request may cost more than what is not.
      ...((settings.promptCache === '5m' || settings.promptCache === '1h') && { cacheWriteTokens: inputTokens }),
    },
    at,
    cachedForAnHour: settings.promptCache === '1h',
  };
  return {
    askedNanoUsd: catalog.priceCall({ ...call, serviceTier: settings.serviceTier }).costNanoUsd,
    ordinaryNanoUsd: catalog.priceCall(call).costNanoUsd,
  };
}

/** The most that is known of it; `null`: nothing is. */
export function toHighest({ askedNanoUsd, ordinaryNanoUsd }: EstimatedCost): number | null {
  return ordinaryNanoUsd === null ? askedNanoUsd : Math.max(askedNanoUsd ?? 0, ordinaryNanoUsd);
}

export function estimateOutput(catalog: Catalog, { provider, model, settings }: Omit<Asked, 'messages'>): number {
  const longest = catalog.findModel(provider, model)?.maxOutputTokens ?? Number.POSITIVE_INFINITY;
  return settings.maxOutputTokens ?? Math.min(usualOutputTokens, longest);
}

/** Answers are rarely as long as they may be. */
const [usualTokens, longestExpected] = [500, 2_000];

/** How long an answer is taken to be where money and time are compared, in tokens. */
export function expectOutput({ maxOutputTokens }: GenerationSettings): number {
  return Math.min(maxOutputTokens ?? usualTokens, longestExpected);
}
