export { createDatabase, type DatabaseOptions } from './create-database.ts';
export type { ConversationRepository, Database, LedgerRepository } from './database.ts';
export { createDatabaseOnDemand, type DatabaseOnDemand } from './database-on-demand.ts';
export { findDrift } from './drift.ts';
export { migrateDatabase } from './migrate.ts';
