import { CallRecord, LedgerRow } from '@aimm/contracts';

/** A job's data as far as it must be known to empty it, whatever release wrote it. */
export interface JobData extends Record<string, unknown> {
  parentId?: string;
  replyTo?: string;
}

export function holdsContent(data: unknown): data is JobData {
  return typeof data === 'object' && data !== null && !Array.isArray(data) && !isEmptied(data);
}

/** Nothing else stays: what is added to payloads one day must be named here to be kept. */
const kept = [
  'requestId',
  'parentId',
  'client',
  'tags',
  'lane',
  'enqueuedAt',
  'deadlineAt',
  'provider',
  'hop',
  'pool',
  'alias',
  'fallbackFrom',
  'attempts',
  'timeoutMs',
  'stream',
  'children',
] as const;

/** What is left of a job's data once its content is removed: no prompt, settings, tools or schema. */
export function toBareData(data: JobData): Record<string, unknown> {
  return { ...pick(data, kept), ...pick(data.request, ['model']), contentRemoved: true };
}

/** Whether it was left by {@link toBareData}: it can be looked at and not run again. */
export function isEmptied(data: unknown): boolean {
  return typeof data === 'object' && data !== null && 'contentRemoved' in data && data.contentRemoved === true;
}

/** How it ended, whatever release wrote it, without what it answered; a hint may cite that. */
export function toBareOutcome(outcome: unknown): Record<string, unknown> {
  const { status, error, ...rest } = pick(outcome, ['status', 'error', 'continues', 'next', 'moved']);
  if (status === 'succeeded') return { status, value: null };
  return { status, error: pick(error, ['code', 'message', 'retryable', 'retryAfterMs', 'provider']), ...rest };
}

/** Which calls it made, and what they cost, without an answer that was to be mended. */
export function toBareCheckpoint(checkpoint: unknown): Record<string, unknown> {
  const { calls, rows, ...rest } = pick(checkpoint, ['calls', 'rows', 'stalledCount']);
  const pickEach = (list: unknown, names: readonly string[]) =>
    Array.isArray(list) ? list.map((one) => pick(one, names)) : [];
  return {
    ...rest,
    calls: pickEach(calls, Object.keys(CallRecord.shape)),
    rows: pickEach(rows, Object.keys(LedgerRow.shape)),
  };
}

/** In the order of `names`: scripts look at how an outcome begins. */
function pick(value: unknown, names: readonly string[]): Record<string, unknown> {
  const fields = new Map(typeof value === 'object' && value !== null ? Object.entries(value) : []);
  return Object.fromEntries(names.flatMap((name) => (fields.has(name) ? [[name, fields.get(name)]] : [])));
}
