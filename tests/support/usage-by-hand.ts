import type { LedgerRow, UsageGroupBy, UsageQuery, UsageReport, UsageTotals } from '@aimm/contracts';

/** A report as anybody would make it, row by row: what the database says must be the same. */
export function addUpByHand(rows: readonly LedgerRow[], query: UsageQuery): UsageReport {
  const chosen = rows.filter(
    (row) =>
      row.startedAt >= query.from &&
      row.startedAt < query.to &&
      (query.provider === undefined || row.provider === query.provider) &&
      (query.model === undefined || [row.model, `${row.provider}/${row.model}`].includes(query.model)) &&
      (query.client === undefined || row.client === query.client) &&
      (query.tag === undefined || row.tags.includes(query.tag)),
  );
  const { groupBy, timeZone = 'UTC' } = query;
  const keys = groupBy === undefined ? [] : [...new Set(chosen.flatMap((row) => keysOf(row, groupBy, timeZone)))];
  const groups = keys.map((key) => ({
    key,
    ...addUp(chosen.filter((row) => groupBy !== undefined && keysOf(row, groupBy, timeZone).includes(key))),
  }));
  const byKey = (a: { key: string }, b: { key: string }) => (a.key < b.key ? -1 : 1);
  groups.sort((a, b) =>
    groupBy === 'day' ? byKey(a, b) : b.costNanoUsd - a.costNanoUsd || b.calls - a.calls || byKey(a, b),
  );
  return { from: query.from, to: query.to, totals: addUp(chosen), groups };
}

function keysOf(row: LedgerRow, groupBy: UsageGroupBy, timeZone: string): string[] {
  switch (groupBy) {
    case 'provider':
      return [row.provider];
    case 'model':
      return [`${row.provider}/${row.model}`];
    case 'client':
      return [row.client];
    case 'day':
      return [toDay(row.startedAt, timeZone)];
    case 'tag':
      return row.tags;
  }
}

const formats = new Map<string, Intl.DateTimeFormat>();

/** Sweden writes dates as ISO 8601 does. */
function toDay(at: number, timeZone: string): string {
  const format = formats.get(timeZone) ?? new Intl.DateTimeFormat('sv-SE', { timeZone });
  formats.set(timeZone, format);
  return format.format(at);
}

function addUp(rows: readonly LedgerRow[]): UsageTotals {
  const calls = rows.filter(({ cached }) => !cached);
  const answers = rows.filter(({ cached }) => cached);
  const add = (read: (row: LedgerRow) => number | null | undefined) =>
    calls.reduce((total, row) => total + (read(row) ?? 0), 0);
  const save = (read: (row: LedgerRow) => number | undefined) =>
    answers.reduce((total, row) => total + (read(row) ?? 0), 0);
  const count = (status: LedgerRow['status']) => calls.filter((row) => row.status === status).length;
  const succeeded = calls.filter((row) => row.status === 'succeeded');
  const faulty = count('failed') + count('partial') + count('outcome_unknown');
  return definedOnly({
    requests: rows.filter(({ callNumber }) => callNumber === 1).length,
    calls: calls.length,
    cached: answers.length,
    succeeded: succeeded.length,
    failed: count('failed'),
    cancelled: count('cancelled'),
    partial: count('partial'),
    outcomeUnknown: count('outcome_unknown'),
    inputTokens: add((row) => row.inputTokens),
    outputTokens: add((row) => row.outputTokens),
    cacheReadTokens: add((row) => row.cacheReadTokens),
    cacheWriteTokens: add((row) => row.cacheWriteTokens),
    reasoningTokens: add((row) => row.reasoningTokens),
    costNanoUsd: add((row) => (row.demo ? 0 : row.costNanoUsd)),
    demoNanoUsd: add((row) => (row.demo ? row.costNanoUsd : 0)),
    unpricedCalls: calls.filter((row) => !row.demo && row.costNanoUsd === null && brought(row)).length,
    errorRate: calls.length === 0 ? 0 : faulty / calls.length,
    errorsByCode: countCodes(calls),
    savedInputTokens: save((row) => row.inputTokens),
    savedOutputTokens: save((row) => row.outputTokens),
    savedNanoUsd: save((row) => (row.demo ? 0 : row.savedNanoUsd)),
    unpricedCached: answers.filter((row) => !row.demo && row.savedNanoUsd === undefined).length,
    ...percentiles(
      'latency',
      succeeded.map((row) => row.providerMs),
    ),
    ...percentiles(
      'firstToken',
      succeeded.map((row) => row.firstTokenMs),
    ),
    ...percentiles(
      'queue',
      calls.filter(({ callNumber }) => callNumber === 1).map((row) => row.queueMs),
    ),
  } as UsageTotals);
}

/** Whether a call came to something that has a price. */
function brought({ status, inputTokens, outputTokens }: LedgerRow): boolean {
  return status === 'succeeded' || inputTokens !== undefined || outputTokens !== undefined;
}

function countCodes(calls: readonly LedgerRow[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { status, errorCode } of calls) {
    if (errorCode === undefined || !['failed', 'partial', 'outcome_unknown'].includes(status)) continue;
    counts[errorCode] = (counts[errorCode] ?? 0) + 1;
  }
  return counts;
}

function percentiles(name: 'latency' | 'firstToken' | 'queue', values: readonly (number | undefined)[]) {
  return { [`${name}P50Ms`]: nearestRank(values, 50), [`${name}P95Ms`]: nearestRank(values, 95) };
}

/** As a report gives it: the middle of the 1/64 of a doubling that the value lies in. */
function nearestRank(values: readonly (number | undefined)[], percent: number): number | undefined {
  const sorted = values.filter((value) => value !== undefined).toSorted((a, b) => a - b);
  const value = sorted[Math.ceil((sorted.length * percent) / 100) - 1];
  if (value === undefined || value < 128) return value;
  const width = 2 ** (Math.floor(Math.log2(value)) - 6);
  return Math.floor(value / width) * width + width / 2;
}

export function definedOnly<Value extends object>(value: Value): Value {
  return Object.fromEntries(Object.entries(value).filter(([, item]) => item !== undefined)) as Value;
}
