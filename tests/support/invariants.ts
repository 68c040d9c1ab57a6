import type { ComparisonResult, LedgerRow } from '@aimm/contracts';
import type { Caller, JobView, Manager, ProgressEvent } from '@aimm/manager';
import type { Redis } from 'ioredis';
import { expect } from 'vitest';
import { type AskedGeneration, caller } from './asker.ts';
import type { FaultStack } from './fault-stack.ts';
import { type AccountOptions, findAccountFaults } from './account-faults.ts';
import type { UpstreamCall } from './upstream.ts';

/** Whatever can be asked what became of its requests. */
export interface Witness {
  readonly generations: readonly (Omit<AskedGeneration, 'result' | 'events'> & {
    events?: readonly ProgressEvent[];
    result?: Promise<{ text: string }>;
  })[];
  readonly comparisons: readonly { requestId: string; result?: Promise<ComparisonResult> }[];
  readonly redis: { client(): Redis };
  readonly upstream: { readonly calls: readonly UpstreamCall[] };
  openFront(): Promise<Pick<Manager, 'getJob'>>;
  database: FaultStack['database'];
}

export interface InvariantOptions extends AccountOptions {
  /** Who reads the requests; default: who asks in tests. */
  reader?: Caller;
  /** Calls that began before this (epoch milliseconds) are others'. */
  since?: number;
  /** Rows since then that are of something else, which its test looks at itself. */
  otherRows?: number;
}

/** Rows that a database refused are brought again after pauses of up to half a minute. */
const patience = { timeout: 40_000, interval: 50 };
const ended = ['succeeded', 'failed', 'cancelled'];

/**
 * What holds after every fault: each acknowledged request ended once, its client was told just that, each call that the
 * vendor saw is one row of the ledger and each row such a call, nobody was sent another's text, and nothing runs on.
 * Returns the ledger's rows by request.
 */
export async function expectInvariants(
  stack: Witness,
  options: InvariantOptions = {},
): Promise<Map<string, LedgerRow[]>> {
  const front = await stack.openFront();
  const views = new Map<string, JobView>();
  const asked = [...stack.generations, ...stack.comparisons];
  // Long forms have tens of thousands: no front answers for all of them at once.
  for (let first = 0; first < asked.length; first += 500)
    await Promise.all(
      asked.slice(first, first + 500).map(async ({ requestId }) => {
        views.set(requestId, await front.getJob(options.reader ?? caller, requestId, { waitMs: 45_000 }));
      }),
    );
  expect([...views.values()].filter(({ status }) => !ended.includes(status))).toEqual([]);

  const told = await Promise.all(
    stack.generations.flatMap(({ requestId, result }) =>
      result === undefined ? [] : [toTold(result).then((answer) => ({ requestId, ...answer }))],
    ),
  );
  expect(told).toEqual(
    told.map((answer) => ({ requestId: answer.requestId, ...toShown(views.get(answer.requestId), answer) })),
  );
  const joined = await Promise.all(
    stack.comparisons.flatMap(({ requestId, result }) =>
      result === undefined ? [] : [toJoined(result).then((answer) => ({ requestId, ...answer }))],
    ),
  );
  expect(joined).toEqual(joined.map(({ requestId }) => ({ requestId, ...toShownComparison(views.get(requestId)) })));
  expect(findTornText(stack, views)).toEqual([]);
  const foreign = stack.generations.flatMap((asked) => [
    ...findForeignText(asked, views.get(asked.requestId)?.generation?.text ?? ''),
    ...findForeignText(asked, asked.heard),
  ]);
  expect(foreign).toEqual([]);

  const redis = stack.redis.client();
  const kept = [...views].filter(([, view]) => isKept(view));
  // A job that was settled just before its worker or Redis went away is taken up once more, to be completed.
  const places = async () => {
    const [completed, failed] = await Promise.all(['completed', 'failed'].map((name) => findQueueKeys(redis, name)));
    const sets = { completed: completed ?? [], failed: failed ?? [] };
    return Promise.all(kept.map(async ([requestId, view]) => findPlaces(redis, sets, requestId, view)));
  };
  await expect
    .poll(places, patience)
    .toEqual(kept.map(([requestId, { status }]) => ({ requestId, status, places: [toPlace(status)] })));
  await expect.poll(() => countActive(redis), { ...patience, message: 'jobs still active' }).toBe(0);
  const unsettled = () => redis.zrange('{aimm}:unsettled', '0', '-1');
  await expect.poll(unsettled, { ...patience, message: 'jobs unaccounted for' }).toEqual([]);
  return expectAccounts(stack, options);
}

