import { type BatchSpec, ModelManagerError, type RequestRecord } from '@aimm/contracts';
import type { JobState } from '@aimm/queue';
import { expect, test } from 'vitest';
import { getJob } from '../src/jobs.ts';
import { openResources } from './support/open-resources.ts';

const caller = { client: 'me', admin: false };
const away = () => new ModelManagerError('unavailable', 'It does not answer.', { retryable: true });
const requestId = 'gen_0198c0de-0000-7000-8000-000000000001';
const batchId = 'bat_0198c0de-0000-7000-8000-000000000002';

/** A Redis that answers, then does not, then tells the end. */
async function openWithLooks(looks: readonly ('queued' | 'away' | 'failed')[]) {
  const { resources } = await openResources();
  let look = -1;
  const record: RequestRecord = {
    requestId,
    kind: 'generation',
    queue: 'mistral',
    jobId: requestId,
    deadlineAt: Number.MAX_SAFE_INTEGER,
    client: 'me',
    model: 'mistral/m',
    createdAt: 1,
  };
  const requests = {
    find: async () => {
      look += 1;
      if (looks[look] === 'away') throw away();
      return record;
    },
    readState: async (): Promise<Partial<JobState>> => ({ status: looks[look] === 'failed' ? 'failed' : 'queued' }),
  };
  return { ...resources, queue: { ...resources.queue, requests } } as unknown as typeof resources;
}

test('a wait for a job outlives a moment in which nobody can say how it stands', async () => {
  const resources = await openWithLooks(['queued', 'away', 'failed']);
  expect(await getJob(resources, caller, requestId, { waitMs: 20_000 })).toMatchObject({ requestId, status: 'failed' });
});

test('who asks while nobody can say is told so, at once or when the wait is over', async () => {
  const atOnce = await openWithLooks(['away', 'failed']);
  await expect(getJob(atOnce, caller, requestId, { waitMs: 20_000 })).rejects.toMatchObject({ code: 'unavailable' });
  const atTheEnd = await openWithLooks(['queued', ...Array.from({ length: 50 }, () => 'away' as const)]);
  await expect(getJob(atTheEnd, caller, requestId, { waitMs: 300 })).rejects.toMatchObject({ code: 'unavailable' });
});

test('a wait for a batch does so, too', async () => {
  let looks = 0;
  const { resources, database } = await openResources({
    wrap: (opened) => ({
      ...opened,
      batches: {
        ...opened.batches,
        async find(id) {
          looks += 1;
          if (looks === 2) throw away();
          if (looks === 3) await opened.batches.setStatus(id, ['running'], 'cancelled');
          return opened.batches.find(id);
        },
      },
    }),
  });
  const spec: BatchSpec = { settings: {}, variants: [{ settings: {} }], assertions: [], tags: [] };
  const template = { attempts: 1, timeoutMs: 1_000, settings: {}, warnings: [], expectedNanoUsd: null };
  const column = { number: 0, provider: 'mistral', model: 'm', lane: 'queue' as const, template };
  const message = { role: 'user' as const, content: [{ type: 'text' as const, text: 'a' }] };
  await database.batches.create({ id: batchId, client: 'me', spec }, [column]);
  await database.batches.addItems(batchId, 0, [{ id: 'a', messages: [message] }]);
  await database.batches.start(batchId, { items: 1, estimatedNanoUsd: null }, new Map());
  expect(await getJob(resources, caller, batchId, { waitMs: 20_000 })).toMatchObject({ status: 'cancelled' });
});

test('who asks after a request that waits for the call of another sees to it that somebody makes it, though its own front has gone', async () => {
  const { resources } = await openResources();
  const flight = { id: 'gen_0198c0de-0000-7000-8000-000000000003', slot: 's' };
  const revived: unknown[] = [];
  let looks = 0;
  let leaderComesAt = 3;
  const record = {
    requestId,
    kind: 'generation',
    queue: 'mistral',
    jobId: requestId,
    deadlineAt: Number.MAX_SAFE_INTEGER,
  };
  const requests = {
    find: async () => ({ ...record, client: 'me', model: 'mistral/m', createdAt: 1, follows: true, flight }),
    readState: async (): Promise<JobState> => {
      looks += 1;
      return { status: 'queued', ...(looks < leaderComesAt && { needsLeader: true }) };
    },
  };
  const flights = { revive: async (one: unknown) => void revived.push(one) };
  const asked = { ...resources, queue: { ...resources.queue, requests, flights } } as unknown as typeof resources;
  // Announced, and being queued just now.
  expect(await getJob(asked, caller, requestId)).toMatchObject({ status: 'queued' });
  expect(revived).toEqual([]);
  leaderComesAt = Number.POSITIVE_INFINITY;
  expect(await getJob(asked, caller, requestId)).toMatchObject({ status: 'queued' });
  expect(revived).toEqual([flight]);
});
