import type { Capability, ModelInfo, ModelPrices, Usage, Warning } from '@aimm/contracts';
import type { BudgetConfig } from './budgets.ts';
import type { Cooldown } from './config-schemas.ts';
import type { FallbackChain, RoutingRule, Tier } from './routing-schemas.ts';

/** Over all workers; absent: unlimited. */
export interface Limits {
  requestsPerMinute?: number | undefined;
  tokensPerMinute?: number | undefined;
  /** Calls at once. */
  concurrency?: number | undefined;
}

/** A provider as config/providers.json and the environment together describe it. */
export interface ProviderConfig {
  id: string;
  kind: string;
  name: string;
  baseUrl?: string;
  /** Names of the environment variables that may hold its key, best first. */
  apiKeyVariables: string[];
  baseUrlVariable: string;
  keyRequired: boolean;
  /** Calls at once, over all workers. */
  concurrency: number;
  /** Requests and tokens a minute over all workers; absent: unlimited. */
  requestsPerMinute?: number;
  tokensPerMinute?: number;
  /** Limits of its models, by the vendor's id; besides its own. */
  models?: Readonly<Record<string, Limits>> | undefined;
  /** Calls a request may make before its error is final. */
  attempts: number;
  firstByteTimeoutMs: number;
  idleTimeoutMs: number;
  /** One call, unless the request says otherwise. */
  timeoutMs: number;
  defaultModel?: string;
  /** When the provider, or a model of it, is set aside for failing; `false`: never. */
  cooldown: Cooldown | false;
  /** Ollama: how long a model stays loaded after a call: `30m`, seconds, 0 or -1. */
  keepAlive?: string | number;
  /** Ollama: the context window in tokens that the host gives by itself. */
  contextLength?: number;
}

export interface ResolvedModel {
  provider: ProviderConfig;
  /** The vendor's id, without the provider. */
  model: string;
  /** Absent where the catalog does not know it. */
  info?: ModelInfo;
  /** `unknown_model`: the catalog does not know it; it is sent as it is and its price is unknown. */
  warnings: Warning[];
}

export interface Price {
  /** Integer nano-dollars; null when the price is unknown. */
  costNanoUsd: number | null;
  /** Names the price table that was used, for the ledger, and the service tier where it is not the ordinary one. */
  priceVersion: string;
  /** `unknown_price`: the model's price is known, but not in the service tier that answered. */
  warning?: Warning;
}

export interface ModelFilter {
  provider?: string | undefined;
  capability?: Capability | undefined;
  search?: string | undefined;
}

/** What config/routing.json says. */
export interface Routing {
  cache: {
    /** Requests with temperature 0 are answered from the cache, and into it, unless they say otherwise. */
    temperatureZero: boolean;
    ttlMs: number;
  };
  /** `provider/model`, all of them in the catalog; earlier ones win ties. */
  autoCandidates: string[];
  /** What is worth asking for a task, by how demanding it is. Models or pools, as in everything below. */
  tiers: { readonly [T in Tier]?: string[] | undefined };
  rules: Readonly<Record<string, RoutingRule>>;
  /** By `provider/model` or pool; `*` for every other. */
  fallbacks: Readonly<Record<string, FallbackChain>>;
  /** `provider/model` of each member, by the pool's name. */
  pools: Readonly<Record<string, string[]>>;
}

/**
 * Everything that config/*.json says, validated, with the environment's overrides applied. No network; the clock only
 * says which list price to show (`pricesOf` and the models' `prices`), never what a call cost.
 */
export interface Catalog {
  readonly providers: readonly ProviderConfig[];
  readonly routing: Routing;
  readonly budgets: readonly BudgetConfig[];
  /** The day somebody last compared models.json with what vendors publish, as `2026-11-22`. */
  readonly checkedOn: string;
  findProvider(id: string): ProviderConfig | undefined;
  /** The limits of one client: its own, else those that each client has (`*`). */
  findClientLimits(client: string): Limits | undefined;
  /** The catalog's models, prices filled in, sorted by provider then id. */
  listModels(filter?: ModelFilter): ModelInfo[];
  findModel(provider: string, model: string): ModelInfo | undefined;
  /** Whether models.json has this very id, and not only the model that it is a snapshot of. */
  hasEntry(provider: string, model: string): boolean;
  /**
   * `provider/model-id` as it is; a bare id through the catalog, then through `listed` (what providers list).
   * @throws ModelManagerError `unknown_model` with near matches in its hint
   */
  resolveModel(name: string, listed?: readonly ModelInfo[]): ResolvedModel;
  /** The price of one call. `at` is epoch milliseconds: prices change over time. */
  priceCall(call: {
    provider: string;
    model: string;
    answeredBy?: string | undefined;
    usage: Usage;
    at: number;
    /** What was asked to be kept was to be kept for an hour, which some vendors charge more for. */
    cachedForAnHour?: boolean | undefined;
    /** The vendor's word for the service tier that answered; absent: the ordinary one. */
    serviceTier?: string | undefined;
  }): Price;
  pricesOf(provider: string, model: string): ModelPrices | undefined;
  /** Up to five names that resemble `name`. */
  suggestModels(name: string, listed?: readonly ModelInfo[]): string[];
}

/** A mistake in a configuration file or environment variable: where it stands and what is expected there. */
export interface ConfigFault {
  /** A file's path, or `environment`. */
  source: string;
  /** Path inside the file (`providers[2].concurrency`) or the variable's name. */
  path: string;
  expected: string;
}
