import * as z from 'zod';
import { ErrorCode, ErrorShape } from './errors.ts';
import { ParsedJson } from './messages.ts';

/** One HTTP call to a provider, as the job remembers it. Written before (`started`) and after the call. */
export const CallRecord = z.object({
  number: z.number().int().positive(),
  startedAt: z.number(),
  state: z.enum(['started', 'succeeded', 'failed', 'cancelled', 'outcome_unknown']),
});
export type CallRecord = z.infer<typeof CallRecord>;

/** How a job ended. `value` is the job's whole result; what schema it has follows from the job's name. */
export const Outcome = z.discriminatedUnion('status', [
  z.object({ status: z.literal('succeeded'), value: ParsedJson }),
  z.object({
    status: z.literal('failed'),
    error: ErrorShape,
    /** The job failed, its request goes on: a fallback has it. */
    continues: z.boolean().optional(),
    /** `provider/model` of the fallback that has it: chosen once, whatever crashes after that. */
    next: z.string().optional(),
    /** Nothing went wrong: an equal model had nothing to do, and took the job while it waited. */
    moved: z.boolean().optional(),
  }),
]);
export type Outcome = z.infer<typeof Outcome>;

/** Whether it is a job's end only: another job has its request. */
export function isContinued(outcome: Outcome): boolean {
  return outcome.status === 'failed' && outcome.continues === true;
}

/** How a ledger row says a call ended. */
export const CallStatus = z.enum(['succeeded', 'failed', 'cancelled', 'partial', 'outcome_unknown']);
export type CallStatus = z.infer<typeof CallStatus>;

/** One row of the ledger (`usage_stats`): one call. Identified by `(requestId, callNumber)`; absent counts are unknown. */
export const LedgerRow = z.object({
  requestId: z.string(),
  callNumber: z.number().int().positive(),
  parentId: z.string().optional(),
  provider: z.string(),
  model: z.string(),
  answeredBy: z.string().optional(),
  status: CallStatus,
  errorCode: ErrorCode.optional(),
  client: z.string(),
  tags: z.array(z.string()),
  lane: z.enum(['interactive', 'batch']),
  inputTokens: z.number().int().optional(),
  outputTokens: z.number().int().optional(),
  cacheReadTokens: z.number().int().optional(),
  cacheWriteTokens: z.number().int().optional(),
  reasoningTokens: z.number().int().optional(),
  estimated: z.boolean(),
  costNanoUsd: z.number().int().nullable(),
  priceVersion: z.string().optional(),
  /** Of a cached answer: what the call would have cost, in nano-dollars. */
  savedNanoUsd: z.number().int().optional(),
  cached: z.boolean(),
  demo: z.boolean(),
  queueMs: z.number().int().optional(),
  firstTokenMs: z.number().int().optional(),
  providerMs: z.number().int().optional(),
  startedAt: z.number(),
  finishedAt: z.number().optional(),
});
export type LedgerRow = z.infer<typeof LedgerRow>;

/** An answer that was not in the form asked for, and why: the next call is asked to mend it. */
export const UnfitAnswer = z.object({ text: z.string(), faults: z.array(z.string()) });
export type UnfitAnswer = z.infer<typeof UnfitAnswer>;

/** What a job remembers across crashes: its calls and the ledger rows they made. */
export const Checkpoint = z.object({
  calls: z.array(CallRecord),
  unfit: UnfitAnswer.optional(),
  /** Rows of finished calls: after a crash the ledger is written from here, once more and idempotently. */
  rows: z.array(LedgerRow),
  /** How often the job had stalled when this was written: tells a recovery from a retry by hand. */
  stalledCount: z.number().int(),
});
export type Checkpoint = z.infer<typeof Checkpoint>;
