import { join, raw, type Sql, sqltag as sql } from '@prisma/client/runtime/client';
import type { DatabaseKind } from './database-url.ts';
import { ledgerColumns } from './ledger-rows.ts';

/** What a column of a JSON row is to be. */
type ColumnType = 'text' | 'integer' | 'bigint' | 'boolean' | 'json';

/** The few places where the ledger's SQL is not the same on both databases. */
export interface LedgerDialect {
  /** A SELECT of every column, in the order of `ledgerColumns.all`, from a JSON array of rows. */
  selectFromJson(rows: string): Sql;
  /** A JSON array of objects as a table called `given`. Whole numbers may be written as strings. */
  given(rows: string, columns: Record<string, ColumnType>): Sql;
  /** A column of tags as a table with the column `tag.value`. */
  tagsOf(column: 'usage_stats.tags' | 'usage_series.tags'): Sql;
  /** At the end of a SELECT inside a transaction: nobody changes what was read before it ends. */
  forUpdate: Sql;
  /** Takes the roll-ups for one transaction, or says that another has them; absent where a transaction has all. */
  tryLock?: Sql;
}

export const ledgerDialects: Record<DatabaseKind, LedgerDialect> = {
  sqlite: {
    selectFromJson: (rows) => {
      // `->` keeps the tags as JSON, `->>` takes a plain value out.
      const values = ledgerColumns.all.map((name) => `value ${name === 'tags' ? '->' : '->>'} '${name}'`);
      // Without `WHERE` the parser takes `ON CONFLICT` for a join condition.
      return sql`SELECT ${raw(values.join(', '))} FROM json_each(${rows}) WHERE true`;
    },
    given: (rows, columns) => {
      const toValue = (name: string, type: ColumnType) => {
        if (type === 'json') return `value -> '${name}' AS ${name}`;
        return type === 'text' || type === 'boolean'
          ? `value ->> '${name}' AS ${name}`
          : `CAST(value ->> '${name}' AS INTEGER) AS ${name}`;
      };
      const values = Object.entries(columns).map(([name, type]) => toValue(name, type));
      return sql`(SELECT ${raw(values.join(', '))} FROM json_each(${rows})) AS given`;
    },
    tagsOf: (column) => raw(`json_each(${column}) AS tag`),
    forUpdate: raw(''),
  },
  postgresql: {
    selectFromJson: (rows) =>
      // The types are the table's own.
      sql`SELECT ${raw(ledgerColumns.all.join(', '))} FROM jsonb_populate_recordset(CAST(NULL AS usage_stats), CAST(${rows} AS jsonb))`,
    given: (rows, columns) => {
      const named = Object.entries(columns).map(([name, type]) => raw(`${name} ${type === 'json' ? 'jsonb' : type}`));
      return sql`jsonb_to_recordset(CAST(${rows} AS jsonb)) AS given(${join(named, ', ')})`;
    },
    tagsOf: (column) => raw(`jsonb_array_elements_text(${column}) AS tag(value)`),
    forUpdate: raw('FOR UPDATE'),
    // Any number that nothing else in this database takes.
    tryLock: raw('SELECT pg_try_advisory_xact_lock(7218350164) AS taken'),
  },
};
