export type { Catalog, ConfigFault, ModelFilter, Price, ProviderConfig, ResolvedModel, Routing } from './catalog.ts';
export { estimateTokens } from './estimate-tokens.ts';
export { loadCatalog, type LoadCatalogOptions } from './load-catalog.ts';
export { type ProviderKind, providerKinds } from './provider-kinds.ts';
