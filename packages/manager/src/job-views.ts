import type {
  BatchGeneration,
  BatchView,
  ComparisonResult,
  ErrorCode,
  ErrorShape,
  RequestStatus,
} from '@aimm/contracts';
import type { AskOptions, GenerationAnswer } from './asks.ts';
import type { WaitView } from './progress.ts';

/** `cursor`, `limit`: of a batch's results. */
export interface JobOptions extends AskOptions {
  waitMs?: number | undefined;
  cursor?: string | undefined;
  limit?: number | undefined;
}

export interface JobView {
  requestId: string;
  kind: 'generation' | 'comparison' | 'batch';
  status: RequestStatus;
  model?: string | undefined;
  createdAt: number;
  /** 1 = next to run; only while queued. */
  position?: number | undefined;
  /** How it waits; only while queued. */
  wait?: WaitView | undefined;
  partialText?: string | undefined;
  generation?: GenerationAnswer | undefined;
  comparison?: ComparisonResult | undefined;
  /** A batch, and a page of its results. */
  batch?: BatchView | undefined;
  generations?: BatchGeneration[] | undefined;
  nextCursor?: string | undefined;
  /** A comparison's models while it runs. */
  children?: { requestId: string; model: string; status: RequestStatus; error?: ErrorShape | undefined }[] | undefined;
  error?: ErrorShape | undefined;
}

/** Whose requests of the last 24 hours, and which. */
export interface JobQuery {
  kind?: JobView['kind'] | undefined;
  status?: RequestStatus | undefined;
  /** One client's; only who is `admin` sees any but its own. */
  client?: string | undefined;
  /** 1 to 100; default 20. */
  limit?: number | undefined;
  /** `nextCursor` of the page before. */
  cursor?: string | undefined;
}

/** A request in a list: nothing of what was asked or answered. */
export interface JobSummary {
  requestId: string;
  kind: JobView['kind'];
  client: string;
  status: RequestStatus;
  createdAt: number;
  ageMs: number;
  /** `provider/model`; of a comparison those that it compares. */
  models: string[];
  /** How it waits; only while queued. */
  wait?: WaitView | undefined;
  errorCode?: ErrorCode | undefined;
}

export interface JobList {
  jobs: JobSummary[];
  nextCursor?: string | undefined;
  /** The database is away: there may be batches that are not listed. */
  withoutBatches?: true | undefined;
}
