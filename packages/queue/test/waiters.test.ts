import type { RequestRecord } from '@aimm/contracts';
import { expect, onTestFinished, test, vi } from 'vitest';
import type { ReplyReader } from '../src/replies.ts';
import type { JobState, Requests } from '../src/requests.ts';
import { createWaiters } from '../src/waiters.ts';

const sweepEveryMs = 2_000;
const requestId = 'gen_1';

/** A request of which no reply ever comes, whose deadline is `deadlineInMs` away. */
function waitInSilence(state: JobState | Error, deadlineInMs: number) {
  vi.useFakeTimers({ now: 1_000_000 });
  onTestFinished(() => void vi.useRealTimers());
  const deadlineAt = Date.now() + deadlineInMs;
  const record: RequestRecord = {
    requestId,
    kind: 'generation',
    client: 'me',
    createdAt: 1,
    queue: 'one',
    jobId: requestId,
    deadlineAt,
  };
  const readState = async () => {
    if (state instanceof Error) throw state;
    return state;
  };
  const requests: Pick<Requests, 'find' | 'readState'> = { find: async () => record, readState };
  const replies: Pick<ReplyReader, 'listen'> = { listen: () => () => undefined };
  const waiters = createWaiters({
    // Nothing else of them is asked for.
    replies: replies as ReplyReader,
    requests: requests as Requests,
    logger: { info: () => undefined } as never,
    sweepEveryMs,
  });
  onTestFinished(() => waiters.close());
  const waiter = waiters.wait(requestId, { deadlineAt });
  waiter.added();
  let code: string | undefined;
  void waiter.outcome.then((outcome) => (code = outcome.status === 'failed' ? outcome.error.code : outcome.status));
  return { code: () => code };
}

test.each(['queued', 'running'] as const)(
  'a wait for a request that is %s ends once its deadline is past by five seconds, and not before',
  async (status) => {
    const { code } = waitInSilence({ status }, 60_000);
    await vi.advanceTimersByTimeAsync(65_000);
    expect(code()).toBeUndefined();
    await vi.advanceTimersByTimeAsync(2 * sweepEveryMs);
    expect(code()).toBe('timeout');
  },
);

test('a wait whose Redis has gone for good ends with its deadline, too', async () => {
  const { code } = waitInSilence(new Error('Redis does not answer'), 60_000);
  await vi.advanceTimersByTimeAsync(65_000);
  expect(code()).toBeUndefined();
  await vi.advanceTimersByTimeAsync(2 * sweepEveryMs);
  expect(code()).toBe('unavailable');
});
