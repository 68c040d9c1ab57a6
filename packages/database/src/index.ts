export { createDatabase, type DatabaseOptions } from './create-database.ts';
export type {
  BatchRepository,
  GenerationQuery,
  NewColumn,
  QueuedGeneration,
  StoredBatch,
  StoredColumn,
  TakenGeneration,
} from './batch-repository.ts';
export type {
  StoredSubmission,
  SubmissionChange,
  SubmissionRepository,
  SubmissionStatus,
} from './submission-repository.ts';
export type { ModelSpeed } from './ledger-speed.ts';
export type {
  AccessToken,
  AccessTokenRepository,
  ApiKey,
  ApiKeyRepository,
  ConversationRepository,
  Database,
  LedgerRepository,
  TurnClaim,
} from './database.ts';
export { createDatabaseOnDemand, type DatabaseOnDemand } from './database-on-demand.ts';
export { findDrift } from './drift.ts';
export { findKeyedProviders } from './keyed-providers.ts';
export { migrateDatabase } from './migrate.ts';
