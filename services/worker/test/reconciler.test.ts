import type { Checkpoint, GeneratePayload, LedgerRow } from '@aimm/contracts';
import type { UnsettledJob, UnsettledJobs } from '@aimm/queue';
import { beforeEach, afterEach, expect, test, vi } from 'vitest';
import { createReconciler, type Reconciler } from '../src/reconciler.ts';

const minuteMs = 60_000;
/** Rounds are a minute apart, give or take a quarter. */
const longestGapMs = 1.25 * minuteMs;
let reconciler: Reconciler | undefined;
beforeEach(() => void vi.useFakeTimers({ now: 1_000_000_000 }));
afterEach(async () => {
  await reconciler?.close();
  vi.useRealTimers();
});

const checkpoint: Checkpoint = { calls: [{ number: 1, startedAt: 1, state: 'started' }], rows: [], stalledCount: 0 };

/** A job whose call was cut off; its deadline is now. */
function toJob(number: number, place: UnsettledJob['place'], given: Partial<UnsettledJob> = {}): UnsettledJob {
  const payload: GeneratePayload = {
    requestId: `gen_${number}`,
    client: 'tests',
    tags: [],
    lane: 'interactive',
    enqueuedAt: 1,
    deadlineAt: Date.now(),
    provider: 'mistral',
    request: { model: 'm', messages: [{ role: 'user', content: [{ type: 'text', text: 'hello' }] }], settings: {} },
    attempts: 1,
    timeoutMs: 1,
    stream: false,
    onUnknownOutcome: 'retry',
    warnings: [],
  };
  const job = { queue: 'mistral', jobId: payload.requestId, since: Date.now() };
  return { ...job, place, payload, checkpoint: JSON.stringify(checkpoint), ...given };
}
const toEnded = (job: UnsettledJob): UnsettledJob => ({ ...job, place: 'ended', outcome: answered });
const answered = { status: 'succeeded', value: null } as const;
const numbered = (count: number) => Array.from({ length: count }, (_, index) => index + 1);

/** A reconciler over a set that the test fills. `isHeld`: another worker has the round. */
function start(jobs: UnsettledJob[], isHeld: () => boolean = () => false) {
  const accounted: LedgerRow[] = [];
  const settled: string[] = [];
  const rounds: number[] = [];
  const remove = ({ jobId }: { jobId: string }) => {
    const index = jobs.findIndex((job) => job.jobId === jobId);
    if (index !== -1) jobs.splice(index, 1);
  };
  const unsettled: UnsettledJobs = {
    read: async (offset, count) => jobs.slice(offset, offset + count),
    isStranded: async ({ outcome }) => outcome === undefined,
    forget: async (job) => remove(job),
    readFailures: async () => [],
    measure: async () => ({ count: jobs.length, oldestAt: undefined }),
    claimRound: async () => !isHeld(),
    endRound: async () => undefined,
  };
  reconciler = createReconciler({
    unsettled,
    requests: { find: async () => undefined } as never,
    queues: () => [],
    ledger: { record: async (rows) => void accounted.push(...rows) },
    producer: { addGeneration: async () => undefined },
    async settlePoisoned(job, options) {
      settled.push(`${job.jobId} ${options?.isInNoList === true ? 'in no list' : 'given up'}`);
      remove(job);
    },
    isDemo: () => false,
    now: Date.now,
    logger: { warn: () => undefined } as never,
    onReconciled: () => rounds.push(Date.now()),
  });
  return { accounted: () => accounted.map(({ requestId }) => requestId), settled, rounds };
}

test('what crashes leave behind while a worker runs is settled by its next round', async () => {
  const jobs: UnsettledJob[] = [];
  const { accounted, settled, rounds } = start(jobs);
  await vi.advanceTimersByTimeAsync(10);
  expect(rounds).toHaveLength(1);
  const deadlineAt = Date.now() - 2 * minuteMs;
  const stranded = toJob(1, 'open');
  jobs.push({ ...stranded, payload: { ...(stranded.payload as object), deadlineAt } }, toEnded(toJob(2, 'ended')));
  await vi.advanceTimersByTimeAsync(longestGapMs);
  expect(settled).toEqual(['gen_1 in no list']);
  expect(accounted()).toEqual(['gen_2']);
  expect(jobs).toEqual([]);

  jobs.push(toEnded(toJob(3, 'ended')));
  await vi.advanceTimersByTimeAsync(longestGapMs);
  expect(jobs).toEqual([]);
});

test('jobs that run hold up nobody behind them, and are looked at again once they have ended', async () => {
  const jobs = numbered(2_110).map((number) =>
    number <= 2_100 ? toJob(number, 'running') : toEnded(toJob(number, 'ended')),
  );
  const { accounted } = start(jobs);
  // More than one round looks at.
  await vi.advanceTimersByTimeAsync(10);
  expect(accounted()).toEqual([]);
  await vi.advanceTimersByTimeAsync(longestGapMs);
  expect(accounted()).toEqual(numbered(10).map((number) => `gen_${number + 2_100}`));

  jobs.splice(0, jobs.length, ...jobs.slice(0, 250).map((job, index) => (index % 2 === 0 ? toEnded(job) : job)));
  await vi.advanceTimersByTimeAsync(longestGapMs);
  expect(jobs.map(({ place }) => place)).toEqual(numbered(125).map(() => 'running'));
});

test('what may still be brought to its end by others is left alone for a minute', async () => {
  const jobs = [toJob(1, 'open'), toJob(2, 'open', { outcome: answered })];
  const { accounted, settled } = start(jobs);
  await vi.advanceTimersByTimeAsync(10);
  await reconciler?.run();
  vi.setSystemTime(Date.now() + minuteMs - 20);
  await reconciler?.run();
  expect([accounted(), settled]).toEqual([[], []]);
  vi.setSystemTime(Date.now() + 20);
  await reconciler?.run();
  expect([accounted(), settled]).toEqual([['gen_2'], ['gen_1 in no list']]);
});

test('a worker that finds another at it when it starts tries again until it had a round of its own', async () => {
  const begunAt = Date.now();
  // Whoever had it died, and its claim is good for half a minute.
  const { rounds } = start([], () => Date.now() < begunAt + minuteMs / 2);
  await vi.advanceTimersByTimeAsync(minuteMs / 2 + 5_000);
  expect(rounds).toHaveLength(1);
});
