import type { LedgerRow } from '@aimm/contracts';
import type { JobView } from '@aimm/manager';
import type { Redis } from 'ioredis';
import { expect } from 'vitest';
import { type AskedGeneration, caller } from './asker.ts';
import type { FaultStack } from './fault-stack.ts';

export interface InvariantOptions {
  /**
   * A worker that is killed at a random moment may have died after it wrote that it starts a call and before the call
   * left: nobody can know. Such calls stand in the ledger as `outcome_unknown`; with this they need not have arrived.
   */
  killedAtRandom?: boolean;
}

const patience = { timeout: 30_000, interval: 50 };
const ended = ['succeeded', 'failed', 'cancelled'];

/**
 * What holds after every fault: each acknowledged request ended once, its client was told just that, each call that the
 * vendor saw is one row of the ledger and each row such a call, nobody was sent another's text, and nothing runs on.
 * Returns the ledger's rows by request.
 */
export async function expectInvariants(
  stack: FaultStack,
  options: InvariantOptions = {},
): Promise<Map<string, LedgerRow[]>> {
  const front = await stack.openFront();
  const views = new Map<string, JobView>();
  await Promise.all(
    [...stack.generations, ...stack.comparisons].map(async ({ requestId }) => {
      views.set(requestId, await front.getJob(caller, requestId, { waitMs: 45_000 }));
    }),
  );
  for (const [requestId, view] of views) expect(ended, requestId).toContain(view.status);

  for (const asked of stack.generations) {
    const view = views.get(asked.requestId);
    if (asked.result !== undefined) expect(await toTold(asked.result), asked.requestId).toEqual(toShown(view));
    expectOwnText(asked, view?.generation?.text ?? '');
    expectOwnText(asked, asked.heard);
  }
  const redis = stack.redis.client();
  await expect.poll(() => countActive(redis), { ...patience, message: 'jobs still active' }).toBe(0);
  for (const [requestId, { status }] of views) {
    const places = await findPlaces(redis, requestId);
    // A job that was cancelled while it waited is removed: its record alone says how it ended.
    if (status !== 'cancelled' || places.length > 0)
      expect(places, requestId).toEqual([status === 'succeeded' ? 'completed' : 'failed']);
    const again = await front.getJob(caller, requestId);
    expect(again.status, requestId).toBe(status);
  }
  return expectAccounts(stack, options);
}

async function expectAccounts(stack: FaultStack, { killedAtRandom = false }: InvariantOptions) {
  const { ledger } = await stack.database();
  const rows = new Map<string, LedgerRow[]>();
  const readRows = async () => {
    for (const { requestId } of stack.generations) rows.set(requestId, await ledger.findByRequest(requestId));
    return rows;
  };
  const compared = async () => {
    await readRows();
    return stack.generations.map(({ requestId, prompt, model }) => {
      const calls = stack.upstream.calls.filter((call) => call.prompt === prompt && call.model === model).length;
      const own = rows.get(requestId) ?? [];
      const unknown = own.filter(({ status }) => status === 'outcome_unknown').length;
      const balanced = killedAtRandom ? own.length >= calls && own.length - unknown <= calls : own.length === calls;
      return balanced
        ? 'balanced'
        : { requestId, calls, rows: own.map(({ callNumber, status }) => [callNumber, status]) };
    });
  };
  await expect.poll(compared, patience).toEqual(stack.generations.map(() => 'balanced'));

  for (const own of rows.values())
    expect(own.map(({ callNumber }) => callNumber)).toEqual(own.map((_, index) => index + 1));
  const asked = new Set(stack.generations.map(({ prompt }) => prompt));
  expect(stack.upstream.calls.filter(({ prompt }) => !asked.has(prompt))).toEqual([]);
  const { totals } = await ledger.summarize({ from: 0, to: Date.now() + 60_000 });
  expect(totals.calls).toBe([...rows.values()].flat().length);
  return rows;
}

/** How a client was answered. */
async function toTold(result: NonNullable<AskedGeneration['result']>) {
  return result.then(
    ({ text }) => ({ status: 'succeeded', text }),
    ({ code }: { code: string }) => ({ status: code === 'cancelled' ? 'cancelled' : 'failed', code }),
  );
}

function toShown(view: JobView | undefined) {
  return view?.status === 'succeeded'
    ? { status: 'succeeded', text: view.generation?.text }
    : { status: view?.status, code: view?.error?.code };
}

function expectOwnText({ prompt, requestId }: AskedGeneration, text: string): void {
  const prompts = text.match(/<<\d+: [^>]*>>/g) ?? [];
  expect(
    prompts.filter((found) => found !== prompt),
    requestId,
  ).toEqual([]);
}

async function countActive(redis: Redis): Promise<number> {
  const lists = await redis.keys('{aimm}:*:active');
  const lengths = await Promise.all(lists.map((list) => redis.llen(list)));
  return lengths.reduce((sum, length) => sum + length, 0);
}

/** Which of BullMQ's sets of ended jobs hold the job. */
async function findPlaces(redis: Redis, jobId: string): Promise<string[]> {
  const places: string[] = [];
  for (const place of ['completed', 'failed']) {
    for (const set of await redis.keys(`{aimm}:*:${place}`)) {
      if ((await redis.zscore(set, jobId)) !== null) places.push(place);
    }
  }
  return places;
}
