import { DatabaseSync } from 'node:sqlite';
import pg from 'pg';

const statements = (text: string, whole: string) => [
  `CREATE TABLE IF NOT EXISTS batch_submissions (
    id ${text} PRIMARY KEY,
    batch_id ${text} NOT NULL REFERENCES batches (id) ON DELETE CASCADE,
    column_number INTEGER NOT NULL,
    provider ${text} NOT NULL,
    model ${text} NOT NULL,
    round INTEGER NOT NULL,
    requests ${text} NOT NULL,
    status ${text} NOT NULL,
    key_id ${text},
    attempted_at ${whole},
    submitted_at ${whole},
    handle ${text},
    tries INTEGER NOT NULL DEFAULT 0,
    cancelled_at ${whole},
    progress ${text},
    problem ${text},
    created_at ${whole} NOT NULL,
    ended_at ${whole},
    next_at ${whole} NOT NULL,
    owner ${text},
    lease_until ${whole} NOT NULL DEFAULT 0
  )`,
  'CREATE INDEX IF NOT EXISTS batch_submissions_status_next_at_idx ON batch_submissions (status, next_at)',
  'CREATE INDEX IF NOT EXISTS batch_submissions_batch_id_idx ON batch_submissions (batch_id)',
];

/** The table as the migration makes it, where a database was made before that. */
export async function createSubmissionsTable(url: string): Promise<void> {
  if (url.startsWith('file:')) {
    const database = new DatabaseSync(url.slice('file:'.length));
    for (const statement of statements('TEXT', 'BIGINT')) database.exec(statement);
    database.close();
    return;
  }
  const client = new pg.Client(url);
  await client.connect();
  try {
    for (const statement of statements('TEXT', 'BIGINT')) await client.query(statement);
  } finally {
    await client.end();
  }
}
