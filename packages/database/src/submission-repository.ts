import type { ErrorShape, JsonObject } from '@aimm/contracts';

/**
 * `prepared`: it is to be submitted, or was and nobody knows whether that arrived. `submitted`: the vendor has it. `ended`: all
 * that came of it is recorded.
 */
export type SubmissionStatus = 'prepared' | 'submitted' | 'ended';

/** What a vendor's batch API was given of one column, at once. Times are epoch milliseconds. */
export interface StoredSubmission {
  /** Minted before anything is sent: the vendor keeps it as the name, and gives the batch back by it. */
  id: string;
  batchId: string;
  column: number;
  provider: string;
  model: string;
  /** From 1: how often these generations were submitted, this time included. */
  round: number;
  /** `calls`: how many of each the rounds before made: what was not done was none. */
  requests: { item: number; requestId: string; calls: number }[];
  status: SubmissionStatus;
  /** Which of the provider's keys it was submitted with: another account does not see it. */
  keyId?: string;
  /** Written before it is sent, taken back where the vendor refused it. */
  attemptedAt?: number;
  submittedAt?: number;
  /** What finds it at the vendor. */
  handle?: JsonObject;
  /** How often it was asked after, or sent in vain. */
  tries: number;
  /** How often in a row the vendor was asked what became of it, in vain. */
  unanswered: number;
  /** The vendor was asked to stop. */
  cancelledAt?: number;
  /** What the vendor last said of it. */
  progress?: JsonObject;
  problem?: ErrorShape;
  /** When its generations were taken: a submission that follows another has that one's. */
  createdAt: number;
  endedAt?: number;
  /** Nobody looks at it before. */
  nextAt: number;
}

export type SubmissionChange = Partial<
  Pick<
    StoredSubmission,
    'status' | 'keyId' | 'submittedAt' | 'tries' | 'unanswered' | 'cancelledAt' | 'progress' | 'endedAt' | 'nextAt'
  >
> & {
  /** `null` takes it away. */
  attemptedAt?: number | null;
  handle?: JsonObject | null;
  problem?: ErrorShape | null;
};

export interface SubmissionRepository {
  /** Does nothing where there is one of this id. */
  create(
    submission: Pick<
      StoredSubmission,
      'id' | 'batchId' | 'column' | 'provider' | 'model' | 'round' | 'requests' | 'createdAt' | 'nextAt'
    >,
  ): Promise<void>;
  find(id: string): Promise<StoredSubmission | undefined>;
  /** Not ended, without their requests. */
  listOpen(providers: readonly string[]): Promise<Omit<StoredSubmission, 'requests'>[]>;
  /** The ids of requests that open submissions of the batch hold. */
  heldRequests(batchId: string): Promise<Set<string>>;
  /** What keeps the newest of the batch's open submissions that has a problem from going on. */
  findProblem(batchId: string): Promise<ErrorShape | undefined>;
  /** The one that is due longest, or is to be cancelled at the vendor; for this owner alone until `leaseUntil`; undefined where none is due. */
  claim(owner: string, providers: readonly string[], leaseUntil: number): Promise<StoredSubmission | undefined>;
  /** Holds on to it; false where somebody else has it by now. */
  renew(id: string, owner: string, leaseUntil: number): Promise<boolean>;
  /** False where somebody else has it by now: nothing was changed. */
  change(id: string, owner: string, change: SubmissionChange): Promise<boolean>;
  /** Lets go of it. */
  release(id: string, owner: string): Promise<void>;
}
