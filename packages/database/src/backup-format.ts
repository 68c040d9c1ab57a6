import * as z from 'zod';

/**
 * A backup is lines of JSON: a header, one line per row (`{"table":"messages","row":{…}}`), tables in the order of `backupTables`,
 * and an end with the number of rows per table. A change that an earlier version could not read, or would read wrongly, raises it.
 */
export const backupVersion = 1;
const format = 'aimm-export';

export const BackupHeader = z.object({
  format: z.literal(format, `expected the header of a backup, with "format": "${format}"`),
  version: z.int().min(1),
  /** The newest migration that the database had. */
  schema: z.string(),
  exported_at: z.string(),
  database: z.string(),
  /** How many rows of secrets there were, which are not in it. */
  left_out: z.record(z.string(), z.int()).default({}),
});
export type BackupHeader = z.infer<typeof BackupHeader>;

export const BackupLine = z.strictObject({
  table: z.string(),
  row: z.custom<object>((value) => typeof value === 'object' && value !== null, 'expected an object'),
});

export const BackupEnd = z.strictObject({ end: z.literal(true), counts: z.record(z.string(), z.int().min(0)) });
export type BackupEnd = z.infer<typeof BackupEnd>;

export function toHeaderLine(header: Omit<BackupHeader, 'format' | 'version'>): string {
  return toLine({ format, version: backupVersion, ...header });
}

export function toLine(value: unknown): string {
  return `${JSON.stringify(value)}\n`;
}
