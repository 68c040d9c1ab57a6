import { loadCatalog, type LoadCatalogOptions } from './load-catalog.ts';

/** The variables that hold providers' keys, as far as config/providers.json can be read: its faults are told elsewhere. */
export function findKeyVariables(options: LoadCatalogOptions): string[] {
  return loadCatalog(options).catalog.providers.flatMap(({ apiKeyVariables }) => apiKeyVariables);
}
