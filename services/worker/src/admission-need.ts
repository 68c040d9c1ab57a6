import type { Catalog, TokenEstimator } from '@aimm/catalog';
import { estimateTokens } from '@aimm/catalog';
import type { GeneratePayload } from '@aimm/contracts';
import { type AdmissionNeed, type LimitScope, modelOf } from '@aimm/queue';
import type { AccountedCall } from './account-for-call.ts';

/** What calls need of their limits: whose these are, and how many tokens the call is likely to use. */
export interface AdmissionNeeds {
  toNeed(payload: GeneratePayload): AdmissionNeed;
  /** Learns from a call how long this model's answers are. Returns what it used in all; undefined where nobody knows. */
  note(payload: GeneratePayload, call: AccountedCall): number | undefined;
}

/** Until a model has answered once. */
const usualOutputTokens = 500;
/** How much the latest answer counts. */
const weight = 0.2;
/** Clients may name whatever models they like; of more than this the one that answered longest ago counts as new. */
const mostModels = 1_000;
/** Failures after which a vendor may have worked all the same: what was reserved stays so. */
const mayHaveCounted: ReadonlySet<string> = new Set(['cancelled', 'timeout', 'network', 'server_error']);

export function createAdmissionNeeds({
  catalog,
  tokens,
}: {
  catalog: Catalog;
  tokens: TokenEstimator;
}): AdmissionNeeds {
  const averages = new Map<string, number>();

  return {
    toNeed(payload) {
      const { provider, request, lane } = payload;
      const scopes = toScopes(catalog, payload);
      const kind = catalog.findProvider(provider)?.kind ?? provider;
      // The vocabulary takes its time; where no limit counts tokens, the text's length will do.
      const counted = scopes.some(({ tokensPerMinute }) => tokensPerMinute !== undefined);
      const input = counted ? tokens.estimate(request, kind) : estimateTokens(request, kind);
      const most = request.settings.maxOutputTokens ?? Number.POSITIVE_INFINITY;
      const average = averages.get(modelOf(payload));
      const output = Math.min(most, average ?? (Number.isFinite(most) ? most : usualOutputTokens));
      return { scopes, tokens: Math.ceil(input + output), lane };
    },
    note(payload, { usage, error }) {
      const { inputTokens, outputTokens } = usage;
      if (error === undefined && outputTokens !== undefined) {
        const model = modelOf(payload);
        const before = averages.get(model) ?? outputTokens;
        averages.delete(model);
        averages.set(model, before + weight * (outputTokens - before));
        const [oldest] = averages.keys();
        if (averages.size > mostModels && oldest !== undefined) averages.delete(oldest);
      }
      if (error !== undefined && outputTokens === undefined && mayHaveCounted.has(error.code)) return undefined;
      if (inputTokens !== undefined || outputTokens !== undefined) return (inputTokens ?? 0) + (outputTokens ?? 0);
      return error === undefined ? undefined : 0;
    },
  };
}

/** Provider, model, and the client where it has limits. The provider's concurrency is its queue's. */
function toScopes(catalog: Catalog, payload: GeneratePayload): LimitScope[] {
  const { provider: id, request, client, clientLimits: own } = payload;
  const provider = catalog.findProvider(id);
  // What its token says goes before what the configuration says of it, limit by limit.
  const clientLimits =
    own === undefined ? catalog.findClientLimits(client) : { ...catalog.findClientLimits(client), ...own };
  return [
    {
      kind: 'provider',
      id,
      requestsPerMinute: provider?.requestsPerMinute,
      tokensPerMinute: provider?.tokensPerMinute,
    },
    { kind: 'model', id: modelOf(payload), ...provider?.models?.[request.model] },
    ...(clientLimits === undefined ? [] : [{ kind: 'client' as const, id: client, ...clientLimits }]),
  ];
}
