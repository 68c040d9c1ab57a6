import stringWidth from 'string-width';
import wrapAnsi from 'wrap-ansi';

/** One model's part of the screen. */
export interface Column {
  title: string;
  /** How it stands, below the title. */
  status: string;
  text: string;
}

/** In terminal cells. Narrower than this text is hard to read: the columns stand in several rows then. */
const narrowest = 24;
const gap = ' │ ';

/**
 * The columns side by side as lines of at most `width` cells. `height`: at most so many lines in all, the newest of each
 * text; without it all of them.
 */
export function layOutColumns(
  columns: readonly Column[],
  { width, height, bold = (text) => text, dim = (text) => text }: LayoutOptions,
): string[] {
  if (columns.length === 0) return [];
  const perRow = Math.max(1, Math.min(columns.length, Math.floor((width + gap.length) / (narrowest + gap.length))));
  const rows = Array.from({ length: Math.ceil(columns.length / perRow) }, (_, row) =>
    columns.slice(row * perRow, (row + 1) * perRow),
  );
  const rowHeight = height === undefined ? undefined : Math.floor(height / rows.length);
  const cellWidth = Math.max(1, Math.floor((width - gap.length * (perRow - 1)) / perRow));
  return rows.flatMap((row, index) => [...(index > 0 ? [''] : []), ...layOutRow(row)]).slice(0, height);

  function layOutRow(row: readonly Column[]): string[] {
    const heads = row.map(({ title, status }) => [
      ...fitLines(title, cellWidth).map((line) => ({ line, style: bold })),
      ...fitLines(status, cellWidth).map((line) => ({ line, style: dim })),
    ]);
    const headHeight = Math.max(...heads.map(({ length }) => length));
    const bodies = row.map(({ text }) => fitLines(text, cellWidth).map((line) => ({ line, style: plain })));
    const tallest = Math.max(...bodies.map(({ length }) => length));
    // One line less for what stands between two rows.
    const room = rowHeight === undefined ? tallest : Math.max(0, rowHeight - headHeight - (rows.length > 1 ? 1 : 0));
    const shown = bodies.map((lines) => lines.slice(Math.max(0, lines.length - room)));
    return Array.from({ length: headHeight + Math.min(room, tallest) }, (_, at) =>
      row
        .map((_column, column) => {
          const cell = at < headHeight ? heads[column]?.[at] : shown[column]?.[at - headHeight];
          const { line, style } = cell ?? { line: '', style: plain };
          const isLast = column === row.length - 1;
          return style(line) + (isLast ? '' : ' '.repeat(Math.max(0, cellWidth - stringWidth(line))));
        })
        .join(dim(gap))
        .trimEnd(),
    );
  }
}

interface LayoutOptions {
  width: number;
  height?: number;
  bold?: (text: string) => string;
  dim?: (text: string) => string;
}

const plain = (text: string) => text;

/** Wrapped at words where that is possible; a wide character is never cut in two. */
function fitLines(text: string, width: number): string[] {
  const expanded = text.replaceAll('\t', '    ').trimEnd();
  if (expanded === '') return [];
  return expanded.split('\n').flatMap((line) =>
    // Indented lines stay so; the blank at which a line was broken is gone.
    wrapAnsi(line, width, { hard: true, trim: false })
      .split('\n')
      .map((part, index) => (index === 0 ? part : part.replace(/^ /, ''))),
  );
}
