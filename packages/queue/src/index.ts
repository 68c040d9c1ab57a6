export {
  type Admission,
  type AdmissionNeed,
  createAdmission,
  type Limits,
  type LimitScope,
  type Pace,
  type Refusal,
  toRequestBurst,
  toTokenBurst,
} from './admission.ts';
export { type BatchJob, type BatchJobs, type BatchJobState, createBatchJobs } from './batch-jobs.ts';
export { type BatchNews, type BatchNewsKind, createBatchNews } from './batch-news.ts';
export { type Lease } from './lease.ts';
export { settleAbandonedJob } from './abandoned.ts';
export {
  type BudgetClaim,
  type Budgets,
  createBudgets,
  type Reserved,
  toBudgetClaims,
  toBudgetCosts,
  withBudgetCosts,
} from './budgets.ts';
export { createCheckpoints, LockLostError, type NotStarted, type Opened } from './checkpoints.ts';
export { connectFront, connectWorker, type Redis, redisUnavailable, withRedis } from './connection.ts';
export { type ContentRemover, createContentRemover } from './content-remover.ts';
export { toConversationTurn } from './conversation-turn.ts';
export { type Consumer, type ConsumerOptions, createConsumer, type QueueToConsume } from './consumer.ts';
export { decide, type Decision, type Situation } from './decision.ts';
export { createQueueDirectory, type QueueCounts, type QueueDirectory } from './directory.ts';
export {
  type Aside,
  type CooldownRules,
  type Cooldowns,
  type CooldownSettings,
  createCooldowns,
  type Pass,
  toCooldownError,
} from './cooldown.ts';
export { createErrorLog } from './error-log.ts';
export { createFairOrder } from './fair-order.ts';
export { hasFreeHop, toNextHop, toPoolMove, toSuccessor, withCutOff } from './fallback.ts';
export { type Flights, type Joined, type Shareable } from './flights.ts';
export { type FrontQueue, type FrontQueueOptions, openFrontQueue } from './front-queue.ts';
export { generationJobId } from './generation-jobs.ts';
export { createHandOver, type HandOver } from './hand-over.ts';
export { CallFailedError, type Handled, type Handler, type Handlers, type JobContext } from './job-context.ts';
export { createKeyLeases, type KeyLeases } from './key-leases.ts';
export { createListingCache, type ListingCache } from './listing-cache.ts';
export { toLimiter } from './limits.ts';
export { createMetricSums, type MetricSums, readMetricSums } from './metric-sums.ts';
export { hopOf, keyPrefix, modelOf, persistQueues, queueOf, systemQueues } from './names.ts';
export { createPoolBalancer, type PoolBalancer, type PoolMember, type PoolPicker } from './pools.ts';
export { type PreferenceNews } from './preference-news.ts';
export { createPresence, listUnserved, listWorkers, WorkerPresence } from './presence.ts';
export { createProducer, type Producer } from './producer.ts';
export { type Cooldown, findCooldown, readCooldowns } from './read-cooldowns.ts';
export { fromReason, toGivenUp } from './reasons.ts';
export { type QueueAges, readQueueAges } from './queue-ages.ts';
export { requireRedisVersion } from './redis-version.ts';
export { createReplyReader, type ReplyBody, type ReplyReader } from './replies.ts';
export { createRequests, type JobState, type Requests } from './requests.ts';
export { type BriefState } from './request-states.ts';
export { createSameModelFirst, type SameModelFirst } from './same-model-first.ts';
export { createSettlement, type Settlement, toCharge } from './settlement.ts';
export { createSharedClock, type SharedClock } from './shared-clock.ts';
export { type Follower, toCachedRow, toSharedResult } from './shared-answer.ts';
export { announceTokenChange } from './token-changes.ts';
export { createUnsettledJobs, type UnsettledJob, type UnsettledJobs } from './unsettled.ts';
export { createWaiters, type Waiter, type Waiters } from './waiters.ts';
