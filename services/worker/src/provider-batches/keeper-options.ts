import type { AssertionChecks } from '@aimm/batch';
import type { Catalog, TokenEstimator } from '@aimm/catalog';
import type { LedgerRow } from '@aimm/contracts';
import type { Database, StoredBatch, StoredColumn, StoredSubmission } from '@aimm/database';
import type { Logger } from '@aimm/runtime';
import type { BatchBudgets } from '../batch/batch-budgets.ts';
import type { LedgerWriter } from '../ledger-writer.ts';
import type { ProviderSet } from '../provider-set.ts';

export interface ProviderBatchOptions {
  database: () => Promise<Database>;
  providers: ProviderSet;
  catalog: Catalog;
  tokens: TokenEstimator;
  ledger: Pick<LedgerWriter, 'record'>;
  logger: Logger;
  checks: AssertionChecks;
  /** What its generations hold of budgets; absent: there are none. */
  budgets?: Pick<BatchBudgets, 'concern' | 'plan' | 'reserve' | 'charge' | 'settle' | 'releaseLost'>;
  /** Rows that went into the ledger, for counting. */
  onCall?: (row: LedgerRow) => void;
  /** Generations of this batch have ended. */
  onRecorded?: (batchId: string) => void;
  createRequestId: () => string;
  /** Names of submissions, unique for ever: letters and digits, 32 characters at most. */
  createSubmissionId: () => string;
  /** Who holds what it works on; unique among the processes. */
  owner: string;
  now?: () => number;
  pace?: Partial<ProviderBatchPace>;
}

/** Milliseconds, and numbers of things. */
export interface ProviderBatchPace {
  /** How often it looks for what is due. */
  tickMs: number;
  /** Between two looks at one submission: the first, growing to the longest. */
  firstPollMs: number;
  longestPollMs: number;
  /** A vendor lists a new batch only after a moment: none that is not there before is taken for never made. */
  settleMs: number;
  leaseMs: number;
  /** Of one submission; the vendor's own limits where those are lower. */
  maxRequests: number;
  maxBytes: number;
  /** How often it is looked for whether a vendor has what was sent, where the vendor does not even let that be asked. */
  maxFinds: number;
  /** How often a generation is submitted before its error is final. */
  maxRounds: number;
  /** Open submissions of one provider. */
  maxOpen: number;
  /** Rows of results that are recorded at once. */
  recordAtOnce: number;
  /** Generations that are in no submission after so long were lost in a crash, and wait again. */
  lostAfterMs: number;
  /** How often such are looked for. */
  sweepEveryMs: number;
}

export const defaultPace: ProviderBatchPace = {
  tickMs: 5_000,
  firstPollMs: 30_000,
  longestPollMs: 600_000,
  settleMs: 60_000,
  leaseMs: 120_000,
  maxRequests: 10_000,
  maxBytes: 32_000_000,
  maxFinds: 10,
  maxRounds: 3,
  maxOpen: 20,
  recordAtOnce: 100,
  lostAfterMs: 300_000,
  sweepEveryMs: 600_000,
};

/** What a step on a submission goes by. */
export interface StepContext extends Omit<ProviderBatchOptions, 'database' | 'pace' | 'now'> {
  database: Database;
  pace: ProviderBatchPace;
  now: () => number;
  signal: AbortSignal;
}

/** A submission with the batch it is of. */
export interface Held {
  submission: StoredSubmission;
  batch: StoredBatch;
  column: StoredColumn;
}
