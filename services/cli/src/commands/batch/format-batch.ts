import { formatColumnCost, toColumnLabel } from '@aimm/batch/labels';
import { toLeft, toSpent } from '@aimm/batch/progress';
import { addCounts, type BatchView, countEnded } from '@aimm/contracts';
import { formatCost, formatCount, formatDuration, formatShare } from '@aimm/runtime/format';
import { colours } from '../../colours.ts';
import { formatTable, toOneLine } from '../../output.ts';
import { toTerminalText } from '../../terminal-text.ts';

/** How a batch stands, and what each of its models came to. */
export function formatBatch(view: BatchView): string {
  const columns = view.columns.map(({ column }) => column);
  const answering = view.columns.filter(({ column }) => column.judges === undefined);
  const rows = answering.map((one) => [
    toTerminalText(toColumnLabel(one.column, columns)),
    `${formatCount(one.counts.succeeded)}/${formatCount(view.items)}`,
    formatCount(one.counts.failed),
    formatShare(one.passed, one.asserted),
    formatJudged(one),
    formatColumnCost(one),
    formatDuration(one.latencyP50Ms),
    formatDuration(one.latencyP95Ms),
  ]);
  rows.push(...toJudgeRows(view));
  const table = formatTable(['Model', 'Answered', 'Failed', 'Passed', 'Judged', 'Cost', 'p50', 'p95'], rows);
  const named = view.name === undefined ? view.batchId : `${view.batchId} (${toOneLine(view.name)})`;
  const errors = view.columns.flatMap(({ errors: own, column }) =>
    Object.entries(own).map(
      ([code, count]) => `${toTerminalText(toColumnLabel(column, columns))}: ${code} ×${formatCount(count)}`,
    ),
  );
  return [
    `${colours.bold(named)} ${view.status}`,
    toFacts(view).join(' · '),
    '',
    table,
    ...(errors.length === 0 ? [] : ['', ...errors]),
  ].join('\n');
}

/** A judge by pairs has two columns for each pair: they are one row here. */
function toJudgeRows({ columns, items }: BatchView): string[][] {
  const judging = columns.filter(({ column }) => column.judges !== undefined);
  const byModel = Map.groupBy(judging, ({ column }) => `${column.provider}/${column.model}`);
  return [...byModel].map(([model, own]) => {
    const counts = addCounts(own.map((one) => one.counts));
    const costNanoUsd = own.reduce((sum, one) => sum + one.costNanoUsd, 0);
    const unpriced = own.reduce((sum, one) => sum + one.unpriced, 0);
    return [
      `${toTerminalText(model)} (judge)`,
      `${formatCount(counts.succeeded)}/${formatCount(items * own.length)}`,
      formatCount(counts.failed),
      '–',
      '–',
      formatColumnCost({ costNanoUsd, unpriced }),
      '–',
      '–',
    ];
  });
}

function toFacts(view: BatchView): string[] {
  const { counts, total } = view;
  const ended = countEnded(counts);
  const some = (count: number, what: string) => (count > 0 ? [`${formatCount(count)} ${what}`] : []);
  const left = toLeft(view);
  return [
    `${formatCount(ended)} of ${formatCount(total)} done (${formatShare(ended, total)})`,
    ...some(counts.failed, 'failed'),
    ...some(counts.cancelled, 'cancelled'),
    ...some(counts.skipped, 'skipped'),
    ...some(counts.queued, 'in queues'),
    `${toSpent(view)}, estimated ${formatCost(view.estimatedCostNanoUsd)}`,
    ...(view.endedAt === undefined ? [] : [`took ${formatDuration(Math.max(0, view.endedAt - view.createdAt))}`]),
    ...(left === '' ? [] : [left]),
  ];
}

function formatJudged({ score, wins, losses, ties }: BatchView['columns'][number]): string {
  if (score !== undefined) return score.toFixed(1);
  return wins + losses + ties === 0 ? '–' : `${wins}–${losses}–${ties}`;
}
