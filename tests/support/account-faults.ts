import { loadCatalog } from '@aimm/catalog';
import type { LedgerRow } from '@aimm/contracts';
import type { UpstreamCall } from './upstream.ts';

/** What was asked, what the vendor saw of it, and what the ledger says. */
export interface Accounts {
  generations: readonly { requestId: string; prompt: string; model: string }[];
  calls: readonly UpstreamCall[];
  /** By request, in the order of their numbers. */
  rows: ReadonlyMap<string, readonly LedgerRow[]>;
}

export interface AccountOptions {
  /**
   * A process that dies at a random moment may have written that a call starts and not have made it: nobody can know. Such a call
   * stands in the ledger as `outcome_unknown`. So many of those need not have arrived: at most what ran in each that died.
   */
  unmadeCalls?: number;
  /** A connection can break, and a call be given up, before the vendor sees it: such a call is a row all the same. So many are. */
  unseenCalls?: number;
  /**
   * So many calls may have been made of which nothing new could come, since a worker lost its job while it lived (stopped, or cut off
   * from Redis for longer than its lock lasts). Nothing else makes a call whose answer is known already.
   */
  repeatedCalls?: number;
}

const brokenOnTheWay: readonly (string | undefined)[] = ['network', 'timeout', 'cancelled'];
/** A call that ended so is not made again at the same model. */
const final: readonly (string | undefined)[] = [
  'invalid_request',
  'permission',
  'unknown_model',
  'context_length_exceeded',
  'content_filtered',
];
/** Each of these costs an attempt. */
const tried: readonly (string | undefined)[] = ['network', 'timeout', 'server_error'];
/** config/providers.json gives no provider more. */
const attempts = 3;
const shipped = loadCatalog({ env: {} }).catalog;

/** What is wrong between what the vendor saw and what the ledger says; empty as it should be. */
export function findAccountFaults({ generations, calls, rows }: Accounts, options: AccountOptions = {}): object[] {
  const { unmadeCalls = 0, unseenCalls = 0, repeatedCalls = 0 } = options;
  const seen = Map.groupBy(calls, ({ model, prompt }) => `${model} ${prompt}`);
  const sums = { absent: 0, unmade: 0, unseen: 0, repeated: 0 };
  const counted: object[] = [];
  const faults: object[] = [];
  for (const { requestId, prompt, model } of generations) {
    const own = seen.get(`${model} ${prompt}`) ?? [];
    const all = rows.get(requestId) ?? [];
    // An answer that took no call is a row of its own kind.
    const made = all.filter(({ cached }) => !cached);
    const hidden = made.filter(({ status }) => status === 'outcome_unknown').length;
    const broken = made.filter(({ errorCode }) => brokenOnTheWay.includes(errorCode)).length;
    const absent = made.length - own.length;
    const excused = (unmadeCalls > 0 ? hidden : 0) + (unseenCalls > 0 ? broken : 0);
    const repeated = countRepeated(made);
    if (absent > 0 || repeated > 0) counted.push({ requestId, absent, repeated, rows: all.map(toShort) });
    sums.absent += Math.max(0, absent);
    sums.unmade += Math.max(0, absent - broken);
    sums.unseen += Math.max(0, absent - hidden);
    sums.repeated += repeated;
    const wrong = [
      ...(absent < 0 || absent > excused ? [`${own.length} calls, ${made.length} rows`] : []),
      ...(all.some(({ callNumber }, index) => callNumber !== index + 1) ? ['numbers'] : []),
      ...(all.length - made.length > 1 ? ['cached twice'] : []),
      ...made.flatMap(findRowFaults),
      ...findUnansweredRows(made, own),
    ];
    if (wrong.length > 0) faults.push({ requestId, wrong, rows: all.map(toShort), calls: own });
  }
  const asked = new Set(generations.map(({ prompt }) => prompt));
  const foreign = calls.filter(({ prompt }) => !asked.has(prompt));
  if (foreign.length > 0) faults.push({ nobodyAskedFor: foreign });
  const bounds = {
    absent: unmadeCalls + unseenCalls,
    unmade: unmadeCalls,
    unseen: unseenCalls,
    repeated: repeatedCalls,
  };
  for (const [what, sum] of Object.entries(sums)) {
    const atMost = bounds[what as keyof typeof bounds]; // the keys of both
    if (sum > atMost) faults.push({ what, sum, atMost, counted });
  }
  return faults;
}

/** Calls of a request after which another was made though it could only end in the same way, or had been tried often enough. */
function countRepeated(rows: readonly LedgerRow[]): number {
  const byModel = Map.groupBy(rows, ({ provider, model }) => `${provider}/${model}`);
  return [...byModel.values()].reduce((sum, own) => {
    const ended = own.filter(({ status, errorCode }) => status === 'succeeded' || final.includes(errorCode)).length;
    const failed = own.filter(({ status, errorCode }) => status !== 'succeeded' && tried.includes(errorCode)).length;
    return sum + Math.max(0, ended - 1) + Math.max(0, failed - attempts);
  }, 0);
}

function findRowFaults(row: LedgerRow): string[] {
  const { callNumber, status, estimated, inputTokens, outputTokens, costNanoUsd, finishedAt, startedAt } = row;
  const priced =
    status === 'succeeded' && !estimated && inputTokens !== undefined && outputTokens !== undefined
      ? shipped.priceCall({
          provider: row.provider,
          model: row.model,
          answeredBy: row.answeredBy,
          usage: { inputTokens, outputTokens },
          at: startedAt,
        }).costNanoUsd
      : costNanoUsd;
  const ended = status === 'succeeded' ? finishedAt !== undefined && finishedAt >= startedAt : true;
  return [
    ...(priced === costNanoUsd ? [] : [`row ${callNumber} costs ${costNanoUsd}, not ${priced}`]),
    ...(ended ? [] : [`row ${callNumber} began ${startedAt} and ended ${finishedAt}`]),
  ];
}

/** Rows of answers that the vendor did not give, or with other counts. */
function findUnansweredRows(rows: readonly LedgerRow[], calls: readonly UpstreamCall[]): string[] {
  const left = calls.flatMap(({ counts }) => (counts === undefined ? [] : [`${counts.input} + ${counts.output}`]));
  return rows.flatMap(({ status, callNumber, inputTokens, outputTokens }) => {
    if (status !== 'succeeded') return [];
    const at = left.indexOf(`${inputTokens} + ${outputTokens}`);
    if (at === -1) return [`row ${callNumber} has ${inputTokens} + ${outputTokens} tokens`];
    left.splice(at, 1);
    return [];
  });
}

const toShort = ({ callNumber, status, errorCode, startedAt }: LedgerRow) => [callNumber, status, errorCode, startedAt];
