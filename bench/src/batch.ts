import { readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { createDatabase } from '@aimm/database';
import { createManager } from '@aimm/manager';
import { createLogger } from '@aimm/runtime';
import { Redis } from 'ioredis';
import { type Interactive, openInteractive } from './interactive.ts';
import { endProcess, startScript } from './processes.ts';
import { readyWorker, startUpstream } from './start-upstream.ts';

/** Clock ticks of a process's CPU time in a second, on Linux. */
const ticksPerSecond = 100;

export interface BatchRun {
  workers: number;
  items: number;
  /** From the moment that it runs to its end; items a second over all but its first and last tenth. */
  seconds: number;
  perSecond: number;
  /** CPU time of the workers and of Redis for one item. */
  workerMsPerItem: number;
  redisMsPerItem: number;
  /** Writing the items, before it runs. */
  ingestPerSecond: number;
  /** Memory of Redis beyond what an empty one takes, at its most. */
  redisPeakBytes: number;
  /** The same by what stood in queues then. */
  redisBytesPerOutstanding: number;
  mostOutstanding: number;
  /** Resident memory at its most: of who writes the items, and of the worker that took most. */
  writerPeakBytes: number;
  workerPeakBytes: number;
  /** Calls that stand in the ledger for it: as many as items, where each was asked once. */
  ledgerCalls: number;
  /** A client of its own that asks meanwhile, and before it began; absent where none was asked for. */
  interactive?: { without: Interactive; beside: Interactive };
}

/**
 * One batch of so many items through so many workers; the upstream answers at once. `limits`: of the provider. `interactive`: a client
 * asks beside it, too. @throws where an item was not answered
 */
export async function measureBatch(options: {
  workers: number;
  items: number;
  limits?: Record<string, string>;
  interactive?: boolean;
}): Promise<BatchRun> {
  const { dir, upstream, redis: redisServer, env: unlimited } = await startUpstream();
  const env = { ...unlimited, ...options.limits };
  const logger = await createLogger({ name: 'bench', level: 'warn', format: 'json' });
  const workers = Array.from({ length: options.workers }, () => startScript('services/worker/src/main.ts', [], env));
  const redis = new Redis(redisServer.url.slice('unix:'.length), { maxRetriesPerRequest: null });
  const manager = await createManager({
    redisUrl: env.REDIS_URL,
    databaseUrl: env.DATABASE_URL,
    raw: env,
    logger,
  });
  const database = await createDatabase({ url: env.DATABASE_URL });
  try {
    for (const worker of workers) await readyWorker(worker);
    await run(200);
    if (options.interactive !== true) return await run(options.items);
    const { OPENAI_API_KEY: _key, ...frontEnv } = env;
    const client = await openInteractive(frontEnv);
    try {
      await client.measure(AbortSignal.timeout(5_000));
      const without = await client.measure(AbortSignal.timeout(20_000));
      const ended = new AbortController();
      const asking = client.measure(ended.signal);
      const measured = await run(options.items).finally(() => ended.abort());
      return { ...measured, interactive: { without, beside: await asking } };
    } finally {
      await client.close();
    }
  } finally {
    await database.close();
    await manager.close();
    redis.disconnect();
    await Promise.all(workers.map(endProcess));
    await endProcess(redisServer.child);
    await endProcess(upstream);
    await rm(dir, { recursive: true, force: true });
  }

  async function run(items: number): Promise<BatchRun> {
    const emptyBytes = await readUsedMemory(redis);
    const cpuBefore = [sumCpu(workers), readCpuMs(redisServer.child.pid)] as const;
    const ingestedAt = performance.now();
    const [begunAt, client] = [Date.now(), `bench-${items}`];
    const caller = { client, admin: false };
    let [peak, most, atPeak, writerPeakBytes, workerPeakBytes] = [0, 0, 0, 0, 0];
    const { batchId } = await manager.startBatch(
      caller,
      { items: makeItems(items), models: ['openai/gpt-5-mini'] },
      { onItems: () => (writerPeakBytes = Math.max(writerPeakBytes, process.memoryUsage.rss())) },
    );
    const startedAt = performance.now();
    const marks: { at: number; done: number }[] = [];
    for (;;) {
      const [used, outstanding, done, view] = await Promise.all([
        readUsedMemory(redis),
        countOutstanding(redis),
        countDone(),
        manager.getJob(caller, batchId, { limit: 1 }),
      ]);
      marks.push({ at: performance.now(), done });
      most = Math.max(most, outstanding);
      workerPeakBytes = Math.max(workerPeakBytes, ...workers.map(({ pid }) => readResidentBytes(pid)));
      if (used - emptyBytes > peak) [peak, atPeak] = [used - emptyBytes, outstanding];
      if (view.status === 'succeeded') break;
      await delay(Math.min(1_000, Math.max(50, items / 20)));
    }
    const seconds = (performance.now() - startedAt) / 1_000;
    const middle = marks.filter(({ done }) => done >= items * 0.1 && done <= items * 0.9);
    const [first, last] = [middle[0], middle.at(-1)];
    const perSecond =
      first === undefined || last === undefined || last.at === first.at
        ? items / seconds
        : ((last.done - first.done) * 1_000) / (last.at - first.at);
    const { counts } = await manager.getBatch(caller, batchId);
    if (counts.succeeded !== items) throw new Error(`of ${items} items ${JSON.stringify(counts)}`);
    const { totals } = await database.ledger.summarize({ from: begunAt - 1_000, to: Date.now() + 60_000, client });
    const cpuAfter = [sumCpu(workers), readCpuMs(redisServer.child.pid)] as const;
    return {
      workers: options.workers,
      items,
      seconds,
      perSecond,
      workerMsPerItem: (cpuAfter[0] - cpuBefore[0]) / items,
      redisMsPerItem: (cpuAfter[1] - cpuBefore[1]) / items,
      ingestPerSecond: (items * 1_000) / (startedAt - ingestedAt),
      redisPeakBytes: peak,
      redisBytesPerOutstanding: atPeak === 0 ? Number.NaN : peak / atPeak,
      mostOutstanding: most,
      writerPeakBytes,
      workerPeakBytes,
      ledgerCalls: totals.calls,
    };

    async function countDone(): Promise<number> {
      const { counts } = await manager.getBatch(caller, batchId);
      return counts.succeeded + counts.failed;
    }
  }
}

/** A paragraph each, as prompts are. */
function* makeItems(count: number) {
  for (let number = 0; number < count; number += 1) {
    const text = `${number}: ${'Say in one sentence what this paragraph is about. '.repeat(10)}`;
    yield { id: String(number), messages: [{ role: 'user' as const, content: [{ type: 'text' as const, text }] }] };
  }
}

async function readUsedMemory(redis: Redis): Promise<number> {
  const info = await redis.info('memory');
  return Number(/used_memory:(\d+)/.exec(info)?.[1] ?? 0);
}

/** Jobs that wait, stand for a place or run. */
async function countOutstanding(redis: Redis): Promise<number> {
  const counts = await Promise.all([
    redis.llen('{aimm}:openai:wait'),
    redis.llen('{aimm}:openai:active'),
    redis.zcard('{aimm}:openai:prioritized'),
    redis.zcard('{aimm}:openai:delayed'),
  ]);
  return counts.reduce((sum, count) => sum + count, 0);
}

function sumCpu(workers: readonly { pid?: number | undefined }[]): number {
  return workers.reduce((sum, { pid }) => sum + readCpuMs(pid), 0);
}

function readResidentBytes(pid: number | undefined): number {
  const kilobytes = /VmRSS:\s*(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Number(kilobytes ?? 0) * 1_024;
}

function readCpuMs(pid: number | undefined): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return ((Number(fields[11]) + Number(fields[12])) * 1_000) / ticksPerSecond;
}

export function formatBatchRuns(runs: readonly BatchRun[]): string {
  const column = (text: string) => text.padStart(12);
  const whole = (value: number) => column(Math.round(value).toLocaleString('en-US'));
  const heading = [
    'items',
    'workers',
    'items/s',
    'ingest/s',
    'worker ms',
    'Redis ms',
    'Redis MB',
    'at once',
    'bytes each',
    'writer MB',
    'worker MB',
    'calls',
  ];
  return [
    heading.map(column).join(''),
    ...runs.map((run) =>
      [
        whole(run.items),
        whole(run.workers),
        whole(run.perSecond),
        whole(run.ingestPerSecond),
        column(run.workerMsPerItem.toFixed(2)),
        column(run.redisMsPerItem.toFixed(2)),
        column((run.redisPeakBytes / 1e6).toFixed(1)),
        whole(run.mostOutstanding),
        whole(run.redisBytesPerOutstanding),
        whole(run.writerPeakBytes / 1e6),
        whole(run.workerPeakBytes / 1e6),
        whole(run.ledgerCalls),
      ].join(''),
    ),
  ].join('\n');
}
