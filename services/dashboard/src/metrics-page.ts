import type { Manager } from '@aimm/manager';
import {
  type Cooldown,
  listWorkers,
  type QueueAges,
  readCooldowns,
  readMetricSums,
  readQueueAges,
  type Redis,
  withRedis,
} from '@aimm/queue';
import { createMetrics, type Logger, type Metrics, otherModel } from '@aimm/runtime';
import type { RequestHandler } from 'express';
import type { QueueBoard } from './queue-board.ts';
import { readUsage } from './read-usage.ts';

export interface MetricsPageOptions {
  manager: Pick<Manager, 'usage' | 'listProviders' | 'isCatalogued'>;
  board: Pick<QueueBoard, 'counts'>;
  redis: Redis;
  logger: Logger;
  now: () => number;
}

const freshForMs = 1_000;

/**
 * `/metrics` for Prometheus: the whole system's, as Redis has them, however many workers and fronts there are. Always 200:
 * what cannot be read is absent, and `aimm_redis_up` or `aimm_database_up` says why.
 */
export function metricsPage(options: MetricsPageOptions): RequestHandler {
  const { now } = options;
  let metrics: Promise<Metrics> | undefined;
  let last: { text: Promise<string>; at: number } | undefined;
  return async (_req, res) => {
    metrics ??= createMetrics();
    const ready = await metrics;
    // Several may scrape; the sums are read once. Anew, too, where the clock was set back.
    if (last === undefined || Math.abs(now() - last.at) > freshForMs)
      last = { text: render(ready, options), at: now() };
    res.set('Content-Type', ready.contentType);
    res.send(await last.text);
  };
}

async function render(metrics: Metrics, { manager, board, redis, logger, now }: MetricsPageOptions): Promise<string> {
  const at = now();
  const read = async () => {
    const [counts, providers] = await Promise.all([board.counts(), manager.listProviders()]);
    const names = counts.map(({ name }) => name);
    const known = { provider: providers.map(({ id }) => id), queue: names };
    return withRedis(redis, async () => {
      const [sums, workers, ages, cooldowns] = await Promise.all([
        readMetricSums(redis),
        listWorkers(redis),
        readQueueAges(redis, names, at),
        readCooldowns(redis, now),
      ]);
      return { known, counts, sums, workers, ages, cooldowns };
    });
  };
  const found = await read().catch((error: unknown) => {
    logger.debug({ err: error }, 'The queue could not be read for its metrics');
    return undefined;
  });
  // Afterwards: opening SQLite holds up the process, and what waits for Redis would think that it is down.
  const databaseUp = await readUsage(manager, { from: at, to: at }).then(
    () => true,
    () => false,
  );

  metrics.clear();
  metrics.set('redisUp', {}, found === undefined ? 0 : 1);
  metrics.set('databaseUp', {}, databaseUp ? 1 : 0);
  if (found !== undefined) {
    metrics.load(found.sums, found.known);
    setQueues(metrics, found.counts);
    setAges(metrics, found.ages);
    setWorkers(metrics, found.workers);
    setCooldowns(metrics, found.cooldowns, { manager, at });
  }
  return metrics.text();
}

function setQueues(metrics: Metrics, counts: Awaited<ReturnType<QueueBoard['counts']>>): void {
  for (const { name: queue, waiting, active, delayed, failed, pausedForMs = 0 } of counts) {
    for (const [state, jobs] of Object.entries({ waiting, active, delayed, failed }))
      metrics.set('queueJobs', { queue, state }, jobs);
    metrics.set('queuePaused', { queue }, pausedForMs / 1_000);
  }
}

function setAges(metrics: Metrics, { oldestWaitingMs, persistBacklog, unsettled, memory }: QueueAges): void {
  for (const { queue, ageMs } of oldestWaitingMs) metrics.set('queueOldest', { queue }, ageMs / 1_000);
  metrics.set('persistJobs', {}, persistBacklog.jobs);
  metrics.set('persistOldest', {}, (persistBacklog.oldestMs ?? 0) / 1_000);
  metrics.set('unsettledJobs', {}, unsettled.jobs);
  metrics.set('unsettledOldest', {}, (unsettled.oldestMs ?? 0) / 1_000);
  metrics.set('redisMemory', {}, memory.usedBytes);
  if (memory.limitBytes !== undefined) metrics.set('redisMemoryLimit', {}, memory.limitBytes);
}

/** Of the models that the catalog does not know the one with the most time shows. */
function setCooldowns(
  metrics: Metrics,
  cooldowns: readonly Cooldown[],
  { manager, at }: { manager: Pick<Manager, 'isCatalogued'>; at: number },
): void {
  const shown = cooldowns.map(({ provider, model = '', until }) => {
    const isKnown = model === '' || manager.isCatalogued(provider, model);
    return { labels: { provider, model: isKnown ? model : otherModel }, until };
  });
  for (const { labels, until } of shown.toSorted((a, b) => a.until - b.until))
    metrics.set('setAside', labels, Math.max(0, until - at) / 1_000);
}

function setWorkers(metrics: Metrics, workers: Awaited<ReturnType<typeof listWorkers>>): void {
  // Workers of one machine share its disk.
  const spools = new Map<string, number>();
  metrics.set('workers', {}, workers.length);
  for (const { host, pid, process, spoolBytes, skewMs } of workers) {
    const worker = `${host}:${pid}`;
    if (process !== undefined) {
      metrics.set('workerMemory', { worker }, process.residentBytes);
      metrics.set('workerHeap', { worker }, process.heapUsedBytes);
    }
    if (skewMs !== undefined) metrics.set('workerSkew', { worker }, skewMs / 1_000);
    if (spoolBytes !== undefined) spools.set(host, spoolBytes);
  }
  for (const [host, bytes] of spools) metrics.set('spoolBytes', { host }, bytes);
}
