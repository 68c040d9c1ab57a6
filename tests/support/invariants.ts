import type { LedgerRow } from '@aimm/contracts';
import type { Caller, JobView, Manager } from '@aimm/manager';
import type { Redis } from 'ioredis';
import { expect } from 'vitest';
import { type AskedGeneration, caller } from './asker.ts';
import type { FaultStack } from './fault-stack.ts';
import type { UpstreamCall } from './upstream.ts';

/** Whatever can be asked what became of its requests. */
export interface Witness {
  readonly generations: readonly (Omit<AskedGeneration, 'result' | 'events'> & {
    result?: Promise<{ text: string }>;
  })[];
  readonly comparisons: readonly { requestId: string }[];
  readonly redis: { client(): Redis };
  readonly upstream: { readonly calls: readonly UpstreamCall[] };
  openFront(): Promise<Pick<Manager, 'getJob'>>;
  database: FaultStack['database'];
}

export interface InvariantOptions {
  /**
   * A process that dies at a random moment may have written that a call starts and not have made it: nobody can know.
   * Such a call stands in the ledger as `outcome_unknown`; with this it need not have arrived.
   */
  hiddenCallsMayBeUnmade?: boolean;
  /** A connection can break, and a call be given up, before the vendor sees it: such a call is a row all the same. */
  brokenCallsMayBeUnseen?: boolean;
  /**
   * So many requests may have been answered twice, since a worker lost its job while it lived (stopped, or cut off from Redis for longer
   * than its lock lasts). Nothing else makes a call whose answer is known already.
   */
  answeredTwice?: number;
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
  return expectAccounts(stack, options);
}

const brokenOnTheWay: readonly (string | undefined)[] = ['network', 'timeout', 'cancelled'];

async function expectAccounts(stack: Witness, options: InvariantOptions) {
  const { hiddenCallsMayBeUnmade = false, brokenCallsMayBeUnseen = false, since = 0, otherRows = 0 } = options;
  const mayBeUnseen = ({ status, errorCode }: LedgerRow) =>
    (hiddenCallsMayBeUnmade && status === 'outcome_unknown') ||
    (brokenCallsMayBeUnseen && brokenOnTheWay.includes(errorCode));
  const { ledger } = await stack.database();
  const rows = new Map<string, LedgerRow[]>();
  const readRows = async () => {
    for (const { requestId } of stack.generations) rows.set(requestId, await ledger.findByRequest(requestId));
    return rows;
  };
  const compared = async () => {
    await readRows();
    const seen = new Map<string, number>();
    for (const call of stack.upstream.calls) {
      const key = `${call.model} ${call.prompt}`;
      seen.set(key, (seen.get(key) ?? 0) + 1);
    }
    return stack.generations.map(({ requestId, prompt, model }) => {
      const calls = seen.get(`${model} ${prompt}`) ?? 0;
      // An answer that took no call is a row of its own kind.
      const own = (rows.get(requestId) ?? []).filter(({ cached }) => !cached);
      const unseen = own.filter(mayBeUnseen).length;
      const balanced = own.length >= calls && own.length - unseen <= calls;
      return balanced
        ? 'balanced'
        : {
            requestId,
            calls,
            rows: own.map(({ callNumber, status, errorCode, startedAt }) => [callNumber, status, errorCode, startedAt]),
            ofItsPrompt: stack.upstream.calls.filter((call) => call.prompt === prompt),
          };
    });
  };
  await expect.poll(compared, patience).toEqual(stack.generations.map(() => 'balanced'));

  const again = [...rows].filter(
    ([, own]) => own.filter(({ status, cached }) => status === 'succeeded' && !cached).length > 1,
  );
  expect(again.slice(options.answeredTwice ?? 0)).toEqual([]);
  for (const own of rows.values())
    expect(own.map(({ callNumber }) => callNumber)).toEqual(own.map((_, index) => index + 1));
  const asked = new Set(stack.generations.map(({ prompt }) => prompt));
  expect(stack.upstream.calls.filter(({ prompt }) => !asked.has(prompt))).toEqual([]);
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
