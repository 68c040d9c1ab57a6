import type { Checkpoint, JobName, JobPayload, JobResult, Outcome } from '@aimm/contracts';
import type { Logger } from '@aimm/runtime';
import type { AdmissionNeed } from './admission.ts';
import type { Opened, Started } from './checkpoints.ts';
import type { Decision } from './decision.ts';
import type { ReplyBody } from './replies.ts';
import type { Follower } from './shared-answer.ts';

/** What a handler is given besides its payload. */
export interface JobContext {
  readonly logger: Logger;
  /** Aborts when the request is cancelled, past its deadline, handed back or taken over; `signal.reason` is a ModelManagerError or LockLostError. */
  readonly signal: AbortSignal;
  /** Epoch milliseconds by the clock that all processes go by: what deadlines are held against. */
  readonly now: () => number;
  /** Times this job stalled and was taken up again. */
  readonly stalledCount: number;
  /** Reads what an earlier run left; where there is nothing, writes `fresh` once its limits admit the call. @throws LockLostError */
  open(fresh: Checkpoint, need?: AdmissionNeed): Promise<Opened>;
  /** Writes a further call as started, once its limits admit it and unless the job was cancelled. @throws LockLostError */
  start(checkpoint: Checkpoint, need?: AdmissionNeed): Promise<Started>;
  /** How many tokens the call used that is over now; `undefined` where nobody knows. Settled by the next write. */
  spent(tokens: number | undefined): void;
  /** @throws LockLostError */
  save(checkpoint: Checkpoint): Promise<void>;
  /**
   * Ends the job: checkpoint, outcome and terminal reply in one write. Once per run. An outcome that `continues` sends
   * no reply: the request goes on in another job. Gives those who waited for the same answer and have it now. @throws LockLostError
   */
  settle(outcome: Outcome, checkpoint?: Checkpoint): Promise<readonly Follower[]>;
  /** Sends a part to the front that waits; `attempt` is the call's number. */
  reply(attempt: number, body: ReplyBody): void;
  /** Keeps the text so far where `get_job` finds it; throttled, never awaited. */
  keepPartialText(text: string): void;
  /** What is to become of the job after a call failed. `calls`: how many the request has made. */
  decide(error: unknown, calls?: number): Decision;
  /** Lets no further call start at whoever asked to wait, from now on: writing what the call cost comes after. */
  hold(decision: Decision): Promise<void>;
  /** Runs `work` once jobs added to this one as children have ended; then the job starts anew. Never returns. */
  waitForChild(generation: JobPayload<'generate'>): Promise<never>;
  /** How another job of this request ended. */
  readOutcome(queue: string, jobId: string): Promise<Outcome | undefined>;
  isCancelled(): Promise<boolean>;
}

/**
 * The value is sent to whoever waits and kept as the outcome; the receipt, where given, is what BullMQ keeps.
 * A handler that returns, or throws `CallFailedError`, has brought the rows of its checkpoint to the ledger.
 */
export type Handled<N extends JobName> = { value: JobResult<N>; receipt?: object };

export type Handler<N extends JobName> = (payload: JobPayload<N>, context: JobContext) => Promise<Handled<N>>;

/** One handler per job: a missing one does not compile. */
export type Handlers = { [N in JobName]: Handler<N> };

/** Thrown by a handler that has already settled and accounted for what there was: tells BullMQ what to do with the job. */
export class CallFailedError extends Error {
  readonly decision: Decision;
  constructor(decision: Decision) {
    super(decision.error.message, { cause: decision.error });
    this.name = 'CallFailedError';
    this.decision = decision;
  }
}
