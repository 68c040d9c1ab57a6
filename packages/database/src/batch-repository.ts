import type {
  BatchColumn,
  BatchColumnSummary,
  BatchGeneration,
  BatchGenerationStatus,
  BatchItem,
  BatchRecord,
  BatchSpec,
  BatchStatus,
  BatchTemplate,
} from '@aimm/contracts';

/** A batch as it is stored. Times are epoch milliseconds, money is nano-dollars. */
export interface StoredBatch {
  id: string;
  client: string;
  name?: string;
  /** `preparing`: its items are not all in; nothing of it runs. */
  status: BatchStatus | 'preparing';
  pausedBecause?: string;
  /** When a pause that nobody asked for is looked at again. */
  resumeAt?: number;
  spec: BatchSpec;
  items: number;
  estimatedNanoUsd: number | null;
  maxCostNanoUsd?: number;
  /** What its recorded calls have cost, those that were tried again included. */
  spentNanoUsd: number;
  createdAt: number;
  endedAt?: number;
}

export interface StoredColumn extends BatchColumn {
  template: BatchTemplate;
  /** Items before this one have been queued once. */
  nextItem: number;
}

export type NewColumn = Omit<StoredColumn, 'nextItem'>;

/** A generation that was taken to be queued; its row says so already. */
export interface TakenGeneration {
  item: number;
  requestId: string;
  content: BatchItem;
  /** Of its text, and of what a judge's is to read. */
  bytes: number;
  /** Of a judge's: what it is to read, in the order of its columns. */
  answers: string[];
}

export interface QueuedGeneration {
  item: number;
  column: number;
  requestId: string;
  queuedAt: number;
}

export interface Outstanding {
  column: number;
  count: number;
  bytes: number;
}

export interface GenerationQuery {
  limit: number;
  /** Goes on behind this one. */
  after?: { item: number; column: number } | undefined;
  status?: BatchGenerationStatus | undefined;
  column?: number | undefined;
  /** Only what failed an assertion. */
  failedAssertions?: boolean | undefined;
}

/**
 * Batches, and how far each of their generations is. This is the truth about them; the queue may be emptied at any time. A row that
 * this version cannot read is told by an `UnreadableError`, and left out of lists of batches.
 */
export interface BatchRepository {
  /** Begins one that does not run yet. @throws invalid_request where it could not be read again */
  create(
    batch: Pick<StoredBatch, 'id' | 'client' | 'name' | 'spec' | 'maxCostNanoUsd'>,
    columns: readonly NewColumn[],
  ): Promise<void>;
  /** Some hundreds at a time, in one transaction. @throws invalid_request naming an id that is there twice, or what could not be read again */
  addItems(batchId: string, firstNumber: number, items: readonly BatchItem[]): Promise<void>;
  /** Says that whoever prepares it lives. */
  touch(batchId: string): Promise<void>;
  /** All items are in: from here on it runs. `expected`: what a generation of each column costs on average. */
  start(
    batchId: string,
    facts: Pick<StoredBatch, 'items' | 'estimatedNanoUsd' | 'maxCostNanoUsd'>,
    expected: ReadonlyMap<number, number | null>,
  ): Promise<void>;
  /** Deletes it with all that belongs to it. */
  remove(batchId: string): Promise<void>;
  /**
   * Deletes one that has ended and of which no vendor has anything any more; false where it is none. Nobody finds it from here on,
   * and who dies half-way has it finished by `removeAbandoned`.
   */
  discard(batchId: string): Promise<boolean>;
  /** Ids of those that ended before that time, in their order. `after`: an id. */
  listEnded(query: { endedBefore: number; after?: string | undefined; limit: number }): Promise<string[]>;
  /** Deletes what was being prepared by somebody who has not been heard of since; gives how many. */
  removeAbandoned(touchedBefore: number): Promise<number>;

  find(batchId: string): Promise<StoredBatch | undefined>;
  /** Newest first, without those that are being prepared. `before`: an id. */
  list(query: {
    client?: string | undefined;
    statuses?: readonly BatchStatus[] | undefined;
    before?: string | undefined;
    limit: number;
  }): Promise<StoredBatch[]>;
  columns(batchId: string): Promise<StoredColumn[]>;
  /** By column and status, of what has been queued once. */
  counts(batchId: string): Promise<{ column: number; status: BatchGenerationStatus; count: number }[]>;
  /** Of what has been queued once: what is left of it waits. */
  summarize(batch: StoredBatch, columns: readonly StoredColumn[]): Promise<BatchColumnSummary[]>;
  /** By item, then column; what has not been queued is there, too. */
  generations(
    batch: StoredBatch,
    columns: readonly BatchColumn[],
    query: GenerationQuery,
  ): Promise<{ generations: BatchGeneration[]; next?: { item: number; column: number } }>;
  /** By number, from `from` on. */
  items(batchId: string, from: number, limit: number): Promise<{ number: number; content: BatchItem }[]>;

  /** What the feeder has to look after: running, with something in a queue, or due to be resumed. */
  listLive(now: number): Promise<StoredBatch[]>;
  outstanding(batchId: string): Promise<Outstanding[]>;
  /**
   * Takes the next generations of a column of a batch that runs, those that are tried again first, and marks them as queued under
   * new ids, in one transaction, and no more than the most that the batch may cost has room for; `at` is when. Of a judge those whose answers are in; where one of them failed, it is skipped.
   */
  take(
    batchId: string,
    column: StoredColumn,
    options: { limit: number; maxBytes: number; createId: () => string; at: number },
  ): Promise<{ taken: TakenGeneration[]; skipped: number }>;
  /** What was queued before that time, by column, then item; of these columns only, where any are named. `after`: the last of the page before. */
  listQueued(
    batchId: string,
    query: {
      queuedBefore: number;
      limit: number;
      columns?: readonly number[];
      after?: { column: number; item: number } | undefined;
    },
  ): Promise<QueuedGeneration[]>;
  /** Those that are still queued under these ids wait again; gives which. */
  putBack(batchId: string, requestIds: readonly QueuedGeneration[]): Promise<QueuedGeneration[]>;
  /** How generations ended: of those that are still queued under the same id. Gives how many were. */
  record(records: readonly BatchRecord[]): Promise<number>;

  /** False where it is in none of the statuses `from` any more. Without `pausedBecause` there is none afterwards. */
  setStatus(
    batchId: string,
    from: readonly BatchStatus[],
    to: BatchStatus,
    why?: { pausedBecause?: string; resumeAt?: number; maxCostNanoUsd?: number },
  ): Promise<boolean>;
  /** False where it is not paused until that time or earlier: somebody may have paused it for good. */
  resumeDue(batchId: string, time: number): Promise<boolean>;
  /** What waits is cancelled; what is queued ends by itself. */
  cancelWaiting(batchId: string): Promise<void>;
  /** What failed waits again, and what was skipped for it; gives how many. */
  retryFailed(batchId: string): Promise<number>;
  /** @throws invalid_request where one of the numbers is taken */
  addColumns(batchId: string, columns: readonly NewColumn[], estimatedNanoUsd: number | null): Promise<void>;
  /** Where nothing waits and nothing is queued: completed, or the end of one that was cancelled. */
  finishIfDone(batchId: string): Promise<boolean>;
}
