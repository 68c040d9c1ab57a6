import stringWidth from 'string-width';
import { colours } from './colours.ts';
import { toTerminalText } from './terminal-text.ts';

/** One line on stdout. */
export function print(line = ''): void {
  process.stdout.write(`${line}\n`);
}

/** A value as JSON on stdout, for programs. */
export function printJson(value: unknown): void {
  print(JSON.stringify(value, null, 2));
}

/** Rows under a heading, columns aligned. Cells may hold anything: they are shown in one line, and steer no terminal. */
export function formatTable(heading: readonly string[], rows: readonly (readonly string[])[]): string {
  const shown = rows.map((row) => row.map((cell) => toOneLine(cell)));
  const widths = heading.map((title, column) =>
    Math.max(stringWidth(title), ...shown.map((row) => stringWidth(row[column] ?? ''))),
  );
  const toLine = (cells: readonly string[]) =>
    cells
      .map((cell, column) => cell + ' '.repeat(Math.max(0, (widths[column] ?? 0) - stringWidth(cell))))
      .join('  ')
      .trimEnd();
  return [colours.bold(toLine(heading)), ...shown.map(toLine)].join('\n');
}

/** Text of many lines as one, which is cut where it has more characters than that, and steers no terminal. */
export function toOneLine(text: string, length = Number.POSITIVE_INFINITY): string {
  const line = toTerminalText(text).replaceAll(/\s+/g, ' ').trim();
  const characters = Array.from(line);
  return characters.length <= length ? line : `${characters.slice(0, length - 1).join('')}…`;
}
