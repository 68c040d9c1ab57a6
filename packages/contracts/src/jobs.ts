import * as z from 'zod';
import { ClientLimits } from './access.ts';
import { BatchPlace, BatchRecord } from './batches.ts';
import { LedgerRow } from './calls.ts';
import { ConversationPlace, ConversationTurn } from './conversations.ts';
import { ErrorShape } from './errors.ts';
import { GenerationRequest, GenerationResult, Usage, Warning } from './generation.ts';
import { Message } from './messages.ts';
import { ListedModel, ProviderHealth } from './models.ts';
import { ComparisonResult } from './comparison.ts';

export const Lane = z.enum(['interactive', 'batch']);
export type Lane = z.infer<typeof Lane>;

/** What every request carries, whoever asked. Times are epoch milliseconds. */
const RequestEnvelope = z.object({
  requestId: z.string(),
  /** Who asked: an access token's name, or the local user. Owns ledger rows and the result. */
  client: z.string(),
  /** What its access token limits it to, as that was when it was asked; in place of what the configuration says of the client. */
  clientLimits: ClientLimits.optional(),
  /** Whose turn it takes where several wait; default: the client. */
  share: z.string().optional(),
  tags: z.array(z.string()),
  lane: Lane,
  enqueuedAt: z.number(),
  /** Past this nobody wants the answer: no call starts, a running one is aborted. */
  deadlineAt: z.number(),
  /** The reply stream of the front that waits; absent when nobody waits. */
  replyTo: z.string().optional(),
});

/** What a request holds of one budget in one period until it has ended, and what it has taken of it before. Nano-dollars. */
export const BudgetShare = z.object({
  /** The budget's counter in its period. */
  key: z.string(),
  /** Only calls to this provider count. */
  provider: z.string().optional(),
  heldNanoUsd: z.number().int(),
  /** The cost of the hops before this one. */
  spentNanoUsd: z.number().int().optional(),
  /** How long the counter is kept. */
  keepUntil: z.number(),
});
export type BudgetShare = z.infer<typeof BudgetShare>;

/** Identical requests at once, of which one makes the call for all: `slot` is found by what is asked, `id` by who flies. */
export const Flight = z.object({ id: z.string(), slot: z.string() });
export type Flight = z.infer<typeof Flight>;

export const GeneratePayload = RequestEnvelope.extend({
  provider: z.string(),
  request: GenerationRequest,
  /** Calls that may be made before an error is final; waits that a provider asks for do not count. */
  attempts: z.number().int().positive(),
  /** The models to ask in turn when this one fails for good. */
  fallbacks: z
    .array(
      z.object({
        provider: z.string(),
        model: z.string(),
        timeoutMs: z.number(),
        attempts: z.number().int(),
        warnings: z.array(Warning),
        /** Tokens that it takes; absent where nobody knows. */
        contextWindow: z.number().optional(),
        /** A member of the same pool: as good as the model asked first, and no change for the asker. */
        equal: z.boolean().optional(),
      }),
    )
    .optional(),
  /** Tokens that the model asked now takes; absent where nobody knows. */
  contextWindow: z.number().optional(),
  /** Whether another model may be asked what this one would not answer (`content_filtered`). */
  fallBackOnFilter: z.boolean().optional(),
  /** The pool that was asked for: while it waits, the job may move to another member of it. */
  pool: z.string().optional(),
  /** The alias that was asked for, where one was. */
  alias: z.string().optional(),
  /** `provider/model` that was asked first, on a fallback hop; `hop` counts from 1. */
  fallbackFrom: z.string().optional(),
  hop: z.number().int().positive().optional(),
  /** Calls made by the hops before this one: the ledger counts on from there. */
  callsBefore: z.number().int().optional(),
  /** Where the answer is to be cached, and for how long. */
  cache: z.object({ key: z.string(), ttlMs: z.number() }).optional(),
  /** Others wait for this request's answer. */
  flight: Flight.optional(),
  budget: z.array(BudgetShare).optional(),
  /** The conversation that its answer is a turn of. */
  conversation: ConversationPlace.optional(),
  /** The comparison or batch this generation belongs to. */
  parentId: z.string().optional(),
  /** Where its result belongs, where it is of a batch. */
  batch: BatchPlace.optional(),
  /** No call starts past this: the end of `max_wait_seconds`. */
  startBy: z.number().optional(),
  /** How long one call may take. */
  timeoutMs: z.number().int().positive(),
  /** Whether the answer may begin again after its text was sent (`stream`); otherwise such a request fails as it broke. */
  allowRestart: z.boolean().optional(),
  /** Whether the front wants text as it comes. */
  stream: z.boolean(),
  /** Nobody listens for what happens before the end: no part need be sent. */
  quiet: z.boolean().optional(),
  /** What to do when a crash hid a call's outcome: pay for another, or fail. */
  onUnknownOutcome: z.enum(['retry', 'fail']),
  /** What was already said about the request before it was queued. */
  warnings: z.array(Warning),
});
export type GeneratePayload = z.infer<typeof GeneratePayload>;

