import type { GenerationRequest, JsonObject, ModelManagerError, Usage, Warning } from '@aimm/contracts';
import type { ProviderResponse } from './model-provider.ts';

/** What one of the vendor's batches may hold, and after how long it ends with whatever is done. */
export interface BatchLimits {
  maxRequests: number;
  maxBytes: number;
  expiresAfterMs: number;
}

/** `id`: 1 to 27 letters, digits, `-` or `_`; unique in its batch. */
export interface BatchRequest {
  id: string;
  request: GenerationRequest;
}

/** What finds the batch again: JSON, small, to be stored. */
export type BatchHandle = JsonObject;

export interface FoundBatch {
  handle: BatchHandle;
  /** False where the vendor keeps no names and has not answered yet: it may be somebody else's, and is never cancelled or deleted. */
  certain: boolean;
}

/**
 * `ending`: it was cancelled or is nearly done; results come soon. `ended`: what is not among the results has failed.
 * `failed`: none was tried, `error` says why. `expired`, `cancelled`: what was done before is among the results.
 */
export type BatchState = 'validating' | 'running' | 'ending' | 'ended' | 'failed' | 'expired' | 'cancelled';

export interface BatchProgress {
  state: BatchState;
  /** As far as the vendor says; some count only at the end. */
  counts: { total?: number; succeeded?: number; failed?: number };
  error?: ModelManagerError;
  /** Whether `results` has anything to read. */
  resultsReady: boolean;
}

/** What came of one request: what a single call would have given, or the error it would have ended with. */
export type BatchResult =
  | { id: string; response: ProviderResponse }
  | { id: string; error: ModelManagerError; usage?: Usage; answeredBy?: string };

/**
 * A vendor's batch API. Like single calls it never retries by itself, and every error is a `ModelManagerError`. All requests
 * of a batch are for one model.
 */
export interface BatchEndpoint {
  readonly limits: BatchLimits;
  /**
   * How many bytes of the batch a request takes, and which of its settings give way. Sends nothing.
   *
   * @throws invalid_request where the vendor cannot be asked so
   */
  prepare(request: GenerationRequest): Promise<{ bytes: number; warnings: Warning[] }>;
  /**
   * Uploads the requests and starts the batch under `name` (1 to 36 letters, digits or `-`), which finds it again where the
   * answer was lost.
   *
   * @throws invalid_request before anything is sent, where ids, models or sizes do not fit
   */
  submit(batch: {
    name: string;
    requests: readonly BatchRequest[];
    signal: AbortSignal;
  }): Promise<{ handle: BatchHandle }>;
  /**
   * The batches that may be the one of this name, the certain ones first. Vendors list a new batch only after a moment.
   *
   * @param search `requests`: how many it has; `since`: when it was submitted, at the earliest, in epoch milliseconds
   */
  find(search: {
    name: string;
    model: string;
    requests: number;
    since: number;
    signal: AbortSignal;
  }): Promise<FoundBatch[]>;
  poll(handle: BatchHandle, signal: AbortSignal): Promise<BatchProgress>;
  /**
   * Each answered request once, in no order, read as it comes. What is missing at its end was not answered. May be read again
   * from the beginning after it broke.
   */
  results(handle: BatchHandle, signal: AbortSignal): AsyncIterable<BatchResult>;
  /** Asks the vendor to stop; `poll` says when it has. Does nothing where the batch is over. */
  cancel(handle: BatchHandle, signal: AbortSignal): Promise<void>;
  /** Deletes what the vendor keeps of an ended batch: uploaded requests and answers. What is gone already is no error. */
  remove(handle: BatchHandle, signal: AbortSignal): Promise<void>;
}
