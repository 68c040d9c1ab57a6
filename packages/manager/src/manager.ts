import type {
  AccessScope,
  BatchGeneration,
  BatchStatus,
  BatchView,
  Capability,
  ClientBudget,
  ClientLimits,
  ComparisonResult,
  Conversation,
  ConversationMessage,
  ErrorCode,
  ErrorShape,
  GenerationResult,
  GenerationSettings,
  Message,
  ModelInfo,
  PreferenceSettings,
  ProviderHealth,
  RequestStatus,
  UsageGroupBy,
  UsageReport,
} from '@aimm/contracts';
import type { Cooldown } from '@aimm/queue';
import type {
  BatchAsk,
  BatchItemResult,
  BatchList,
  BatchModelAsk,
  BatchOptions,
  BatchPage,
  BatchProviderPace,
  BatchQuery,
} from './batch/batch-types.ts';

/** Who asks. Owns what it asks for; sees no other client's requests unless `admin`. */
export interface Caller {
  client: string;
  admin: boolean;
  /** What its access token lets it do; absent: it came without one and may do all of it. */
  scopes?: readonly AccessScope[] | undefined;
  /** Of its access token, in place of what the configuration says of the client. */
  limits?: ClientLimits | undefined;
  /** Of its access token, besides those of the configuration. */
  budgets?: readonly ClientBudget[] | undefined;
}

/** What every way of asking has in common. Seconds become milliseconds at the face. */
interface Ask {
  messages: Message[];
  settings: GenerationSettings;
  tags?: string[] | undefined;
  /** How long it may wait in the queue before it fails with `timeout`. */
  maxWaitMs?: number | undefined;
  /** How long one call to the provider may take. */
  timeoutMs?: number | undefined;
}

export interface GenerateAsk extends Ask {
  /** `provider/id`, a bare id, a pool, `auto`, or absent: chosen by `route`, else the first configured provider's default model. */
  model?: string | undefined;
  /** How `auto` chooses: `cheapest`, `fastest`, `balanced`, or a rule of config/routing.json. */
  route?: string | undefined;
  /** Models asked in turn when the one before it failed for good, is set aside, or `maxWaitMs` ran out; none: no chain of config/routing.json. */
  fallbacks?: string[] | undefined;
  /** Whether the answer may begin again after text of it was told; otherwise a call that breaks then ends the request. */
  allowRestart?: boolean | undefined;
  /** Answer from, and into, the exact-match cache. */
  cache?: boolean | undefined;
  conversationId?: string | undefined;
  saveConversation?: boolean | undefined;
  /** What becomes of a conversation's oldest turns where it is longer than the model takes; default `drop`. */
  history?: 'drop' | 'summarise' | undefined;
}

export interface CompareAsk extends Ask {
  models: string[];
  /** A model that ranks the answers, and by what. */
  judge?: string | undefined;
  criteria?: string | undefined;
}

/** How a request waits. */
export interface WaitView {
  /** 1 = next to run; absent while it is put aside until `waitingUntil`. */
  position?: number | undefined;
  /** How many wait in the same queue, this one included. */
  inLine?: number | undefined;
  /** Until it is likely to start; absent where nothing is known of the queue's pace. */
  estimatedWaitMs?: number | undefined;
  /** Its turn, a limit of ours, a pause that its provider asked for, or the time to be tried again. */
  waitingFor: 'queue' | 'rate_limit' | 'provider' | 'retry';
  /** Epoch milliseconds; nothing starts before. */
  waitingUntil?: number | undefined;
}

