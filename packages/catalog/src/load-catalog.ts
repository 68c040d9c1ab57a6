import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { applyBudgetEnvironment } from './budgets.ts';
import type { Catalog, ConfigFault, Routing } from './catalog.ts';
import { checkBaseUrls, checkOllamaFields, checkReferences } from './check-references.ts';
import { checkRouting } from './check-routing.ts';
import { ModelsFile, ProvidersFile, RoutingFile } from './config-schemas.ts';
import { createCatalog } from './create-catalog.ts';
import { applyEnvironment, type Environment } from './environment.ts';
import { readConfigFile } from './read-config-file.ts';

export const defaultConfigDir = fileURLToPath(new URL('../../../config', import.meta.url));

export interface LoadCatalogOptions {
  /** Where providers.json, models.json and routing.json are. Default: the repository's `config/`. */
  configDir?: string | undefined;
  env: Environment;
  /** Epoch milliseconds; says which list price is shown. Default: the clock. */
  now?: (() => number) | undefined;
}

/**
 * Reads the three files of `configDir`, once and synchronously, and lays the environment's overrides on top.
 * Never throws: every mistake in every file and variable is in `faults`; with any, the catalog is not fit for use.
 */
export function loadCatalog(options: LoadCatalogOptions): { catalog: Catalog; faults: ConfigFault[] } {
  const directory = options.configDir ?? defaultConfigDir;
  const providersFile = readConfigFile(join(directory, 'providers.json'), ProvidersFile);
  const modelsFile = readConfigFile(join(directory, 'models.json'), ModelsFile);
  const routingFile = readConfigFile(join(directory, 'routing.json'), RoutingFile);
  const applied = (providersFile.value?.providers ?? []).map((entry) => applyEnvironment(entry, options.env));
  const providers = applied.map(({ provider }) => provider);
  const { budgets, faults: budgetFaults } = applyBudgetEnvironment(
    providersFile.value?.budgets ?? [],
    providers,
    options.env,
  );

  const faults = [
    ...providersFile.faults,
    ...modelsFile.faults,
    ...routingFile.faults,
    ...applied.flatMap((result) => result.faults),
    ...budgetFaults,
    ...checkBaseUrls(providersFile.source, providers),
    ...checkOllamaFields(providersFile.source, providers),
    ...checkReferences({ providers: providersFile, models: modelsFile, routing: routingFile }),
    ...checkRouting({ providers: providersFile, models: modelsFile, routing: routingFile }),
  ];
  const catalog = createCatalog({
    providers,
    models: modelsFile.value?.models ?? [],
    serviceTiers: modelsFile.value?.serviceTiers ?? {},
    checkedOn: modelsFile.value?.checkedOn ?? '',
    routing: {
      autoCandidates: routingFile.value?.auto.candidates ?? [],
      tiers: routingFile.value?.tiers ?? {},
      rules: routingFile.value?.rules ?? {},
      fallbacks: routingFile.value?.fallbacks ?? {},
      pools: routingFile.value?.pools ?? {},
      cache: toCacheRule(routingFile.value?.cache),
    },
    budgets,
    clients: providersFile.value?.clients ?? {},
    now: options.now ?? Date.now,
  });
  return { catalog, faults };
}

function toCacheRule(rule: RoutingFile['cache']): Routing['cache'] {
  return { temperatureZero: rule?.temperatureZero ?? false, ttlMs: (rule?.ttlSeconds ?? 3_600) * 1_000 };
}
