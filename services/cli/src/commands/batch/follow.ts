import { setTimeout as delay } from 'node:timers/promises';
import { toColumnLabel } from '@aimm/batch/labels';
import type { BatchView } from '@aimm/contracts';
import pc from 'picocolors';
import { formatCost, formatCount, formatDuration, formatTable, print, printJson } from '../../output.ts';
import { QuietFailure } from '../../report-failure.ts';
import type { Session } from '../../session.ts';

/** A line so often: where nobody looks, fewer. */
const tellEveryMs = () => (process.stderr.isTTY ? 1_000 : 5_000);
const lookEveryMs = 500;

/** Tells how far it is until it ends or pauses; Ctrl-C leaves it to itself. */
export async function followBatch({ manager, caller }: Session, started: BatchView): Promise<BatchView> {
  const { batchId } = started;
  const left = new AbortController();
  const leave = () => left.abort();
  process.once('SIGINT', leave);
  try {
    let last = '';
    let toldAt = 0;
    for (let view = started; ; view = await manager.getBatch(caller, batchId)) {
      const line = formatProgress(view);
      const hasEnded = view.status === 'completed' || view.endedAt !== undefined;
      if (line !== last && (hasEnded || view.status === 'paused' || Date.now() >= toldAt + tellEveryMs())) {
        process.stderr.write(`${pc.dim(line)}\n`);
        [last, toldAt] = [line, Date.now()];
      }
      // One that was cancelled still has calls to abort; one that paused by itself may go on.
      if (hasEnded || (view.status === 'paused' && view.counts.queued === 0)) return view;
      if (left.signal.aborted) {
        process.stderr.write(`It goes on by itself; \`aimm batch watch ${batchId}\` follows it, \`cancel\` ends it.\n`);
        return view;
      }
      await delay(lookEveryMs, undefined, { signal: left.signal }).catch(() => undefined);
    }
  } finally {
    process.removeListener('SIGINT', leave);
  }
}

function formatProgress({ counts, total, costNanoUsd, estimatedLeftMs, status, pausedBecause }: BatchView): string {
  const done = total - counts.waiting - counts.queued;
  const facts = [
    `${formatCount(done)}/${formatCount(total)} done`,
    ...(counts.failed > 0 ? [`${formatCount(counts.failed)} failed`] : []),
    `${formatCount(counts.queued)} in queues`,
    `${formatCost(costNanoUsd)} spent`,
    ...(estimatedLeftMs === undefined ? [] : [`about ${formatLeft(estimatedLeftMs)} left`]),
    ...(status === 'running' ? [] : [status]),
  ];
  return `${facts.join(' · ')}${pausedBecause === undefined ? '' : `: ${pausedBecause}`}`;
}

function formatLeft(ms: number): string {
  const seconds = Math.ceil(ms / 1_000);
  if (seconds < 90) return `${seconds} s`;
  const minutes = Math.ceil(seconds / 60);
  return minutes < 90 ? `${minutes} min` : `${(minutes / 60).toFixed(1)} h`;
}

/** The whole of it; @throws QuietFailure where it ended without a single answer */
export function reportBatch(view: BatchView, { json }: { json?: boolean | undefined }): void {
  if (json === true) printJson(view);
  else print(formatBatch(view));
  if (view.endedAt !== undefined && view.counts.succeeded === 0) throw new QuietFailure();
}

export function formatBatch(view: BatchView): string {
  const columns = view.columns.map(({ column }) => column);
  const rows = view.columns.map((one) => [
    toColumnLabel(one.column, columns),
    `${formatCount(one.counts.succeeded)}/${formatCount(view.items)}`,
    formatCount(one.counts.failed),
    one.asserted === 0 ? '–' : `${((one.passed * 100) / one.asserted).toFixed(0)} %`,
    formatJudged(one),
    formatColumnCost(one),
    formatDuration(one.latencyP50Ms),
    formatDuration(one.latencyP95Ms),
  ]);
  const table = formatTable(['Model', 'Answered', 'Failed', 'Passed', 'Judged', 'Cost', 'p50', 'p95'], rows);
  const named = view.name === undefined ? view.batchId : `${view.batchId} (${view.name})`;
  const errors = view.columns.flatMap(({ errors: own, column }) =>
    Object.entries(own).map(([code, count]) => `${toColumnLabel(column, columns)}: ${code} ×${count}`),
  );
  return [
    `${pc.bold(named)} ${view.status} · ${formatProgress(view)}`,
    `estimated ${formatCost(view.estimatedCostNanoUsd)}${view.maxCostNanoUsd === undefined ? '' : `, at most ${formatCost(view.maxCostNanoUsd)}`}`,
    '',
    table,
    ...(errors.length === 0 ? [] : ['', ...errors]),
  ].join('\n');
}

/** Where a price is unknown the sum says less than it seems to. */
function formatColumnCost({ costNanoUsd, unpriced, counts }: BatchView['columns'][number]): string {
  if (unpriced === 0) return formatCost(costNanoUsd);
  return unpriced === counts.succeeded ? 'unknown' : `${formatCost(costNanoUsd)} + ${unpriced} unknown`;
}

function formatJudged({ score, wins, losses, ties }: BatchView['columns'][number]): string {
  if (score !== undefined) return score.toFixed(1);
  return wins + losses + ties === 0 ? '–' : `${wins}–${losses}–${ties}`;
}
