import { colours } from './colours.ts';

/** One line on stdout. */
export function print(line = ''): void {
  process.stdout.write(`${line}\n`);
}

/** A value as JSON on stdout, for programs. */
export function printJson(value: unknown): void {
  print(JSON.stringify(value, null, 2));
}

/** Rows under a heading, columns aligned. Cells must be free of colour. */
export function formatTable(heading: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = heading.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)));
  const toLine = (cells: readonly string[]) =>
    cells
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd();
  return [colours.bold(toLine(heading)), ...rows.map(toLine)].join('\n');
}

/** Text of many lines as one short one. */
export function toOneLine(text: string, length: number): string {
  const line = text.replaceAll(/\s+/g, ' ').trim();
  return line.length <= length ? line : `${line.slice(0, length - 1)}…`;
}
