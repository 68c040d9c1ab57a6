import type {
  Assertion,
  BatchGeneration,
  BatchGenerationStatus,
  BatchItem,
  BatchLane,
  BatchVariant,
  BatchView,
  GenerationSettings,
  JudgeMode,
} from '@aimm/contracts';

/** A model by its name, as for `generate`, and how it is to be asked where that is not as the rest. */
export interface BatchModelAsk {
  model: string;
  lane?: BatchLane | undefined;
}

/** Every item is asked of every model in every variant. Money is nano-dollars. */
export interface BatchAsk {
  /** Read once, as far as the database keeps up. */
  items: AsyncIterable<BatchItem> | Iterable<BatchItem>;
  models: readonly (string | BatchModelAsk)[];
  name?: string | undefined;
  settings?: GenerationSettings | undefined;
  /** Default: one, of the settings alone. */
  variants?: readonly BatchVariant[] | undefined;
  assertions?: readonly Assertion[] | undefined;
  judge?: { model: string; mode?: JudgeMode | undefined; criteria?: string | undefined } | undefined;
  /** Default: `queue`. */
  lane?: BatchLane | undefined;
  tags?: string[] | undefined;
  timeoutMs?: number | undefined;
  /** Above this it does not start, and pauses when it has come so far all the same. */
  maxCostNanoUsd?: number | undefined;
}

export interface BatchEstimate {
  items: number;
  generations: number;
  /** Null where a price is unknown. */
  estimatedNanoUsd: number | null;
  maxCostNanoUsd: number;
}

export interface BatchOptions {
  /** Aborting before it runs leaves nothing behind; afterwards it does nothing. */
  signal?: AbortSignal | undefined;
  /**
   * Asked where it is expected to cost more than it may: whether to go on all the same, without that limit or until it has cost as
   * much (`limited`). Default: no.
   */
  confirm?: ((estimate: BatchEstimate) => Promise<boolean | 'limited'>) | undefined;
  /** Told while items are written. */
  onItems?: ((count: number) => void) | undefined;
}

export interface BatchQuery {
  /** 1 to 1,000; default 100. */
  limit?: number | undefined;
  /** `nextCursor` of the page before. */
  cursor?: string | undefined;
  status?: BatchGenerationStatus | undefined;
  /** A column's number. */
  column?: number | undefined;
  /** Only what failed an assertion. */
  failedAssertions?: boolean | undefined;
}

/** An item with what came of it, in the order of the columns. */
export interface BatchItemResult {
  item: BatchItem;
  generations: BatchGeneration[];
}

/** By item, then column. */
export interface BatchPage {
  generations: BatchGeneration[];
  nextCursor?: string | undefined;
}

/** Without what takes counting. */
export type BatchSummary = Pick<
  BatchView,
  | 'batchId'
  | 'client'
  | 'name'
  | 'status'
  | 'pausedBecause'
  | 'items'
  | 'counts'
  | 'total'
  | 'costNanoUsd'
  | 'demo'
  | 'createdAt'
  | 'endedAt'
> & {
  /** `provider/model` of each model's column. */
  models: string[];
};

export interface BatchList {
  batches: BatchSummary[];
  nextCursor?: string | undefined;
}
