import type { Catalog, ProviderConfig } from '@aimm/catalog';
import { createProvider, type ModelProvider } from '@aimm/providers';

type Environment = Readonly<Record<string, string | undefined>>;

/** The providers that this worker serves, as the environment of the moment configures them. */
export interface ProviderSet {
  find(id: string): ModelProvider | undefined;
  configs(): readonly ProviderConfig[];
  describe(): { id: string; configured: boolean; demo: boolean }[];
  isDemo(id: string): boolean;
  /** Makes every provider anew: keys may come, go and change while the worker runs. Calls under way keep theirs. */
  configure(environment: Environment): void;
  /** Loads what the configured ones need for their first call, one after the other. */
  warmUp(): Promise<void>;
  /** Values that must never be printed. */
  secrets(): string[];
}

export function createProviderSet(
  catalog: Catalog,
  served: readonly string[] | undefined,
  environment: Environment,
): ProviderSet {
  const configs = catalog.providers.filter(({ id }) => served === undefined || served.includes(id));
  let providers = new Map<string, ModelProvider>();
  let demo = false;
  let secrets: string[] = [];

  const configure = (env: Environment) => {
    demo = env['AIMM_DEMO_ACTIVE'] === '1';
    secrets = configs.flatMap((config) => findKey(config, env) ?? []);
    providers = new Map(configs.map((config) => [config.id, toProvider(config, env)]));
  };
  const toProvider = (config: ProviderConfig, env: Environment): ModelProvider => {
    const apiKey = findKey(config, env);
    const baseUrl = env[config.baseUrlVariable] || config.baseUrl;
    const [apiKeyVariable] = config.apiKeyVariables;
    return createProvider({
      id: config.id,
      kind: config.kind,
      keyRequired: config.keyRequired,
      demo,
      firstByteTimeoutMs: config.firstByteTimeoutMs,
      idleTimeoutMs: config.idleTimeoutMs,
      describeModel: (model) => catalog.findModel(config.id, model),
      ...(apiKey !== undefined && { apiKey }),
      ...(apiKeyVariable !== undefined && { apiKeyVariable }),
      ...(baseUrl !== undefined && { baseUrl }),
      ...(config.defaultModel !== undefined && { defaultModel: config.defaultModel }),
    });
  };
  configure(environment);

  return {
    find: (id) => providers.get(id),
    configs: () => configs,
    describe: () =>
      [...providers.values()].map((provider) => ({ id: provider.id, configured: provider.isAvailable(), demo })),
    isDemo: () => demo,
    configure,
    async warmUp() {
      for (const provider of providers.values()) if (provider.isAvailable()) await provider.warmUp();
    },
    secrets: () => secrets,
  };
}

function findKey(config: ProviderConfig, env: Environment): string | undefined {
  return config.apiKeyVariables.map((name) => env[name]).find((value) => value !== undefined && value !== '');
}
