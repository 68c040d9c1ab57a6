export { createGate, type Gate } from './access.ts';
export { createManager, type ManagerOptions } from './create-manager.ts';
export { findConfigFaults } from './find-config-faults.ts';
export type {
  Accepted,
  AskOptions,
  BudgetView,
  Caller,
  CompareAsk,
  GenerateAsk,
  GenerationAnswer,
  HealthReport,
  JobView,
  WaitView,
  Manager,
  ModelList,
  ProgressEvent,
  ProviderView,
  QueueHealth,
} from './manager.ts';
