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
  MasterKeys,
  TurnClaim,
} from './database.ts';
export { createDatabaseOnDemand, type DatabaseOnDemand } from './database-on-demand.ts';
export { isRefusal } from './failures.ts';
export { findDrift } from './drift.ts';
export { findKeyedProviders } from './keyed-providers.ts';
export { UnreadableError } from './readable.ts';
export { findOpenBatches } from './open-batches.ts';
export { backupTables, notBackedUp } from './backup-tables.ts';
export { exportDatabase, type ExportOptions, type ExportSummary } from './export-database.ts';
export { importDatabase, type ImportOptions, type ImportSummary } from './import-database.ts';
export { findPendingMigrations, migrateDatabase } from './migrate.ts';
