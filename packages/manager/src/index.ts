export { createGate, type Gate } from './access.ts';
export { createManager, type ManagerOptions } from './create-manager.ts';
export type {
  BatchAsk,
  BatchEstimate,
  BatchItemResult,
  BatchList,
  BatchModelAsk,
  BatchOptions,
  BatchPage,
  BatchQuery,
  BatchSummary,
} from './batch/batch-types.ts';
export { findConfigFaults, findKeyVariables } from './find-config-faults.ts';
export type { Accepted, AskOptions, CompareAsk, GenerateAsk, GenerationAnswer } from './asks.ts';
export type { Caller } from './caller.ts';
export type { ConversationList, ConversationPage } from './conversation-views.ts';
export type { CostEstimate } from './cost-estimates.ts';
export type { BudgetView, HealthReport, QueueHealth } from './health-report.ts';
export type { JobList, JobView } from './job-views.ts';
export type { Manager } from './manager.ts';
export type { PreferenceChange, PreferenceList, PreferenceView } from './preference-views.ts';
export type { ProgressEvent, WaitView } from './progress.ts';
export type { ModelList, ProviderView } from './provider-views.ts';
