import { join, raw, type Sql, sqltag as sql } from '@prisma/client/runtime/client';
import type { DatabaseKind } from './database-url.ts';
import { ledgerColumns } from './ledger-rows.ts';

/** What a column of a JSON row is to be. */
export type ColumnType = 'text' | 'integer' | 'bigint' | 'boolean' | 'double precision' | 'json';

/** The few places where the ledger's SQL is not the same on both databases. */
export interface LedgerDialect {
  /** A SELECT of every column, in the order of `ledgerColumns.all`, from a JSON array of rows. */
  selectFromJson(rows: string): Sql;
  /** Rows as a table called `given`, for a statement that takes any number of them. Whole numbers may be strings, null is NULL. */
  given(rows: readonly Record<string, unknown>[], columns: Record<string, ColumnType>): Sql;
  /** The rows of `table` for which the condition on it and `given` holds, beside `given`: looked up for each row of that in an index. */
  besideGiven(table: 'usage_rollups' | 'usage_stats', condition: Sql, index?: string): Sql;
  /** SQL values as the text of a JSON array. */
  array(values: readonly string[]): Sql;
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
      const names = Object.keys(columns);
      // By place, which takes half as long as by name.
      const values = Object.entries(columns).map(([name, type], place) => {
        if (type === 'json') return `NULLIF(value -> ${place}, 'null') AS "${name}"`;
        const isWhole = type === 'integer' || type === 'bigint';
        return `${isWhole ? `CAST(value ->> ${place} AS INTEGER)` : `value ->> ${place}`} AS "${name}"`;
      });
      const json = JSON.stringify(rows.map((row) => names.map((name) => row[name] ?? null)));
      return sql`(SELECT ${raw(values.join(', '))} FROM json_each(${json})) AS given`;
    },
    // CROSS JOIN keeps the order. The index is named, as one on a provider, say, seems better than one on time, and is not.
    besideGiven: (table, condition, index) =>
      sql`CROSS JOIN ${raw(index === undefined ? table : `${table} INDEXED BY ${index}`)} ON ${condition}`,
    array: (values) => raw(`json_array(${values.join(', ')})`),
    tagsOf: (column) => raw(`json_each(${column}) AS tag`),
    forUpdate: raw(''),
  },
  postgresql: {
    selectFromJson: (rows) =>
      // The types are the table's own.
      sql`SELECT ${raw(ledgerColumns.all.join(', '))} FROM jsonb_populate_recordset(CAST(NULL AS usage_stats), CAST(${rows} AS jsonb))`,
    given: (rows, columns) => {
      const named = Object.entries(columns).map(([name, type]) => raw(`"${name}" ${type === 'json' ? 'jsonb' : type}`));
      return sql`jsonb_to_recordset(CAST(${JSON.stringify(rows)} AS jsonb)) AS given(${join(named, ', ')})`;
    },
    // OFFSET 0: left to itself the planner reads the whole table once, and compares each row with every one of `given`.
    besideGiven: (table, condition) =>
      sql`CROSS JOIN LATERAL (SELECT * FROM ${raw(table)} WHERE ${condition} OFFSET 0) AS ${raw(table)}`,
    array: (values) => raw(`CAST(json_build_array(${values.join(', ')}) AS TEXT)`),
    tagsOf: (column) => raw(`jsonb_array_elements_text(${column}) AS tag(value)`),
    forUpdate: raw('FOR UPDATE'),
    // Any number that nothing else in this database takes.
    tryLock: raw('SELECT pg_try_advisory_xact_lock(7218350164) AS taken'),
  },
};
