import { type BatchView, countEnded } from '@aimm/contracts';
import { formatCost, formatCount, formatDuration, formatShare } from '@aimm/runtime/format';
import { toDemoNote } from '../results/batch-result.ts';
import { toPlainText } from '../results/terminal-text.ts';

/** Where a batch stands, in one line without colours: for logs, pipes and progress messages. */
export function toProgressLine(view: BatchView): string {
  const { counts, total } = view;
  const ended = countEnded(counts);
  const facts = [
    `${view.batchId} ${view.status}: ${formatCount(ended)} of ${formatCount(total)} (${formatShare(ended, total)})`,
    counts.failed > 0 ? `${formatCount(counts.failed)} failed` : '',
    counts.cancelled > 0 ? `${formatCount(counts.cancelled)} cancelled` : '',
    counts.skipped > 0 ? `${formatCount(counts.skipped)} skipped` : '',
    toSpent(view),
    toLeft(view),
  ];
  return facts.filter((fact) => fact !== '').join(', ');
}

/** `$1.24 spent of at most $5.00`; the bound where there is one, and a word where answers are made up. */
export function toSpent({ costNanoUsd, maxCostNanoUsd, demo }: BatchView): string {
  const most = maxCostNanoUsd === undefined ? '' : ` of at most ${formatCost(maxCostNanoUsd)}`;
  return `${formatCost(costNanoUsd)} spent${most}${toDemoNote({ demo })}`;
}

/** `about 3 min 20 s left`, why it is paused or waits, or nothing. */
export function toLeft({ status, estimatedLeftMs, pausedBecause, waitsBecause }: BatchView): string {
  const why = status === 'paused' ? (pausedBecause ?? '') : waitsBecause;
  if (why !== undefined) return toPlainText(why).replaceAll('\n', ' ');
  if (status !== 'running' || estimatedLeftMs === undefined) return '';
  return `about ${formatDuration(estimatedLeftMs)} left`;
}
