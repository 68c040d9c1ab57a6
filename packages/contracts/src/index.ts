/**
 * What crosses a process boundary. Words used everywhere:
 *
 * - **provider**: one configured endpoint that serves models (`openai`, a second Ollama host, …); its `kind` names the adapter.
 * - **model**: what a provider serves, written `provider/model-id`.
 * - **request**: one thing a user asked for; its id (`gen_…`, `cmp_…`) is minted by the front and is the user's handle.
 * - **job**: an entry in a BullMQ queue; a generation is one job, and its id is the request's id.
 * - **call**: one HTTP call to a provider. A job makes one or more; the **ledger** has one row per call.
 * - **lane**: `interactive` or `batch`: the priority with which a job waits.
 * - **front**: a process that speaks to clients and never calls a provider. **worker**: a process that calls providers.
 * - **reply**: what a worker sends back to the front that waits.
 */
export { AccessScope, ClientBudget, ClientLimits, ClientName, hasScope, requireScope } from './access.ts';
export {
  Assertion,
  AssertionOutcome,
  BatchColumn,
  BatchColumnSummary,
  BatchCounts,
  BatchGeneration,
  BatchGenerationStatus,
  BatchItem,
  BatchJudge,
  batchApiKinds,
  BatchLane,
  BatchPlace,
  type BatchProviderPace,
  BatchRecord,
  BatchSpec,
  BatchStatus,
  BatchTemplate,
  BatchVariant,
  BatchVerdict,
  BatchView,
  JudgeMode,
} from './batches.ts';
export { addCounts, countEnded, sumCounts } from './batch-counts.ts';
export { CallRecord, CallStatus, Checkpoint, isContinued, LedgerRow, Outcome, UnfitAnswer } from './calls.ts';
export { comparedModels, ComparisonEntry, ComparisonResult, ComparisonSummary, Judgement } from './comparison.ts';
export {
  Conversation,
  ConversationId,
  ConversationMessage,
  ConversationPlace,
  ConversationTurn,
} from './conversations.ts';
export { ErrorCode, type ErrorDetails, ErrorShape, ModelManagerError, toModelManagerError } from './errors.ts';
export {
  FinishReason,
  GenerationRequest,
  GenerationResult,
  GenerationSettings,
  Latency,
  ReasoningEffort,
  ResponseFormat,
  ToolChoice,
  ToolDefinition,
  Usage,
  Warning,
} from './generation.ts';
export { ComparisonId, GenerationId, ProviderId, RequestId, type RequestKind, requestKinds } from './ids.ts';
export {
  BudgetShare,
  ComparePayload,
  CompareReceipt,
  Flight,
  GeneratePayload,
  GenerateReceipt,
  type JobName,
  type JobPayload,
  type JobResult,
  jobs,
  Lane,
  RequestRecord,
  RequestStatus,
} from './jobs.ts';
export {
  FilePart,
  ImagePart,
  JsonObject,
  Message,
  MessagePart,
  ReasoningPart,
  TextPart,
  ToolCallPart,
  ToolResultPart,
} from './messages.ts';
export {
  Capability,
  KeyHealth,
  ListedModel,
  ModelInfo,
  ModelPrices,
  ModelQuirks,
  ProviderHealth,
  RateLimits,
} from './models.ts';
export { everyClient, ModelPreference, PreferenceName, PreferenceSettings } from './preferences.ts';
export { Reply } from './replies.ts';
export { isTimeZone } from './time-zone.ts';
export { toKnownCost, toKnownSavings, UsageGroupBy, UsageQuery, UsageReport, UsageTotals } from './usage.ts';
