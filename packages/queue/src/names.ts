import type { GeneratePayload, JobName } from '@aimm/contracts';

/** One hash tag for every key: a flow's queues and our scripts must share a slot on Redis Cluster. */
export const keyPrefix = '{aimm}';

/** Their jobs are what the database has not taken yet, and nowhere else. */
export const persistQueues = ['persist-usage', 'persist-turn', 'persist-batch'] as const;

/** Queues that belong to no provider; a provider may not be called so. */
export const systemQueues = ['compare', ...persistQueues] as const;

/** The queue of a job: generations wait in their provider's, questions about a provider beside it, outside its limits. */
export function queueOf(name: JobName, provider?: string): string {
  switch (name) {
    case 'generate':
      return required(provider);
    case 'list-models':
    case 'check-health':
      return `${required(provider)}-checks`;
    case 'compare':
    case 'persist-usage':
    case 'persist-turn':
    case 'persist-batch':
      return name;
  }
}

function required(provider: string | undefined): string {
  if (provider === undefined) throw new TypeError('this job belongs to a provider');
  return provider;
}

/** The model of a generation, as records, outcomes and limits name it: `provider/model-id`. */
export function modelOf({ provider, request }: Pick<GeneratePayload, 'provider' | 'request'>): string {
  return `${provider}/${request.model}`;
}

/** The request of a job: a fallback hop has an id of its own. */
export function requestIdOf(jobId: string): string {
  return jobId.replace(/-hop\d+$/, '');
}

/** How many jobs its request had before this one. */
export function hopOf(jobId: string): number {
  return Number(/-hop(\d+)$/.exec(jobId)?.[1] ?? 0);
}

/** A job of any queue in one word: as scripts keep it in sets. A queue's name holds no colon. */
export function toMember({ queue, jobId }: { queue: string; jobId: string }): string {
  return `${queue}:${jobId}`;
}

export const keys = {
  job: (queue: string, jobId: string) => `${keyPrefix}:${queue}:${jobId}`,
  jobLock: (queue: string, jobId: string) => `${keyPrefix}:${queue}:${jobId}:lock`,
  wait: (queue: string) => `${keyPrefix}:${queue}:wait`,
  prioritized: (queue: string) => `${keyPrefix}:${queue}:prioritized`,
  delayed: (queue: string) => `${keyPrefix}:${queue}:delayed`,
  active: (queue: string) => `${keyPrefix}:${queue}:active`,
  queueMeta: (queue: string) => `${keyPrefix}:${queue}:meta`,
  marker: (queue: string) => `${keyPrefix}:${queue}:marker`,
  priorityCounter: (queue: string) => `${keyPrefix}:${queue}:pc`,
  limiter: (queue: string) => `${keyPrefix}:${queue}:limiter`,
  fairTags: (queue: string, lane: string) => `${keyPrefix}:fair:${queue}:${lane}`,
  pace: (queue: string) => `${keyPrefix}:pace:${queue}`,
  limit: (scope: string) => `${keyPrefix}:limit:${scope}`,
  leases: (scope: string) => `${keyPrefix}:leases:${scope}`,
  turns: (scope: string) => `${keyPrefix}:turns:${scope}`,
  failed: (queue: string) => `${keyPrefix}:${queue}:failed`,
  completed: (queue: string) => `${keyPrefix}:${queue}:completed`,
  /** Where BullMQ keeps jobs, but for those that completed. */
  sortedPlaces: (queue: string) =>
    ['prioritized', 'delayed', 'waiting-children', 'failed'].map((place) => `${keyPrefix}:${queue}:${place}`),
  listedPlaces: (queue: string) => ['active', 'paused', 'wait'].map((place) => `${keyPrefix}:${queue}:${place}`),
  request: (requestId: string) => `${keyPrefix}:request:${requestId}`,
  /** There once a request was cancelled, whatever job it may go on as. */
  cancelled: (requestId: string) => `${keyPrefix}:cancelled:${requestId}`,
  /** How a generation of a comparison ended, for the comparison. */
  part: (requestId: string) => `${keyPrefix}:part:${requestId}`,
  requestsOf: (client: string) => `${keyPrefix}:requests:${client}`,
  requesters: `${keyPrefix}:requesters`,
  replies: (frontId: string) => `${keyPrefix}:replies:${frontId}`,
  cancelChannel: `${keyPrefix}:cancel`,
  preferencesChannel: `${keyPrefix}:preferences`,
  batchChannel: `${keyPrefix}:batches`,
  batchFeeder: `${keyPrefix}:batch-feeder`,
  tokenChannel: `${keyPrefix}:tokens`,
  worker: (workerId: string) => `${keyPrefix}:worker:${workerId}`,
  workers: `${keyPrefix}:workers`,
  served: `${keyPrefix}:served`,
  listing: (provider: string) => `${keyPrefix}:listing:${provider}`,
  cache: (key: string) => `${keyPrefix}:cache:${key}`,
  slot: (slot: string) => `${keyPrefix}:flying:${slot}`,
  flight: (id: string) => `${keyPrefix}:flight:${id}`,
  /** What a flight's call has said so far, for those who join later; and the reply streams of those who listen. */
  said: (flight: string) => `${keyPrefix}:said:${flight}`,
  listeners: (flight: string) => `${keyPrefix}:listeners:${flight}`,
  budget: (name: string) => `${keyPrefix}:budget:${name}`,
  cooldowns: `${keyPrefix}:cooldowns`,
  calls: (provider: string) => `${keyPrefix}:calls:${provider}`,
  picks: (provider: string) => `${keyPrefix}:picks:${provider}`,
  /** Calls under way with each of a provider's keys, by job. */
  keyCalls: (provider: string) => `${keyPrefix}:key-calls:${provider}`,
  poolTurn: (pool: string) => `${keyPrefix}:pool-turn:${pool}`,
  metrics: `${keyPrefix}:metrics`,
  metricsBatch: (processId: string) => `${keyPrefix}:metrics-batch:${processId}`,
  /** Sorted set of the jobs whose calls are not known to be in the ledger, by the time since when. */
  unsettled: `${keyPrefix}:unsettled`,
  reconciler: `${keyPrefix}:reconciler`,
  failuresSeen: (queue: string) => `${keyPrefix}:failures-seen:${queue}`,
  contentSeen: (queue: string, set: string) => `${keyPrefix}:content-seen:${queue}:${set}`,
  /** Sorted set of the jobs that have ended and whose content is needed for a little longer. */
  contentLeft: `${keyPrefix}:content-left`,
  logRewritten: `${keyPrefix}:log-rewritten`,
};

/** Fields of ours in BullMQ's job hash: they live and are removed with the job. */
export const fields = {
  checkpoint: 'aimm:checkpoint',
  outcome: 'aimm:outcome',
  cancel: 'aimm:cancel',
  partial: 'aimm:partial',
  /** Tokens that the call under way has reserved of its limits. */
  reserved: 'aimm:reserved',
  passes: 'aimm:passes',
  passedSince: 'aimm:passed-since',
  /** Why and until when it was put back, as JSON. */
  waits: 'aimm:waits',
  /** Its prompt and its answer were removed. */
  emptied: 'aimm:emptied',
  /** All that is left under the id of a job that its request has gone on from. */
  moved: 'aimm:moved',
} as const;
