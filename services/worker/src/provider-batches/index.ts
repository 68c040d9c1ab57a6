export { createBatchBudgets } from '../batch/batch-budgets.ts';
export { createProviderBatchKeeper, type ProviderBatchKeeper } from './keeper.ts';
export type { ProviderBatchOptions, ProviderBatchPace } from './keeper-options.ts';
export { createProviderSet } from '../provider-set.ts';