/** What happens while a request waits and runs. */
export type ProgressEvent =
  | ({ type: 'queued'; provider: string; model: string; position: number; ahead: number } & Partial<WaitView>)
  | { type: 'started'; provider: string; model: string }
  /** Of a comparison, and only where it was asked to stream: whose text it is. */
  | { type: 'text'; text: string; totalLength: number; provider?: string; model?: string }
  | { type: 'reasoning'; text: string }
  /** The answer begins again; of a comparison with whose. */
  | { type: 'reset'; reason: ErrorShape; provider?: string; model?: string }
  | {
      type: 'waiting';
      untilMs: number;
      reason: ErrorShape;
      why?: 'provider' | 'rate_limit' | 'retry' | undefined;
      /** Of a comparison: who waits. */
      provider?: string;
      model?: string;
    }
  | { type: 'batch'; done: number; failed: number; total: number }
  | {
      type: 'model_finished';
      provider: string;
      model: string;
      finished: number;
      total: number;
      error?: ErrorShape;
      result?: GenerationResult;
    };

export interface AskOptions {
  /** Aborting cancels the request: queued jobs are removed, running calls aborted. */
  signal?: AbortSignal | undefined;
  onProgress?: ((event: ProgressEvent) => void) | undefined;
  /** Of a comparison: `onProgress` is told the text of each model as it comes; an answer that breaks off begins again. */
  stream?: boolean | undefined;
}

/** A generation as its asker sees it. `conversationId` where one was continued or saved. */
export interface GenerationAnswer extends GenerationResult {
  conversationId?: string | undefined;
}

/** A request that was accepted: durable from here on, whatever becomes of this process. */
export interface Accepted<T> {
  requestId: string;
  /** `provider/model` of each job. */
  models: string[];
  /** The conversation that the answer is a turn of; a new one is there once the answer is. */
  conversationId?: string | undefined;
  /** Settles when the request ends. Rejects with ModelManagerError. A dropped promise loses nothing: read the job by id. */
  result: Promise<T>;
}

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
  children?: { requestId: string; model: string; status: RequestStatus }[] | undefined;
  error?: ErrorShape | undefined;
}

export interface ProviderView {
  id: string;
  kind: string;
  name: string;
  baseUrl?: string | undefined;
  /** A worker that serves it has what it needs; absent while no worker has reported. */
  configured?: boolean | undefined;
  /** What keeps it from being configured, where keys are there that cannot be used. */
  problem?: string | undefined;
  demo: boolean;
  concurrency: number;
  requestsPerMinute?: number | undefined;
  tokensPerMinute?: number | undefined;
  defaultModel?: string | undefined;
  apiKeyVariables: string[];
}

export interface ModelList {
  models: (ModelInfo & { available: boolean | undefined; demo: boolean })[];
  providers: ProviderView[];
  /** Providers whose own listing could not be read, and why. */
  problems: { provider: string; error: ErrorShape }[];
}

export interface QueueHealth {
  reachable: boolean;
  latencyMs?: number | undefined;
  workers: { id: string; host: string; pid: number; providers: string[]; startedAt: number; seenAt: number }[];
  queues: {
    name: string;
    waiting: number;
    active: number;
    delayed: number;
    failed: number;
    pausedForMs?: number | undefined;
  }[];
  problem?: string | undefined;
}

/** A budget as it stands. Nano-dollars; `renewsAt` in epoch milliseconds. */
export interface BudgetView {
  name: string;
  period: 'day' | 'month';
  provider?: string | undefined;
  client?: string | undefined;
  limitNanoUsd: number;
  spentNanoUsd: number;
  /** What requests under way may still cost. */
  heldNanoUsd: number;
  renewsAt: number;
}

export interface HealthReport {
  /** Absent where the queue does not answer. */
  budgets?: BudgetView[] | undefined;
  healthy: boolean;
  /** `cooldowns`: what of the provider is set aside because it kept failing; absent where nothing is. */
  providers: (ProviderHealth & { cooldowns?: Cooldown[] | undefined })[];
  queue: QueueHealth;
  database: {
    kind: 'sqlite' | 'postgresql';
    reachable: boolean;
    latencyMs?: number | undefined;
    problem?: string | undefined;
  };
}

/** A page of conversations, the last written to first. `snippet`: where a search found its words. */
export interface ConversationList {
  conversations: (Conversation & { snippet?: string | undefined })[];
  nextCursor?: string | undefined;
}

