import Sqlite from 'better-sqlite3';
import pg from 'pg';

/** Runs one statement past our own code; gives its rows. */
export async function runSql(url: string, sql: string): Promise<Record<string, unknown>[]> {
  if (url.startsWith('file:')) {
    const file = new Sqlite(url.slice('file:'.length));
    try {
      const statement = file.prepare<[], Record<string, unknown>>(sql);
      if (statement.reader) return statement.all();
      statement.run();
      return [];
    } finally {
      file.close();
    }
  }
  const client = new pg.Client(url);
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(sql)).rows;
  } finally {
    await client.end();
  }
}
