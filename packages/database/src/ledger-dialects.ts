import { raw, type Sql, sqltag as sql } from '@prisma/client/runtime/client';
import type { DatabaseKind } from './database-url.ts';
import { ledgerColumns } from './ledger-rows.ts';

/** The few places where the ledger's SQL is not the same on both databases. */
export interface LedgerDialect {
  /** A SELECT of every column, in the order of `ledgerColumns.all`, from a JSON array of rows. */
  selectFromJson(rows: string): Sql;
  /** The row's start as `YYYY-MM-DD` in UTC. */
  day: Sql;
  /** The row's tags as a table with the column `tag.value`. */
  tags: Sql;
}

export const ledgerDialects: Record<DatabaseKind, LedgerDialect> = {
  sqlite: {
    selectFromJson: (rows) => {
      // `->` keeps the tags as JSON, `->>` takes a plain value out.
      const values = ledgerColumns.all.map((name) => `value ${name === 'tags' ? '->' : '->>'} '${name}'`);
      // Without `WHERE` the parser takes `ON CONFLICT` for a join condition.
      return sql`SELECT ${raw(values.join(', '))} FROM json_each(${rows}) WHERE true`;
    },
    day: raw("date(started_at / 1000, 'unixepoch')"),
    tags: raw('json_each(usage_stats.tags) AS tag'),
  },
  postgresql: {
    selectFromJson: (rows) =>
      // The types are the table's own.
      sql`SELECT ${raw(ledgerColumns.all.join(', '))} FROM jsonb_populate_recordset(CAST(NULL AS usage_stats), CAST(${rows} AS jsonb))`,
    day: raw("to_char(to_timestamp(started_at / 1000) AT TIME ZONE 'UTC', 'YYYY-MM-DD')"),
    tags: raw('jsonb_array_elements_text(usage_stats.tags) AS tag(value)'),
  },
};