/** A page of one conversation, oldest message first. */
export interface ConversationPage {
  conversation: Conversation;
  messages: ConversationMessage[];
  nextCursor?: string | undefined;
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
}

/** What is to be estimated: aliases, pools and `auto` as every model they may come to. */
export interface EstimateAsk {
  messages: Message[];
  settings: GenerationSettings;
  models: string[];
}

/** Nano-dollars, `null` where the price is unknown; tokens are estimated as budgets do. */
export interface CostEstimate {
  /** As the model was named. */
  asked: string;
  alias?: string | undefined;
  provider: string;
  /** `provider/model`. */
  model: string;
  inputTokens: number;
  /** Of an ordinary answer. */
  expectedOutputTokens: number;
  /** Of the longest that is reckoned with: what budgets reserve. */
  maxOutputTokens: number;
  expectedNanoUsd: number | null;
  maxNanoUsd: number | null;
  priceVersion?: string | undefined;
  unpricedBecause?: string | undefined;
  warnings: string[];
}

/** A name and what it stands for. */
export interface PreferenceView {
  name: string;
  scope: 'own' | 'everybody' | 'built_in';
  /** `provider/model`, or a pool; none for settings alone, and where a tier is chosen from. */
  models: string[];
  settings: PreferenceSettings;
  /** The same in words. */
  means: string;
  updatedAt?: number | undefined;
  /** Another of that name holds once this one is removed. */
  hides?: boolean | undefined;
  /** What has its name by now, so that it is not used. */
  hiddenBy?: string | undefined;
}

export interface PreferenceList {
  client: string;
  /** `default` and `auto` first, where there are such; then aliases by name. */
  preferences: PreferenceView[];
}

/** Without models and settings the preference is removed. */
export interface PreferenceEdit {
  name: string;
  models?: string[] | undefined;
  settings?: PreferenceSettings | undefined;
  /** Whose; default the caller's own. `*` is everybody's; others than its own are for `admin`. */
  client?: string | undefined;
}

export interface PreferenceChange {
  change: 'set' | 'removed' | 'none';
  name: string;
  /** What holds under this name now. */
  inForce?: PreferenceView | undefined;
  warnings: string[];
}

