import type { BackupColumn, StoredTable } from './backup-columns.ts';
import type { ParsedRow } from './parse-backup.ts';

/** Rows of one table that all have the same columns. */
export interface Batch {
  table: StoredTable;
  columns: readonly BackupColumn[];
  rows: readonly ParsedRow[];
}

/** Rows that are written at once: so many, or so much. */
const batchRows = 500;
const batchChars = 1_000_000;

/** Rows of one table and with the same columns, which a file of an earlier version has fewer of. */
export async function* toBatches(rows: AsyncIterable<ParsedRow>): AsyncGenerator<Batch> {
  let waiting: ParsedRow[] = [];
  let [shape, chars] = ['', 0];
  for await (const row of rows) {
    const found = `${row.table.name} ${Object.keys(row.row).toSorted().join(' ')}`;
    if (waiting.length > 0 && (found !== shape || waiting.length >= batchRows || chars >= batchChars)) {
      yield toBatch(waiting);
      [waiting, chars] = [[], 0];
    }
    shape = found;
    waiting.push(row);
    chars += row.size;
  }
  if (waiting.length > 0) yield toBatch(waiting);
}

function toBatch(rows: readonly ParsedRow[]): Batch {
  const [first] = rows;
  if (first === undefined) throw new TypeError('a batch has a row');
  const columns = first.table.columns.filter(({ name }) => name in first.row);
  return { table: first.table, columns, rows };
}
