import { gauge } from './definition.ts';

/** What is read from Redis and the database when somebody asks. docs/metrics.md explains each. */
export const gauges = {
  redisUp: gauge('aimm_redis_up', [], 'Whether Redis answers: 1 or 0.'),
  databaseUp: gauge('aimm_database_up', [], 'Whether the database answers: 1 or 0.'),
  redisMemory: gauge('aimm_redis_memory_bytes', [], 'Memory that Redis uses.'),
  redisMemoryLimit: gauge(
    'aimm_redis_memory_limit_bytes',
    [],
    'Memory that Redis may use; absent where there is no limit.',
  ),
  workers: gauge('aimm_workers', [], 'Workers that reported within the last 15 seconds.'),
  workerMemory: gauge('aimm_worker_resident_memory_bytes', ['worker'], "A worker's resident memory."),
  workerHeap: gauge('aimm_worker_heap_used_bytes', ['worker'], "A worker's JavaScript heap in use."),
  workerSkew: gauge('aimm_worker_clock_skew_seconds', ['worker'], "How far a worker's clock is ahead of Redis'."),
  spoolBytes: gauge('aimm_spool_bytes', ['host'], 'Ledger rows on a local disk: neither database nor Redis took them.'),
  queueJobs: gauge('aimm_queue_jobs', ['queue', 'state'], 'Jobs of a queue by state.'),
  queueOldest: gauge('aimm_queue_oldest_waiting_seconds', ['queue'], 'Age of the oldest job that waits to be run.'),
  queuePaused: gauge('aimm_queue_paused_seconds', ['queue'], 'How long a provider still wants us to wait.'),
  setAside: gauge(
    'aimm_set_aside_seconds',
    ['provider', 'model'],
    'Time to the next probe of a provider (model empty) or model that is set aside; 0 once it is due.',
  ),
  persistJobs: gauge(
    'aimm_persist_backlog_jobs',
    [],
    'Jobs that hold ledger rows, turns and results of batches which the database has not taken yet.',
  ),
  persistOldest: gauge('aimm_persist_backlog_oldest_seconds', [], 'Age of the oldest of those jobs.'),
  unsettledJobs: gauge(
    'aimm_unsettled_jobs',
    [],
    'Jobs with a call that is not in the ledger yet; most of them are running.',
  ),
  unsettledOldest: gauge(
    'aimm_unsettled_call_oldest_seconds',
    [],
    'Age of the oldest call that is not in the ledger yet.',
  ),
} as const;

export type Gauges = typeof gauges;
export type GaugeKey = keyof Gauges;
