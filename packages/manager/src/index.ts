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
  BatchProviderPace,
  BatchQuery,
  BatchSummary,
} from './batch/batch-types.ts';
export { findConfigFaults } from './find-config-faults.ts';
export type {
  Accepted,
  AskOptions,
  BudgetView,
  Caller,
  CompareAsk,
  ConversationList,
  ConversationPage,
  CostEstimate,
  GenerateAsk,
  GenerationAnswer,
  HealthReport,
  JobList,
  JobView,
  WaitView,
  Manager,
  ModelList,
  PreferenceChange,
  PreferenceList,
  PreferenceView,
  ProgressEvent,
  ProviderView,
  QueueHealth,
} from './manager.ts';
