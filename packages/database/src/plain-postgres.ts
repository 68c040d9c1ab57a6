import type { Sql } from '@prisma/client/runtime/client';
import pg from 'pg';
import type { PlainConnection, PlainRow } from './plain-connection.ts';
import { createPoolConfig } from './postgres-connection.ts';

const begins = { read: 'BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY', write: 'BEGIN' };
/** Rows are fetched in such portions, as far as their sizes can be foreseen. */
const portionChars = 1_000_000;
const mostRows = 1_000;

export async function openPlainPostgres(url: string): Promise<PlainConnection> {
  const client = new pg.Client(createPoolConfig(url));
  // Without a listener a connection lost between two queries ends the process; the next query fails anyway.
  client.on('error', () => undefined);
  await client.connect();
  const ask = ({ text, values }: Sql) => client.query<PlainRow>(text, values);

  return {
    kind: 'postgresql',
    async begin(mode) {
      await client.query(begins[mode]);
      // What a transaction sees is settled by its first query.
      await client.query('SELECT 1');
    },
    commit: async () => void (await client.query('COMMIT')),
    rows: async (statement) => (await ask(statement)).rows,
    async *stream({ text, values }) {
      // A cursor: the server sorts once and keeps the rows.
      await client.query(`DECLARE "rows" NO SCROLL CURSOR FOR ${text}`, values);
      for (let count = 10; ;) {
        const { rows } = await client.query<PlainRow>(`FETCH ${count} FROM "rows"`);
        yield* rows;
        if (rows.length < count) break;
        const average = rows.reduce((chars, row) => chars + countChars(row), 0) / rows.length;
        count = Math.max(1, Math.min(mostRows, Math.floor(portionChars / average)));
      }
      await client.query('CLOSE "rows"');
    },
    run: async (statement) => (await ask(statement)).rowCount ?? 0,
    close: () => client.end(),
  };
}

function countChars(row: PlainRow): number {
  return Object.values(row).reduce((chars: number, value) => chars + (typeof value === 'string' ? value.length : 8), 0);
}
