import type { Checkpoint, GeneratePayload, LedgerRow, Usage } from '@aimm/contracts';
import type { AccountedCall } from './account-for-call.ts';

interface CallFacts {
  number: number;
  startedAt: number;
  demo: boolean;
}

/** The ledger row of a call that ended, well or not. A broken call that brought text is `partial`. */
export function toLedgerRow(payload: GeneratePayload, call: CallFacts, report: AccountedCall): LedgerRow {
  const { usage, priceVersion } = report;
  return {
    ...common(payload, call),
    ...(report.answeredBy !== undefined && { answeredBy: report.answeredBy }),
    status: statusOf(report),
    ...(report.error !== undefined && { errorCode: report.error.code }),
    ...tokens(usage),
    estimated: usage.estimated ?? false,
    costNanoUsd: report.costNanoUsd,
    ...(priceVersion !== undefined && { priceVersion }),
    queueMs: Math.max(0, Math.round(call.startedAt - payload.enqueuedAt)),
    ...(report.firstTokenMs !== undefined && { firstTokenMs: report.firstTokenMs }),
    providerMs: report.providerMs,
    finishedAt: Math.round(call.startedAt + report.providerMs),
  };
}

/** The row of a call that a crash hid: it was started, and nobody knows how it ended or what it cost. */
export function toUnknownRow(payload: GeneratePayload, call: CallFacts): LedgerRow {
  return {
    ...common(payload, call),
    status: 'outcome_unknown',
    errorCode: 'outcome_unknown',
    estimated: false,
    costNanoUsd: null,
  };
}

/**
 * What a job that nobody runs any more owes the ledger: the rows of its checkpoint, and one for each call without an
 * end, which `onHidden` is told of.
 */
export function toOwedRows(
  payload: GeneratePayload,
  checkpoint: Checkpoint | undefined,
  demo: boolean,
  onHidden?: (row: LedgerRow) => void,
): LedgerRow[] {
  if (checkpoint === undefined) return [];
  const { calls, rows } = checkpoint;
  const started = calls.filter(({ state }) => state === 'started');
  const hidden = started.map((call) => toUnknownRow(payload, { ...call, demo }));
  if (onHidden !== undefined) hidden.forEach(onHidden);
  return [...rows, ...hidden];
}

function common(payload: GeneratePayload, { number, startedAt, demo }: CallFacts) {
  return {
    requestId: payload.requestId,
    callNumber: number,
    ...(payload.parentId !== undefined && { parentId: payload.parentId }),
    provider: payload.provider,
    model: payload.request.model,
    client: payload.client,
    tags: payload.tags,
    lane: payload.lane,
    cached: false,
    demo,
    startedAt: Math.round(startedAt),
  };
}

function statusOf({ error, text, reasoning }: AccountedCall): LedgerRow['status'] {
  if (error === undefined) return 'succeeded';
  if (error.code === 'cancelled') return 'cancelled';
  return text !== '' || reasoning !== '' ? 'partial' : 'failed';
}

function tokens({ inputTokens, outputTokens, cacheReadTokens, cacheWriteTokens, reasoningTokens }: Usage) {
  return {
    ...(inputTokens !== undefined && { inputTokens }),
    ...(outputTokens !== undefined && { outputTokens }),
    ...(cacheReadTokens !== undefined && { cacheReadTokens }),
    ...(cacheWriteTokens !== undefined && { cacheWriteTokens }),
    ...(reasoningTokens !== undefined && { reasoningTokens }),
  };
}
