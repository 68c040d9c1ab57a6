import * as z from 'zod';

/** A table of a backup. */
export interface BackupTable {
  name: string;
  /** Whose row it belongs to: where that one was there before an import, this one is left alone with it. */
  parent?: { table: string; column: string };
  /** Columns that are not of the data. */
  leftOut?: readonly string[];
  /** What a column's JSON must be for the database to take it. */
  json?: Readonly<Record<string, z.ZodType>>;
}

const strings = z.array(z.string());
const batchParent = { table: 'batches', column: 'batch_id' };

/**
 * What is exported: tables of the models, parents before children, in the order in which they stand in a file. Columns are read
 * from the database. A table that is neither here nor in {@link notBackedUp} fails a test.
 */
export const backupTables: readonly BackupTable[] = [
  { name: 'model_preferences', json: { models: strings } },
  // A claim belongs to a request that runs now.
  { name: 'conversations', leftOut: ['claimed_by', 'claimed_at'] },
  {
    name: 'messages',
    parent: { table: 'conversations', column: 'conversation_id' },
    json: { content: z.array(z.looseObject({ type: z.string() })) },
  },
  { name: 'batches' },
  { name: 'batch_items', parent: batchParent },
  { name: 'batch_columns', parent: batchParent },
  { name: 'batch_generations', parent: batchParent },
  // A lease is of a worker that runs now.
  { name: 'batch_submissions', parent: batchParent, leftOut: ['owner', 'lease_until'] },
  // Before the ledger: an import into a ledger that is not empty goes by it, see `import-usage.ts`.
  { name: 'usage_retention' },
  { name: 'usage_tombstones' },
  { name: 'usage_series', json: { tags: strings } },
  { name: 'usage_stats', json: { tags: strings } },
  { name: 'usage_rollups', parent: { table: 'usage_series', column: 'series_id' } },
];

/** Tables that are not exported, and why. */
export const notBackedUp: Readonly<Record<string, string>> = {
  api_keys: 'secret: ciphertexts of provider keys',
  access_tokens: 'secret: hashes that open HTTP and the dashboard, of no use without their tokens',
  message_search: 'filled by triggers when messages are added',
  conversation_numbers: 'filled by a trigger when conversations are added (SQLite)',
  _prisma_migrations: 'about the schema, which an import brings up to date first',
};

/** What is counted of that, for whoever has to make it anew. */
export const secretCounts: Readonly<Record<string, string>> = {
  api_keys: 'SELECT count(*) AS count FROM api_keys',
  access_tokens: 'SELECT count(*) AS count FROM access_tokens WHERE revoked_at IS NULL',
};