/** Polls until the ledger tells of the calls that the vendor saw, and of no others. */
async function expectAccounts(stack: Witness, options: InvariantOptions) {
  const { since = 0, otherRows = 0 } = options;
  const { ledger } = await stack.database();
  const rows = new Map<string, LedgerRow[]>();
  const faults = async () => {
    for (const { requestId } of stack.generations) rows.set(requestId, await ledger.findByRequest(requestId));
    return findAccountFaults({ generations: stack.generations, calls: stack.upstream.calls, rows }, options);
  };
  await expect.poll(faults, patience).toEqual([]);
  const { totals } = await ledger.summarize({ from: since, to: Date.now() + 60_000 });
  expect(totals.calls).toBe([...rows.values()].flat().filter(({ cached }) => !cached).length + otherRows);
  return rows;
}

/** How a client was answered. */
async function toTold(result: Promise<{ text: string }>) {
  return result.then(
    ({ text }) => ({ status: 'succeeded', text }),
    ({ code }: { code: string }) => ({ status: code === 'cancelled' ? 'cancelled' : 'failed', code }),
  );
}

async function toJoined(result: Promise<ComparisonResult>) {
  return result.then(
    (comparison) => ({ status: 'succeeded', comparison }),
    ({ code }: { code: string }) => ({ status: code === 'cancelled' ? 'cancelled' : 'failed', code }),
  );
}

function toShownComparison(view: JobView | undefined) {
  return view?.status === 'succeeded'
    ? { status: 'succeeded', comparison: view.comparison }
    : { status: view?.status, code: view?.error?.code };
}

/** Answers of which the client was sent something else while they came: since it was told to drop the rest, their beginning. */
function findTornText({ generations }: Witness, views: ReadonlyMap<string, JobView>) {
  return generations.flatMap(({ requestId, events = [] }) => {
    const anew = events.findLastIndex(({ type }) => type === 'reset') + 1;
    const sent = events.slice(anew).flatMap((event) => (event.type === 'text' ? [event.text] : []));
    const answer = views.get(requestId)?.generation?.text;
    return answer === undefined || answer.startsWith(sent.join('')) ? [] : [{ requestId, sent, answer }];
  });
}

/** Of what is no longer kept, which is told as it ended, the text is that of the answer. */
function toShown(view: JobView | undefined, answer: { status: string; text?: string }) {
  return view?.status === 'succeeded'
    ? { status: 'succeeded', text: isKept(view) ? view.generation?.text : answer.text }
    : { status: view?.status, code: view?.error?.code };
}

function isKept({ kind, status, generation }: JobView): boolean {
  return kind !== 'generation' || status !== 'succeeded' || generation !== undefined;
}

function findForeignText({ prompt, requestId }: { prompt: string; requestId: string }, text: string) {
  const prompts = text.match(/<<\d+: [^>]*>>/g) ?? [];
  return prompts.filter((found) => found !== prompt).map((found) => ({ requestId, prompt, found }));
}

/** The queues' own keys of a name: a job's have one part more. */
async function findQueueKeys(redis: Redis, name: string): Promise<string[]> {
  return (await redis.keys(`{aimm}:*:${name}`)).filter((key) => key.split(':').length === 3);
}

/** Jobs that run, in all queues. */
export async function countActive(redis: Redis): Promise<number> {
  const lists = await findQueueKeys(redis, 'active');
  const lengths = await Promise.all(lists.map((list) => redis.llen(list)));
  return lengths.reduce((sum, length) => sum + length, 0);
}

const toPlace = (status: JobView['status']) => (status === 'succeeded' ? 'completed' : 'failed');

/** Which of BullMQ's sets of ended jobs hold the job. */
async function findPlaces(
  redis: Redis,
  sets: Readonly<Record<'completed' | 'failed', readonly string[]>>,
  jobId: string,
  { status }: JobView,
) {
  const places: string[] = [];
  for (const place of ['completed', 'failed'] as const) {
    for (const set of sets[place]) {
      if ((await redis.zscore(set, jobId)) !== null) places.push(place);
    }
  }
  // A job that was cancelled while it waited is removed: its record alone says how it ended.
  if (places.length === 0 && status === 'cancelled') places.push('failed');
  return { requestId: jobId, status, places };
}
