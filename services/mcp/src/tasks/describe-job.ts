import { type BatchView, countEnded, sumCounts } from '@aimm/contracts';
import type { JobView } from '@aimm/manager';
import { formatCount, formatPlural, formatSeconds, formatUsd } from '../format/units.ts';
import { formatPlace, formatPutAside } from '../format/wait.ts';

/** Of a text that grows, as much of its end as says where it is. */
const shownLength = 80;

/** How a job stands, in a line for people. */
export function describeJob(view: JobView): string {
  switch (view.status) {
    case 'queued':
    case 'running':
      return describeWork(view);
    case 'succeeded':
      return view.batch === undefined ? 'Done.' : `Done: ${describeBatch(view.batch)}.`;
    case 'failed':
      return view.error?.message ?? 'Failed.';
    case 'cancelled':
      return view.error?.message ?? 'Cancelled.';
  }
}

function describeWork({ batch, children, status, model, position, wait, partialText = '' }: JobView): string {
  if (batch !== undefined) return describeBatch(batch);
  if (children !== undefined) return describeComparison(children);
  const who = model ?? 'The model';
  if (status === 'running') return partialText === '' ? `${who} is answering` : `${who}: ${describeText(partialText)}`;
  if (position !== undefined) return `${who} waits: ${formatPlace({ ...wait, position })}`;
  return wait === undefined ? `${who} waits` : `${who} waits: ${formatPutAside(wait)}`;
}

/** `1,240 characters so far, … and then the fox`. */
function describeText(text: string): string {
  const end = text.slice(-shownLength).replaceAll(/\s+/g, ' ').trim();
  return `${formatPlural(text.length, 'character')} so far: ${text.length > shownLength ? '…' : ''}${end}`;
}

function describeComparison(children: NonNullable<JobView['children']>): string {
  const open = children.filter(({ status }) => status === 'queued' || status === 'running');
  const failed = children.filter(({ status }) => status === 'failed').length;
  const done = `${children.length - open.length} of ${formatPlural(children.length, 'model')} done`;
  const facts = failed === 0 ? done : `${done}, ${failed} failed`;
  return open.length === 0
    ? `${facts}; the answers are put together`
    : `${facts}; ${open.map(({ model, status }) => `${model} ${status === 'queued' ? 'waits' : 'answers'}`).join(', ')}`;
}

/** `120 of 600 done, 3 failed, $0.42, about 2 min left`. */
function describeBatch({
  status,
  pausedBecause,
  waitsBecause,
  counts,
  costNanoUsd,
  estimatedLeftMs,
}: BatchView): string {
  const facts = [
    `${formatCount(countEnded(counts))} of ${formatCount(sumCounts(counts))} done`,
    ...(counts.failed > 0 ? [`${formatCount(counts.failed)} failed`] : []),
    formatUsd(costNanoUsd / 1e9),
    ...(estimatedLeftMs === undefined ? [] : [`about ${formatSeconds(estimatedLeftMs)} left`]),
  ].join(', ');
  if (status === 'paused') return `Paused at ${facts}. ${pausedBecause ?? ''}`.trimEnd();
  return waitsBecause === undefined ? facts : `${facts}. ${waitsBecause}`;
}
