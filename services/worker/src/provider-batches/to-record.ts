import { evaluateAssertions } from '@aimm/batch';
import type { BatchRecord, GenerationResult, LedgerRow, ModelManagerError, Warning } from '@aimm/contracts';
import type { BatchResult } from '@aimm/providers';
import { accountForCall } from '../account-for-call.ts';
import { sumCosts } from '../batch/to-batch-record.ts';
import { toLedgerRow } from '../ledger-rows.ts';
import type { CallReport } from '../make-call.ts';
import { checkAnswer, stillUnfit } from '../structured-output.ts';
import { toDemoWarnings } from '../to-generation-result.ts';
import type { Held, StepContext } from './keeper-options.ts';
import type { AskedGeneration } from './load-generations.ts';

export interface Settled {
  row: LedgerRow;
  record: BatchRecord;
  /** How it failed, where it did. */
  error?: ModelManagerError;
}

/**
 * What one result is in the ledger and in the batch: counted, priced and checked as a call of the workers' own. `earlier`: the
 * ledger's rows of the rounds before, which the generation cost, too.
 */
export async function toLedgerAndRecord(
  { submission, batch, column }: Held,
  context: StepContext,
  { item, payload, callNumber: number }: AskedGeneration,
  { result, earlier, warnings }: { result: BatchResult; earlier: readonly LedgerRow[]; warnings: readonly Warning[] },
): Promise<Settled> {
  const startedAt = submission.submittedAt ?? submission.createdAt;
  const finishedAt = Math.round(context.now());
  const call = accountForCall(payload, startedAt, toReport(result, warnings), context);
  const demo = context.providers.isDemo();
  // When the vendor came to it, and how long it took, it does not say.
  const {
    providerMs: _providerMs,
    firstTokenMs: _firstTokenMs,
    ...row
  } = toLedgerRow(payload, { number, startedAt, demo }, call);
  const checked = call.error === undefined ? await checkAnswer({ ...payload, demo }, call) : undefined;
  const error = call.error ?? toFault(checked, payload);
  const structured: GenerationResult['structured'] = checked?.state === 'fits' ? checked.structured : undefined;
  const record: BatchRecord = {
    batchId: batch.id,
    column: column.number,
    item,
    requestId: payload.requestId,
    status: error === undefined ? 'succeeded' : 'failed',
    ...(call.text !== '' && { text: call.text }),
    ...(call.toolCalls.length > 0 && { toolCalls: call.toolCalls }),
    ...(structured !== undefined && { structured }),
    ...(call.finishReason !== undefined && { finishReason: call.finishReason }),
    usage: call.usage,
    costNanoUsd: sumCosts([...earlier, { ...row, finishedAt }]),
    ...(call.error === undefined && {
      warnings: [
        ...payload.warnings,
        ...call.warnings,
        ...(demo ? toDemoWarnings(payload.request, { toolCalls: call.toolCalls, structured }) : []),
      ],
    }),
    ...(error !== undefined && { error: error.toShape() }),
    endedAt: finishedAt,
  };
  return {
    row: { ...row, finishedAt },
    record: error === undefined ? await assess(record, payload, context) : record,
    ...(error !== undefined && { error }),
  };
}

/** Holds the answer against the batch's assertions. */
async function assess(
  record: BatchRecord,
  { batch }: AskedGeneration['payload'],
  { checks }: StepContext,
): Promise<BatchRecord> {
  const asserted = batch?.assertions ?? [];
  if (asserted.length === 0) return record;
  const { text = '', structured, costNanoUsd = null } = record;
  const assertions = await evaluateAssertions(asserted, { text, structured, costNanoUsd }, checks);
  return { ...record, assertions };
}

function toFault(
  checked: Awaited<ReturnType<typeof checkAnswer>> | undefined,
  payload: AskedGeneration['payload'],
): ModelManagerError | undefined {
  if (checked?.state === 'hopeless') return checked.error;
  return checked?.state === 'unfit' ? stillUnfit(payload, checked.unfit) : undefined;
}

function toReport(result: BatchResult, warnings: readonly Warning[]): CallReport {
  if ('error' in result) {
    const { error, usage, answeredBy } = result;
    return {
      text: '',
      reasoning: '',
      toolCalls: [],
      warnings: [...warnings],
      usage,
      isCounted: true,
      error,
      serviceTier: 'batch',
      ...(answeredBy !== undefined && { answeredBy }),
      providerMs: 0,
    };
  }
  const { response } = result;
  return {
    text: response.text,
    reasoning: response.reasoning ?? '',
    toolCalls: response.toolCalls,
    warnings: [...warnings, ...response.warnings],
    usage: response.usage,
    isCounted: true,
    finishReason: response.finishReason,
    ...(response.answeredBy !== undefined && { answeredBy: response.answeredBy }),
    ...(response.serviceTier !== undefined && { serviceTier: response.serviceTier }),
    providerMs: 0,
  };
}
