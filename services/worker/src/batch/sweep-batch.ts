import type { LedgerRow, Outcome } from '@aimm/contracts';
import { ModelManagerError } from '@aimm/contracts';
import type { BatchRepository, Database, QueuedGeneration, StoredBatch, StoredColumn } from '@aimm/database';
import { type BatchJobs, type Producer, queueOf } from '@aimm/queue';
import type { Logger } from '@aimm/runtime';
import type { BatchBudgets } from './batch-budgets.ts';
import { toBatchPlace } from './batch-payload.ts';
import type { BatchRecorder } from './batch-recorder.ts';
import { queuedPages } from './queued-pages.ts';

export interface SweepDependencies {
  database: () => Promise<Pick<Database, 'ledger'>>;
  jobs: Pick<BatchJobs, 'look' | 'withdraw'>;
  producer: Pick<Producer, 'cancel'>;
  recorder: Pick<BatchRecorder, 'record'>;
  budgets: BatchBudgets;
  now: () => number;
  logger: Logger;
}

/** What was queued longer ago has its job in Redis, or has lost it: longer than adding what was taken may take. */
const lostAfterMs = 5_000;

/** Brings rows that say “queued” together with what Redis knows, whoever died in between. */
export function createBatchSweeper({ database, jobs, producer, recorder, budgets, now, logger }: SweepDependencies) {
  /** By batch, those seen as ended at its last look: whoever ran them may be about to write the row. */
  const seenEnded = new Map<string, ReadonlySet<string>>();

  const toJobs = (columns: readonly StoredColumn[], queued: readonly QueuedGeneration[]) =>
    queued.map(({ column, requestId }) => ({ provider: providerOf(columns, column), requestId }));

  const end = async (
    batches: BatchRepository,
    batch: StoredBatch,
    columns: readonly StoredColumn[],
    { item, column: number, requestId }: QueuedGeneration,
    outcome: Outcome,
    rows?: readonly LedgerRow[],
  ) => {
    const column = columns.find((one) => one.number === number);
    const [stored] = await batches.items(batch.id, item, 1);
    if (column === undefined || stored === undefined) return;
    const place = toBatchPlace(batch, column, item, stored.content);
    const isKnown = rows !== undefined || outcome.status === 'succeeded';
    const calls = isKnown ? rows : await (await database()).ledger.findByRequest(requestId);
    await recorder.record({ requestId, batch: place }, outcome, calls);
  };

  return {
    /** Lost ones wait again, under new ids from then on; what ended without its worker is recorded. */
    async sweep(batches: BatchRepository, batch: StoredBatch, columns: readonly StoredColumn[]): Promise<void> {
      const ended = new Set<string>();
      const lost: QueuedGeneration[] = [];
      const seenBefore = seenEnded.get(batch.id);
      // Kept from one look to the next and no longer: this process outlives its batches.
      seenEnded.delete(batch.id);
      for await (const queued of pagesOf(batches, batch, columns, now() - lostAfterMs)) {
        const states = await jobs.look(toJobs(columns, queued));
        for (const [index, one] of queued.entries()) {
          const found = states[index];
          if (found?.state === 'lost') lost.push(one);
          if (found?.state !== 'ended') continue;
          const outcome: Outcome | undefined =
            found.outcome ?? (found.error === undefined ? undefined : { status: 'failed', error: found.error });
          // Without an outcome the reconciler comes to it, and records it.
          if (outcome !== undefined && seenBefore?.has(one.requestId) === true)
            await end(batches, batch, columns, one, outcome, found.rows);
          ended.add(one.requestId);
        }
      }
      if (ended.size > 0) seenEnded.set(batch.id, ended);
      if (lost.length === 0) return;
      if (batch.status === 'cancelled') {
        for (const one of lost) {
          await budgets.releaseLost(batch, one.requestId, one.queuedAt);
          await end(batches, batch, columns, one, { status: 'failed', error: cancelled() });
        }
        return;
      }
      // Whoever has recorded one meanwhile did so before its job went: what is still queued was lost.
      const back = await batches.putBack(batch.id, lost);
      for (const { requestId, queuedAt } of back) await budgets.releaseLost(batch, requestId, queuedAt);
      if (back.length > 0)
        logger.warn(
          { batchId: batch.id, lost: back.length },
          'Generations of a batch were lost in Redis; they are asked again',
        );
    },

    /** Takes back out of the queues what has not begun. */
    async withdraw(batches: BatchRepository, batch: StoredBatch, columns: readonly StoredColumn[]): Promise<void> {
      for await (const queued of pagesOf(batches, batch, columns, Number.MAX_SAFE_INTEGER)) {
        const taken = await jobs.withdraw(toJobs(columns, queued));
        const ids = new Set(taken.map(({ requestId }) => requestId));
        await batches.putBack(
          batch.id,
          queued.filter(({ requestId }) => ids.has(requestId)),
        );
        for (const { requestId, budget } of taken) await budgets.release(requestId, budget);
      }
    },

    /** Ends what waits, and has what runs aborted. */
    async cancel(batches: BatchRepository, batch: StoredBatch, columns: readonly StoredColumn[]): Promise<void> {
      for await (const queued of pagesOf(batches, batch, columns, Number.MAX_SAFE_INTEGER)) {
        const ends = toJobs(columns, queued).map(async ({ provider, requestId }, index) => {
          let made: readonly LedgerRow[] = [];
          const done = await producer.cancel(queueOf('generate', provider), requestId, {
            onRemoved: (rows) => (made = rows),
          });
          const one = queued[index];
          if (done !== 'removed' || one === undefined) return;
          await budgets.releaseLost(batch, requestId, one.queuedAt);
          await end(batches, batch, columns, one, { status: 'failed', error: cancelled() }, made);
        });
        await Promise.all(ends);
      }
    },
  };
}

/** Of what is in Redis. */
function pagesOf(
  batches: BatchRepository,
  { id }: StoredBatch,
  columns: readonly StoredColumn[],
  queuedBefore: number,
): AsyncGenerator<QueuedGeneration[]> {
  return queuedPages(batches, id, { columns: inQueues(columns), queuedBefore });
}

/** What vendors' batch APIs have is not in Redis. */
function inQueues(columns: readonly StoredColumn[]): number[] {
  return columns.filter(({ lane }) => lane === 'queue').map(({ number }) => number);
}

function providerOf(columns: readonly StoredColumn[], number: number): string {
  const column = columns.find((one) => one.number === number);
  if (column === undefined) throw new TypeError('a generation is of a column of its batch');
  return column.provider;
}

function cancelled() {
  return new ModelManagerError('cancelled', 'The batch was cancelled.').toShape();
}
