import type {
  BatchProviderPace,
  BatchStatus,
  BatchView,
  Capability,
  ComparisonResult,
  Conversation,
  ModelInfo,
  UsageGroupBy,
  UsageReport,
} from '@aimm/contracts';
import type { RawEnvironment } from '@aimm/runtime';
import type {
  BatchAsk,
  BatchItemResult,
  BatchList,
  BatchModelAsk,
  BatchOptions,
  BatchPage,
  BatchQuery,
} from './batch/batch-types.ts';
import type { Accepted, AskOptions, CompareAsk, GenerateAsk, GenerationAnswer } from './asks.ts';
import type { Caller } from './caller.ts';
import type { ConversationList, ConversationPage } from './conversation-views.ts';
import type { CostEstimate, EstimateAsk } from './cost-estimates.ts';
import type { HealthReport } from './health-report.ts';
import type { JobList, JobOptions, JobQuery, JobView } from './job-views.ts';
import type { PreferenceChange, PreferenceEdit, PreferenceList } from './preference-views.ts';
import type { ModelList, ProviderView } from './provider-views.ts';

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
    options?: Pick<BatchOptions, 'confirm' | 'signal'>,
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
    query?: {
      search?: string | undefined;
      /** What their ids begin with. */
      begins?: string | undefined;
      limit?: number | undefined;
      cursor?: string | undefined;
    },
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
  /** Whether the catalog has the model; any other can be asked for all the same. Asks nobody. */
  isCatalogued(provider: string, model: string): boolean;
  /**
   * Whose access token it is; undefined where it is nobody's, was revoked or has expired.
   * @throws unavailable where the database does not answer and the token was not in use shortly before
   */
  identify(token: string): Promise<Caller | undefined>;
  /**
   * Whether content is kept is as this environment says from now on, and so are limits, endpoints and budgets: of these, where it has
   * faults, what was in force stays so.
   */
  useEnvironment(raw: RawEnvironment): void;
  close(): Promise<void>;
}
