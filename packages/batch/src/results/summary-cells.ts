import type { BatchColumnSummary, BatchView } from '@aimm/contracts';
import { formatColumnCost, toColumnLabel } from './batch-result.ts';
import { formatCount, formatDuration, formatShare } from '@aimm/runtime/format';

/** The summary as a table of texts, with no column in which there is nothing to say. */
export interface SummaryTable {
  heading: string[];
  rows: string[][];
}

type Cell = (summary: BatchColumnSummary) => string;

/** One row for each column that answers; a judge's own come after. */
export function toSummaryTable(view: BatchView): SummaryTable {
  const columns = view.columns.map(({ column }) => column);
  const some = (test: (summary: BatchColumnSummary) => boolean) => view.columns.some(test);
  const names = [...new Set(view.columns.flatMap((summary) => Object.keys(summary.assertions)))];
  const cells: [string, Cell, boolean][] = [
    ['model', ({ column }) => toColumnLabel(column, columns), true],
    ['done', ({ counts }) => formatCount(counts.succeeded), true],
    ['failed', ({ counts }) => formatCount(counts.failed), some(({ counts }) => counts.failed > 0)],
    [
      'open',
      ({ counts }) => formatCount(counts.waiting + counts.queued),
      some(({ counts }) => counts.waiting + counts.queued > 0),
    ],
    ['cancelled', ({ counts }) => formatCount(counts.cancelled), some(({ counts }) => counts.cancelled > 0)],
    ['passed', ({ passed, asserted }) => formatShare(passed, asserted), some(({ asserted }) => asserted > 0)],
    ...(names.length < 2 ? [] : names.slice(0, 8)).map((name): [string, Cell, boolean] => [
      name,
      ({ assertions }) => formatShare(assertions[name]?.passed ?? 0, assertions[name]?.of ?? 0),
      true,
    ]),
    ['wins', ({ wins }) => formatCount(wins), some(hasStanding)],
    ['ties', ({ ties }) => formatCount(ties), some(hasStanding)],
    ['losses', ({ losses }) => formatCount(losses), some(hasStanding)],
    ['score', ({ score }) => (score === undefined ? '–' : score.toFixed(1)), some(({ score }) => score !== undefined)],
    ['cost', formatColumnCost, true],
    ['tokens in', ({ inputTokens }) => formatCount(inputTokens), true],
    ['tokens out', ({ outputTokens }) => formatCount(outputTokens), true],
    ['p50', ({ latencyP50Ms }) => formatDuration(latencyP50Ms), true],
    ['p95', ({ latencyP95Ms }) => formatDuration(latencyP95Ms), true],
    ['errors', ({ errors }) => formatErrors(errors), some(({ errors }) => Object.keys(errors).length > 0)],
  ];
  const shown = cells.filter(([, , isShown]) => isShown);
  return {
    heading: shown.map(([title]) => title),
    rows: view.columns.map((summary) => shown.map(([, cell]) => cell(summary))),
  };
}

function hasStanding({ wins, losses, ties }: BatchColumnSummary): boolean {
  return wins + losses + ties > 0;
}

function formatErrors(errors: Record<string, number>): string {
  const entries = Object.entries(errors).toSorted(([, a], [, b]) => b - a);
  return entries.length === 0 ? '–' : entries.map(([code, count]) => `${code} ${formatCount(count)}`).join(', ');
}
