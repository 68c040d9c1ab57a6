import { addCounts, type BatchCounts, type BatchProviderPace, type BatchView, countEnded } from '@aimm/contracts';
import type { Caller } from '../caller.ts';
import type { Resources } from '../resources.ts';
import { requireBatch } from './require-batch.ts';

const paceOverMs = 60_000;
/** Less than this says little. */
const paceFromMs = 2_000;
const [mostLooks, mostPaces] = [120, 400];
/** More than what of a batch may stand in queues is not looked through. */
const mostQueued = 2_000;

type Group = Pick<BatchProviderPace, 'provider' | 'lane'> & { counts: BatchCounts; done: number; left: number };

/** Ended a millisecond, since this process looked first, a minute ago at most, or since the beginning; undefined where none has. */
function measurePace(
  { now, batchPaces }: Pick<Resources, 'now' | 'batchPaces'>,
  key: string,
  createdAt: number,
  done: number,
): number | undefined {
  const at = now();
  const looks = (batchPaces.get(key) ?? []).filter((look) => look.at > at - paceOverMs && look.done <= done);
  // Last used, last forgotten.
  batchPaces.delete(key);
  batchPaces.set(key, [...looks.slice(-mostLooks), { at, done }]);
  if (batchPaces.size > mostPaces) batchPaces.delete([...batchPaces.keys()][0] ?? '');
  const first = looks.find((look) => look.at < at - paceFromMs) ?? { at: createdAt, done: 0 };
  return done > first.done && at > first.at ? (done - first.done) / (at - first.at) : undefined;
}

/** The slowest of those who ask at once; undefined where one of them has not shown how fast it is. */
export function estimateLeft(
  resources: Pick<Resources, 'now' | 'batchPaces'>,
  { batchId, status, createdAt, columns }: Pick<BatchView, 'batchId' | 'status' | 'createdAt' | 'columns'>,
): number | undefined {
  if (status !== 'running') return undefined;
  let longestMs = 0;
  for (const [name, { done, left }] of toProgress(columns)) {
    const pace = measurePace(resources, `${batchId} ${name}`, createdAt, done);
    if (left === 0) continue;
    if (pace === undefined) return undefined;
    longestMs = Math.max(longestMs, left / pace);
  }
  return Math.round(longestMs);
}

/** How fast each provider of a batch is asked, and what of it runs. A vendor's batch API is told apart by its lane. @throws unavailable */
export async function readBatchPaces(
  resources: Resources,
  caller: Caller,
  view: BatchView,
): Promise<BatchProviderPace[]> {
  const { batches } = await requireBatch(resources, caller, view.batchId);
  const inQueues = view.columns.filter(({ column }) => column.lane === 'queue');
  const providers = [...new Set(inQueues.map(({ column }) => column.provider))];
  const numbers = inQueues.map(({ column }) => column.number);
  const [queued, traffic] = await Promise.all([
    batches.listQueued(view.batchId, { queuedBefore: Number.MAX_SAFE_INTEGER, limit: mostQueued, columns: numbers }),
    resources.queue.traffic(providers),
  ]);
  const own = new Set(queued.map(({ requestId }) => requestId));
  return [...toProgress(view.columns)].map(([name, { done, left, provider, lane, counts }]) => {
    const key = `${view.batchId} ${name}`;
    const isMoving = view.status === 'running' && left > 0;
    const pace = isMoving ? measurePace(resources, key, view.createdAt, done) : undefined;
    const found = lane === 'queue' ? traffic[providers.indexOf(provider)] : undefined;
    const limitPerMinute = lane === 'queue' ? resources.catalog.findProvider(provider)?.requestsPerMinute : undefined;
    return {
      provider,
      lane,
      // What a vendor has of us it is working at, for all that is known.
      running: lane === 'queue' ? (found?.active.filter((id) => own.has(id)).length ?? 0) : counts.queued,
      ...(pace !== undefined && lane === 'queue' && { perMinute: pace * 60_000 }),
      ...(limitPerMinute !== undefined && { limitPerMinute }),
      ...(found?.pausedForMs !== undefined && { pausedForMs: found.pausedForMs }),
      ...(pace !== undefined && { estimatedLeftMs: Math.round(left / pace) }),
    };
  });
}

function toProgress(columns: BatchView['columns']): Map<string, Group> {
  const byName = Map.groupBy(columns, ({ column }) => `${column.provider} ${column.lane}`);
  const toGroup = ([first, ...rest]: BatchView['columns']): Group[] => {
    if (first === undefined) return [];
    const { provider, lane } = first.column;
    const counts = addCounts([first, ...rest].map((summary) => summary.counts));
    return [{ provider, lane, counts, done: countEnded(counts), left: counts.waiting + counts.queued }];
  };
  return new Map([...byName].flatMap(([name, own]) => toGroup(own).map((group) => [name, group] as const)));
}
