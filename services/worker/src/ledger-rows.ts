import type { Catalog, TokenEstimator } from '@aimm/catalog';
import type { ErrorCode, GeneratePayload, LedgerRow, Usage } from '@aimm/contracts';
import type { CallReport } from './make-call.ts';

interface CallFacts {
  number: number;
  startedAt: number;
  demo: boolean;
}

/** Ends after which a vendor may have worked and billed although no count arrived: their cost is unknown, not nothing. */
const mayBeBilled: ReadonlySet<ErrorCode> = new Set(['cancelled', 'timeout', 'network', 'server_error']);

/** The ledger row of a call that ended, well or not. A broken call that brought text is `partial`, its counts estimated where none came. */
export function toLedgerRow(
  payload: GeneratePayload,
  call: CallFacts,
  report: CallReport,
  { catalog, tokens: estimator }: { catalog: Catalog; tokens: TokenEstimator },
): LedgerRow {
  const usage = report.usage ?? estimateUsage(payload, report, catalog, estimator);
  const price =
    report.error !== undefined && !hasTokens(usage)
      ? { costNanoUsd: mayBeBilled.has(report.error.code) ? null : 0, priceVersion: undefined }
      : catalog.priceCall({
          provider: payload.provider,
          model: payload.request.model,
          answeredBy: report.answeredBy,
          usage,
          at: call.startedAt,
          cachedForAnHour: payload.request.settings.promptCache === '1h',
        });
  return {
    ...common(payload, call),
    ...(report.answeredBy !== undefined && { answeredBy: report.answeredBy }),
    status: statusOf(report),
    ...(report.error !== undefined && { errorCode: report.error.code }),
    ...tokens(usage),
    estimated: usage.estimated ?? false,
    costNanoUsd: price.costNanoUsd,
    ...(price.priceVersion !== undefined && { priceVersion: price.priceVersion }),
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

function statusOf({ error, text, reasoning }: CallReport): LedgerRow['status'] {
  if (error === undefined) return 'succeeded';
  if (error.code === 'cancelled') return 'cancelled';
  return text !== '' || reasoning !== '' ? 'partial' : 'failed';
}

/** A broken stream is billed for what was read and written, but its counts never came: better a marked guess than none. */
function estimateUsage(
  payload: GeneratePayload,
  report: CallReport,
  catalog: Catalog,
  estimator: TokenEstimator,
): Usage {
  if (report.text === '' && report.reasoning === '') return {};
  const kind = catalog.findProvider(payload.provider)?.kind ?? payload.provider;
  const written = {
    role: 'assistant' as const,
    content: [{ type: 'text' as const, text: report.text + report.reasoning }],
  };
  return {
    inputTokens: estimator.estimate(payload.request.messages, kind),
    outputTokens: estimator.estimate([written], kind),
    estimated: true,
  };
}

function hasTokens(usage: Usage): boolean {
  return usage.inputTokens !== undefined || usage.outputTokens !== undefined;
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
