import type { JobName } from '@aimm/contracts';

/** One hash tag for every key: a flow's queues and our scripts must share a slot on Redis Cluster. */
export const keyPrefix = '{aimm}';

/** Queues that belong to no provider; a provider may not be called so. */
export const systemQueues = ['compare', 'persist-usage'] as const;

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
      return name;
  }
}

function required(provider: string | undefined): string {
  if (provider === undefined) throw new TypeError('this job belongs to a provider');
  return provider;
}

export const keys = {
  job: (queue: string, jobId: string) => `${keyPrefix}:${queue}:${jobId}`,
  jobLock: (queue: string, jobId: string) => `${keyPrefix}:${queue}:${jobId}:lock`,
  active: (queue: string) => `${keyPrefix}:${queue}:active`,
  delayed: (queue: string) => `${keyPrefix}:${queue}:delayed`,
  wait: (queue: string) => `${keyPrefix}:${queue}:wait`,
  prioritized: (queue: string) => `${keyPrefix}:${queue}:prioritized`,
  failed: (queue: string) => `${keyPrefix}:${queue}:failed`,
  /** Where BullMQ keeps jobs, but for those that completed. */
  sortedPlaces: (queue: string) =>
    ['prioritized', 'delayed', 'waiting-children', 'failed'].map((place) => `${keyPrefix}:${queue}:${place}`),
  listedPlaces: (queue: string) => ['active', 'paused', 'wait'].map((place) => `${keyPrefix}:${queue}:${place}`),
  request: (requestId: string) => `${keyPrefix}:request:${requestId}`,
  replies: (frontId: string) => `${keyPrefix}:replies:${frontId}`,
  cancelChannel: `${keyPrefix}:cancel`,
  worker: (workerId: string) => `${keyPrefix}:worker:${workerId}`,
  workers: `${keyPrefix}:workers`,
  listing: (provider: string) => `${keyPrefix}:listing:${provider}`,
  cache: (key: string) => `${keyPrefix}:cache:${key}`,
  metrics: `${keyPrefix}:metrics`,
  metricsBatch: (processId: string) => `${keyPrefix}:metrics-batch:${processId}`,
  /** Sorted set of the jobs whose calls are not known to be in the ledger, by the time since when. */
  unsettled: `${keyPrefix}:unsettled`,
  reconciler: `${keyPrefix}:reconciler`,
  failuresSeen: (queue: string) => `${keyPrefix}:failures-seen:${queue}`,
};

/** Fields of ours in BullMQ's job hash: they live and are removed with the job. */
export const fields = {
  checkpoint: 'aimm:checkpoint',
  outcome: 'aimm:outcome',
  cancel: 'aimm:cancel',
  partial: 'aimm:partial',
  passes: 'aimm:passes',
  passedSince: 'aimm:passed-since',
} as const;
