import { styleText } from 'node:util';
import { type BatchProviderPace, type BatchStatus, type BatchView, countEnded } from '@aimm/contracts';
import stringWidth from 'string-width';
import { formatCost, formatCount, formatDuration, formatShare } from '@aimm/runtime/format';
import { cutToWidth, padToWidth, toPlainText } from '../results/terminal-text.ts';
import { type ProviderProgress, toProviderProgress } from './provider-progress.ts';
import { toLeft, toSpent } from './to-progress-line.ts';

export interface BatchProgressOptions {
  /** Cells of the terminal in a line; no line is longer. */
  width: number;
  colours: boolean;
  /** Epoch milliseconds. */
  now: number;
  /** Absent while nothing is known of them. */
  paces?: readonly BatchProviderPace[] | undefined;
}

type Style = 'bold' | 'dim' | 'green' | 'red' | 'yellow';
type Paint = (style: Style, text: string) => string;

const styles: Record<BatchStatus, Style> = { running: 'bold', paused: 'yellow', completed: 'green', cancelled: 'red' };
const gap = '  ';

/**
 * A batch while it runs, as the lines of a terminal to be drawn over each other: what it came to in all, then a row for each
 * provider. What does not fit is left out, the least of it first. Pure: the same view makes the same lines.
 */
export function renderBatchProgress(view: BatchView, options: BatchProgressOptions): string[] {
  const { width, colours, now, paces = [] } = options;
  const paint: Paint = (style, text) => (colours ? styleText(style, text, { validateStream: false }) : text);
  const ended = countEnded(view.counts);
  const took = `${formatDuration(Math.max(0, (view.endedAt ?? now) - view.createdAt))} so far`;
  const name = cutToWidth(toPlainText(view.name ?? view.batchId).replaceAll('\n', ' '), Math.max(10, width - 12));
  const state = cutToWidth(view.status, Math.max(1, width - stringWidth(name) - 2));
  const share = ` ${formatCount(ended)} of ${formatCount(view.total)} · ${formatShare(ended, view.total)}`;
  const bar = toBar(ended, view.total, Math.min(40, width - stringWidth(share)), paint);
  const facts = [toSpent(view), view.endedAt === undefined ? took : took.replace(' so far', ' in all'), toLeft(view)];
  return [
    `${paint('bold', name)}${gap}${paint(styles[view.status], state)}`,
    `${bar}${cutToWidth(share, width)}`,
    paint('dim', cutToWidth(facts.filter((fact) => fact !== '').join(' · '), width)),
    '',
    ...toTable(toProviderProgress(view, paces), width, paint),
  ];
}

interface Column {
  title: string;
  /** The higher, the sooner it is left out. */
  rank: number;
  align: 'left' | 'right';
  cell: (row: ProviderProgress) => string;
  paint?: (row: ProviderProgress) => Style | undefined;
}

function toTable(rows: readonly ProviderProgress[], width: number, paint: Paint): string[] {
  const count = (title: string, rank: number, of: (row: ProviderProgress) => number): Column => ({
    title,
    rank,
    align: 'right',
    cell: (row) => formatCount(of(row)),
  });
  const some = (of: (row: ProviderProgress) => unknown, column: Column): Column[] => (rows.some(of) ? [column] : []);
  const failed: Column = {
    ...count('failed', 2, (row) => row.counts.failed),
    paint: ({ counts }) => (counts.failed > 0 ? 'red' : undefined),
  };
  const columns: Column[] = [
    { title: 'provider', rank: 0, align: 'left', cell: ({ name }) => cutToWidth(toPlainText(name), 24) },
    { title: '', rank: 7, align: 'left', cell: ({ counts, total }) => toPlainBar(countEnded(counts), total, 16) },
    { title: '%', rank: 5, align: 'right', cell: ({ counts, total }) => formatShare(countEnded(counts), total) },
    { ...count('done', 1, (row) => row.counts.succeeded), paint: () => 'green' },
    ...some(
      ({ pace }) => pace,
      count('running', 4, ({ pace }) => pace?.running ?? 0),
    ),
    count('waiting', 4, ({ counts, pace }) => counts.waiting + Math.max(0, counts.queued - (pace?.running ?? 0))),
    failed,
    ...some(
      (row) => row.counts.skipped + row.counts.cancelled > 0,
      count('left out', 8, (row) => row.counts.skipped + row.counts.cancelled),
    ),
    ...some(({ pace }) => toRate(pace) !== '', {
      title: 'a minute',
      rank: 3,
      align: 'right',
      cell: ({ pace }) => toRate(pace),
    }),
    { title: 'spent', rank: 3, align: 'right', cell: ({ costNanoUsd }) => formatCost(costNanoUsd) },
    ...some(({ pace }) => toRowLeft(pace) !== '', {
      title: 'left',
      rank: 4,
      align: 'right',
      cell: ({ pace }) => toRowLeft(pace),
    }),
  ];
  const widthOf = (column: Column) =>
    Math.max(stringWidth(column.title), ...rows.map((row) => stringWidth(column.cell(row))));
  const total = () => columns.reduce((sum, column) => sum + widthOf(column) + gap.length, -gap.length);
  while (columns.length > 1 && total() > width) {
    const most = Math.max(...columns.map(({ rank }) => rank));
    columns.splice(
      columns.findLastIndex(({ rank }) => rank === most),
      1,
    );
  }
  const toLine = (toCell: (column: Column, width: number) => string) =>
    columns.map((column) => toCell(column, widthOf(column))).join(gap);
  const heading = toLine((column, cells) => padToWidth(column.title, cells, column.align));
  return [
    paint('dim', cutToWidth(heading.trimEnd(), width)),
    ...rows.map((row) =>
      toLine((column, cells) => {
        const cell = padToWidth(cutToWidth(column.cell(row), width), cells, column.align);
        const style = column.paint?.(row);
        return style === undefined ? cell : paint(style, cell);
      }).trimEnd(),
    ),
  ];
}

/** `480 of 500`; what is known of it. */
function toRate({ perMinute, limitPerMinute }: Partial<BatchProviderPace> = {}): string {
  const rate = perMinute === undefined ? undefined : formatCount(Math.round(perMinute));
  if (limitPerMinute === undefined) return rate ?? '';
  return `${rate ?? '–'} of ${formatCount(limitPerMinute)}`;
}

/** `3 min 20 s`, or how long the provider has us wait. */
function toRowLeft({ pausedForMs, estimatedLeftMs }: Partial<BatchProviderPace> = {}): string {
  if (pausedForMs !== undefined) return `held ${formatDuration(Math.max(1_000, pausedForMs))}`;
  return estimatedLeftMs === undefined ? '' : formatDuration(estimatedLeftMs);
}

function toBar(part: number, of: number, width: number, paint: Paint): string {
  const bar = toPlainBar(part, of, width);
  const filled = bar.lastIndexOf('█') + 1;
  return paint('green', bar.slice(0, filled)) + paint('dim', bar.slice(filled));
}

/** Full only where all is done. */
function toPlainBar(part: number, of: number, width: number): string {
  if (width < 4) return '';
  const filled = of === 0 ? 0 : Math.floor((part / of) * width);
  return '█'.repeat(filled) + '░'.repeat(width - filled);
}