/** The use cases, once for every face. Every method throws ModelManagerError and nothing else. */
export interface Manager {
  /** Resolves once the job is durable. @throws invalid_request, unknown_model, authentication, unavailable */
  generate(caller: Caller, ask: GenerateAsk, options?: AskOptions): Promise<Accepted<GenerationAnswer>>;
  compare(caller: Caller, ask: CompareAsk, options?: AskOptions): Promise<Accepted<ComparisonResult>>;
  /** Waits up to `waitMs` for the end, then says how it stands; `signal` only ends the wait. @throws invalid_request when there is no such job for this caller */
  getJob(caller: Caller, requestId: string, options?: JobOptions): Promise<JobView>;
  /** Resolves once it is durable and runs. @throws as generate, and budget_exceeded where it is expected to cost more than it may */
  startBatch(caller: Caller, ask: BatchAsk, options?: BatchOptions): Promise<BatchView>;
  /** @throws invalid_request when there is no such batch for this caller; so do all that take a batch's id */
  getBatch(caller: Caller, batchId: string): Promise<BatchView>;
  /** Of a batch as `getBatch` gave it; by provider and lane, in the order of its columns. @throws unavailable */
  getBatchPaces(caller: Caller, view: BatchView): Promise<BatchProviderPace[]>;
  listBatches(
    caller: Caller,
    query?: {
      limit?: number | undefined;
      cursor?: string | undefined;
      client?: string | undefined;
      statuses?: readonly BatchStatus[] | undefined;
    },
  ): Promise<BatchList>;
  listBatchGenerations(caller: Caller, batchId: string, query?: BatchQuery): Promise<BatchPage>;
  /** Every item with what came of it, in their order; read as it is taken. Each step throws as the others do. */
  batchResults(caller: Caller, batchId: string): AsyncIterable<BatchItemResult>;
  pauseBatch(caller: Caller, batchId: string): Promise<BatchView>;
  resumeBatch(caller: Caller, batchId: string, change?: { maxCostNanoUsd?: number | undefined }): Promise<BatchView>;
  /** Idempotent: one that has ended stays as it ended. */
  cancelBatch(caller: Caller, batchId: string): Promise<BatchView>;
  /** Of one that has ended nothing stays but what it cost, in the ledger. @throws unavailable while a vendor has something of it */
  deleteBatch(caller: Caller, batchId: string): Promise<void>;
  /** What failed is asked again. */
  retryBatch(caller: Caller, batchId: string): Promise<BatchView>;
  addBatchModels(
    caller: Caller,
    batchId: string,
    ask: { models: readonly (string | BatchModelAsk)[] },
    options?: Pick<BatchOptions, 'confirm'>,
  ): Promise<BatchView>;
  /** Idempotent: a request that ended stays as it ended. */
  cancelJob(caller: Caller, requestId: string): Promise<JobView>;
  /** @throws invalid_request when the cursor is none of ours */
  listJobs(caller: Caller, query?: JobQuery): Promise<JobList>;
  /** Cheapest first. Asks nobody, and queues nothing. @throws unknown_model, invalid_request */
  estimateCost(caller: Caller, ask: EstimateAsk): Promise<CostEstimate[]>;
  /** `owner`: default the caller. @throws permission, unavailable */
  getPreferences(caller: Caller, owner?: string): Promise<PreferenceList>;
  /** @throws invalid_request, unknown_model, permission, unavailable */
  setPreference(caller: Caller, edit: PreferenceEdit): Promise<PreferenceChange>;
  /** Names of aliases, pools and models that begin so, at most 100. */
  completeModel(caller: Caller, begun: string): Promise<string[]>;
  listModels(query?: {
    provider?: string | undefined;
    capability?: Capability | undefined;
    search?: string | undefined;
    refresh?: boolean | undefined;
  }): Promise<ModelList>;
  /** `model`: as `generate` takes it; of what stands for several models the one that would be asked now. */
  getModelInfo(
    caller: Caller,
    model: string,
  ): Promise<ModelInfo & { available: boolean | undefined; demo: boolean; warnings: string[] }>;
  usage(
    caller: Caller,
    query: {
      from: number;
      to: number;
      groupBy?: UsageGroupBy | undefined;
      /** Whose days, as an IANA name; default UTC. */
      timeZone?: string | undefined;
      provider?: string | undefined;
      model?: string | undefined;
      client?: string | undefined;
      tag?: string | undefined;
    },
  ): Promise<UsageReport>;
  /** The caller's own, or all for `admin`. `limit`: 1 to 100, default 20. @throws invalid_request when the cursor is none of ours */
  listConversations(
    caller: Caller,
    query?: { search?: string | undefined; limit?: number | undefined; cursor?: string | undefined },
  ): Promise<ConversationList>;
  /** `limit`: 1 to 1,000 messages, default 50. @throws invalid_request when there is no such conversation for this caller */
  getConversation(
    caller: Caller,
    id: string,
    page?: { limit?: number | undefined; cursor?: string | undefined },
  ): Promise<ConversationPage>;
  /** Gives what was deleted. @throws invalid_request when there is no such conversation for this caller */
  deleteConversation(caller: Caller, id: string): Promise<Conversation>;
  /** Of the budgets, who is no admin is told its own. `database: false`: that is not opened, and so not migrated. */
  health(
    caller: Caller,
    query?: { provider?: string | undefined; deep?: boolean | undefined; database?: boolean | undefined },
  ): Promise<HealthReport>;
  /** Opens the database, so that the first request need not wait for that. Never fails: whoever needs it tries again. */
  warmUp(): Promise<void>;
  listProviders(): Promise<ProviderView[]>;
  /**
   * Whose access token it is; undefined where it is nobody's, was revoked or has expired.
   * @throws unavailable where the database does not answer and the token was not in use shortly before
   */
  identify(token: string): Promise<Caller | undefined>;
  close(): Promise<void>;
}
