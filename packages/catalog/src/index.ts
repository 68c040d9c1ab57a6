export type { BudgetConfig } from './budgets.ts';
export { estimateCost, estimateOutput, expectOutput, toHighest } from './budget-estimate.ts';
export { type BudgetPeriod, toBudgetPeriod } from './budget-period.ts';
export {
  type Budget,
  getBudgetOf,
  planShares,
  type SharePlan,
  toCounter,
  toPeriodOf,
  toTokenBudgets,
} from './budget-shares.ts';
export type {
  Catalog,
  ConfigFault,
  Limits,
  ModelFilter,
  Price,
  ProviderConfig,
  ResolvedModel,
  Routing,
} from './catalog.ts';
export { type Countable, estimateTokens } from './estimate-tokens.ts';
export { findTurns, fitHistory, type FittedHistory, toPromptBudget } from './fit-history.ts';
export { findKeyVariables } from './find-key-variables.ts';
export { findUnknownProviders } from './check-references.ts';
export { type ConfigFollower, followConfig, type FollowConfigOptions } from './follow-config.ts';
export { createLiveCatalog, type LiveCatalog } from './live-catalog.ts';
export { loadCatalog, type LoadCatalogOptions } from './load-catalog.ts';
export { matchesFilter } from './matches-filter.ts';
export { type FieldChange, mergeModels, type MergedModels } from './merge-models.ts';
export { toListedId } from './model-names.ts';
export { formatModelsFile, readModelsFile, writeModelsFile } from './models-file.ts';
export { type ProviderKind, providerKinds } from './provider-kinds.ts';
export type { FallbackChain, Preference, RoutingRule, Tier } from './routing-schemas.ts';
export { createTokenEstimator, type TokenEstimator } from './token-estimator.ts';
export { parsePublishedModels, type PublishedModels } from './published-models.ts';
