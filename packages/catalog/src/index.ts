export type { Catalog, ConfigFault, ModelFilter, Price, ProviderConfig, ResolvedModel, Routing } from './catalog.ts';
export { type Countable, estimateTokens } from './estimate-tokens.ts';
export { findUnknownProviders } from './check-references.ts';
export { loadCatalog, type LoadCatalogOptions } from './load-catalog.ts';
export { type FieldChange, mergeModels, type MergedModels } from './merge-models.ts';
export { formatModelsFile, readModelsFile, writeModelsFile } from './models-file.ts';
export { type ProviderKind, providerKinds } from './provider-kinds.ts';
export { createTokenEstimator, type TokenEstimator } from './token-estimator.ts';
export { parsePublishedModels, type PublishedModels } from './published-models.ts';
