import { counter, histogram } from './definition.ts';

const nanosPerDollar = 1_000_000_000;
/** From a local model's tenth of a second to a reasoning model's minutes. */
const callSeconds = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40, 80, 160, 320, 640] as const;
const waitSeconds = [0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 900, 3600] as const;

/** What workers and fronts count; it is added up in Redis, over all processes there have been. docs/metrics.md explains each. */
export const totals = {
  calls: counter('aimm_calls_total', ['provider', 'model', 'status'], 'Calls to providers that ended.'),
  callErrors: counter(
    'aimm_call_errors_total',
    ['provider', 'code'],
    'Calls to providers that did not succeed, by error code.',
  ),
  tokens: counter('aimm_tokens_total', ['provider', 'model', 'kind'], 'Tokens as far as they are known.'),
  cost: counter('aimm_cost_usd_total', ['provider', 'model'], 'Cost of calls whose price is known, in US dollars.', {
    perUnit: nanosPerDollar,
  }),
  unpricedCalls: counter('aimm_unpriced_calls_total', ['provider'], 'Calls whose cost is unknown.'),
  callSeconds: histogram(
    'aimm_call_duration_seconds',
    ['provider', 'status'],
    'How long calls to providers took.',
    callSeconds,
  ),
  firstTokenSeconds: histogram(
    'aimm_first_token_seconds',
    ['provider'],
    'From the start of a call to its first text, reasoning or tool call.',
    callSeconds,
  ),
  queueSeconds: histogram(
    'aimm_queue_wait_seconds',
    ['provider', 'lane'],
    "From a request's enqueueing to the start of its first call.",
    waitSeconds,
  ),
  providerPauses: counter(
    'aimm_provider_pauses_total',
    ['provider', 'code'],
    'Times that a provider asked all of us to wait.',
  ),
  stalledJobs: counter('aimm_stalled_jobs_total', ['queue'], 'Jobs taken from a worker that had gone silent.'),
  recoveries: counter(
    'aimm_recovered_jobs_total',
    ['provider'],
    'Generations that a worker took up after another had stopped in the middle.',
  ),
  repeatedCalls: counter(
    'aimm_repeated_calls_total',
    ['provider'],
    'Calls made again because a crash hid how the one before ended.',
  ),
  lostLocks: counter('aimm_lost_locks_total', ['queue'], 'Jobs that a worker which was alive lost to another.'),
  givenUpJobs: counter(
    'aimm_given_up_jobs_total',
    ['queue'],
    'Jobs given up because they kept stopping their workers.',
  ),
  ledgerRows: counter(
    'aimm_ledger_rows_total',
    ['result'],
    'Rows of the ledger: written to the database, or queued or refused because it did not take them.',
    { values: { result: ['written', 'refused', 'queued', 'spooled'] } },
  ),
  reconciled: counter('aimm_reconciler_findings_total', ['kind'], 'What the reconciler found unsettled, and settled.', {
    values: { kind: ['unaccounted', 'abandoned', 'stranded', 'fallbacks', 'vanished'] },
  }),
  sweptReplies: counter(
    'aimm_swept_replies_total',
    [],
    'Ends of requests that a front found by looking after them: their reply was lost.',
  ),
  lostRequests: counter(
    'aimm_lost_requests_total',
    [],
    'Requests of which Redis knew nothing any more while their client waited.',
  ),
} as const;

export type Totals = typeof totals;
type KeysOf<T extends string> = { [K in keyof Totals]: Totals[K]['type'] extends T ? K : never }[keyof Totals];
export type CounterKey = KeysOf<'counter'>;
export type HistogramKey = KeysOf<'histogram'>;