/** The small return value of a generation's job, for Bull Board; the whole result is its outcome. */
export const GenerateReceipt = z.object({
  requestId: z.string(),
  model: z.string(),
  finishReason: z.string(),
  usage: Usage,
  costNanoUsd: z.number().int().nullable(),
  calls: z.number().int(),
});
export type GenerateReceipt = z.infer<typeof GenerateReceipt>;

/** The model that ranks a comparison's answers; its generation runs once they are all in. */
const JudgeOrder = z.object({
  requestId: z.string(),
  provider: z.string(),
  model: z.string(),
  criteria: z.string().optional(),
  /** What the models were asked. */
  messages: z.array(Message),
  budget: z.array(BudgetShare).optional(),
  attempts: z.number().int().positive(),
  timeoutMs: z.number().int().positive(),
});

export const ComparePayload = RequestEnvelope.extend({
  /** One generation per model, in the order asked. */
  children: z.array(z.object({ requestId: z.string(), provider: z.string(), model: z.string() })).min(1),
  judge: JudgeOrder.optional(),
});
export type ComparePayload = z.infer<typeof ComparePayload>;

export const CompareReceipt = z.object({
  requestId: z.string(),
  succeeded: z.number().int(),
  failed: z.number().int(),
});
export type CompareReceipt = z.infer<typeof CompareReceipt>;

/** A question that a worker answers at once, outside the provider's limits. */
const Probe = z.object({
  provider: z.string(),
  replyTo: z.string().optional(),
  requestId: z.string(),
  askedAt: z.number(),
  deadlineAt: z.number(),
});

/**
 * Every job there is: what it carries, what it answers (kept as its outcome and sent as its terminal reply) and,
 * where that may be large, the small receipt it returns to BullMQ. Fronts and workers both parse with it.
 * JSON-only types. New fields are optional: jobs of the last release wait in Redis while this one is deployed.
 */
export const jobs = {
  generate: { payload: GeneratePayload, result: GenerationResult },
  compare: { payload: ComparePayload, result: ComparisonResult },
  'list-models': { payload: Probe, result: z.object({ models: z.array(ListedModel), fetchedAt: z.number() }) },
  'check-health': { payload: Probe.extend({ deep: z.boolean() }), result: ProviderHealth },
  'persist-usage': {
    payload: z.object({ rows: z.array(LedgerRow).min(1) }),
    result: z.object({ written: z.number().int() }),
  },
  'persist-batch': {
    payload: z.object({ record: BatchRecord }),
    result: z.object({ written: z.boolean() }),
  },
  'persist-turn': { payload: z.object({ turn: ConversationTurn }), result: z.object({ added: z.boolean() }) },
} as const satisfies Record<string, { payload: z.ZodType; result: z.ZodType }>;

export type JobName = keyof typeof jobs;
export type JobPayload<N extends JobName> = z.infer<(typeof jobs)[N]['payload']>;
export type JobResult<N extends JobName> = z.infer<(typeof jobs)[N]['result']>;

/** Where a request stands, as `get_job` tells it. */
export const RequestStatus = z.enum(['queued', 'running', 'succeeded', 'failed', 'cancelled']);
export type RequestStatus = z.infer<typeof RequestStatus>;

/** What the queue remembers of a request for as long as its job may be asked for. */
export const RequestRecord = z.object({
  requestId: z.string(),
  kind: z.enum(['generation', 'comparison', 'batch']),
  client: z.string(),
  createdAt: z.number(),
  /** Where its job is: the queue and the job's id, which differs from the request's on a fallback hop. */
  queue: z.string(),
  jobId: z.string(),
  deadlineAt: z.number(),
  /** The end of `max_wait_seconds`. */
  startBy: z.number().optional(),
  model: z.string().optional(),
  /** The pool that was asked for: a member with nothing to do may take the job while it waits. */
  pool: z.string().optional(),
  children: z.array(z.object({ requestId: z.string(), queue: z.string(), model: z.string() })).optional(),
  /** What is to be given back where the job is removed before it ran. */
  budget: z.array(BudgetShare).optional(),
  flight: Flight.optional(),
  /** It has no job of its own: it waits for the answer of whoever leads its flight. */
  follows: z.boolean().optional(),
  /** It was answered from the cache, under this key. */
  cached: z.string().optional(),
  /** The conversation that its answer is a turn of. */
  conversationId: z.string().optional(),
  /** Set when the job was removed before it ran. */
  ended: z.object({ status: RequestStatus, error: ErrorShape }).optional(),
});
export type RequestRecord = z.infer<typeof RequestRecord>;
