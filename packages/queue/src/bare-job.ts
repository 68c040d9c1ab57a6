import type { Outcome } from '@aimm/contracts';

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
  const { request } = data;
  const model = typeof request === 'object' && request !== null && 'model' in request ? { model: request.model } : {};
  const rest = Object.fromEntries(kept.flatMap((name) => (name in data ? [[name, data[name]]] : [])));
  return { ...rest, ...model, contentRemoved: true };
}

/** Whether it was left by {@link toBareData}: it can be looked at and not run again. */
export function isEmptied(data: unknown): boolean {
  return typeof data === 'object' && data !== null && 'contentRemoved' in data && data.contentRemoved === true;
}

/** How it ended, without what it answered; a hint may cite that. */
export function toBareOutcome(outcome: Outcome): Outcome {
  if (outcome.status === 'succeeded') return { status: 'succeeded', value: null };
  const { hint: _hint, ...error } = outcome.error;
  return { ...outcome, error };
}
