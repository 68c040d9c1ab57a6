import type { GeneratePayload } from '@aimm/contracts';
import type { UnsettledJob, UnsettledJobs } from '@aimm/queue';
import { expect, onTestFinished, test } from 'vitest';
import { createReconciler, type ReconciledCounts } from '../src/reconciler.ts';

const payload: GeneratePayload = {
  requestId: 'gen_1',
  client: 'tests',
  tags: [],
  lane: 'interactive',
  enqueuedAt: 1,
  deadlineAt: 1,
  provider: 'mistral',
  request: { model: 'm', messages: [{ role: 'user', content: [{ type: 'text', text: 'hello' }] }], settings: {} },
  attempts: 1,
  timeoutMs: 1,
  stream: false,
  onUnknownOutcome: 'retry',
  warnings: [],
};
const ended = (jobId: string, given: Partial<UnsettledJob>): UnsettledJob => ({
  queue: 'mistral',
  jobId,
  since: 1,
  place: 'ended',
  payload: { ...payload, requestId: jobId },
  checkpoint: '{"calls":[{"number":1,"startedAt":1,"state":"started"}],"rows":[],"stalledCount":0}',
  outcome: { status: 'succeeded', value: null },
  ...given,
});

test('a job that cannot be read, or settled, keeps none behind it from being settled', async () => {
  const jobs = [
    ended('of_a_newer_release', { checkpoint: '{"calls":[],"rows":[{"status":"new"}]}' }),
    ended('unreadable', { place: 'unreadable' }),
    ended('owing', {}),
    ended('given_up', { outcome: undefined, failedReason: 'why' }),
    ended('owing_too', {}),
  ];
  const [accounted, told, warned]: [string[], ReconciledCounts[], unknown[]] = [[], [], []];
  const round = Promise.withResolvers<void>();
  const unsettled: UnsettledJobs = {
    read: async (offset, count) => jobs.slice(offset, offset + count),
    isStranded: async () => false,
    forget: async ({ jobId }) => {
      jobs.splice(
        jobs.findIndex((job) => job.jobId === jobId),
        1,
      );
    },
    readFailures: async () => [],
    measure: async () => ({ count: jobs.length, oldestAt: undefined }),
    claimRound: async () => true,
    endRound: async () => round.resolve(),
  };
  const reconciler = createReconciler({
    unsettled,
    requests: { find: async () => undefined } as never,
    queues: () => [],
    ledger: { record: async (rows) => void accounted.push(...rows.map(({ requestId }) => requestId)) },
    producer: { addGeneration: async () => undefined },
    settlePoisoned: () => Promise.reject(new Error('its budget is no number')),
    isDemo: () => false,
    now: Date.now,
    logger: { warn: (facts: object) => void warned.push(facts) } as never,
    onReconciled: (counts) => told.push(counts),
  });
  onTestFinished(() => reconciler.close());
  await round.promise;
  expect(accounted).toEqual(['owing', 'owing_too']);
  expect(told).toMatchObject([{ unaccounted: 2, failed: 3 }]);
  for (const jobId of ['of_a_newer_release', 'unreadable', 'given_up'])
    expect(warned).toContainEqual(expect.objectContaining({ jobId }));
});
