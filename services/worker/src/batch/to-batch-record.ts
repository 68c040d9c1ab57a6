import type { AssertionChecks } from '@aimm/batch';
import { evaluateAssertions } from '@aimm/batch';
import {
  type BatchPlace,
  type BatchRecord,
  type ErrorShape,
  GenerationResult,
  type LedgerRow,
  ModelManagerError,
  type Outcome,
} from '@aimm/contracts';
import { addUsage } from '../to-generation-result.ts';
import { toVerdict } from './batch-judging.ts';

interface Ended {
  requestId: string;
  batch: BatchPlace;
}

/**
 * What is kept of a generation's end: its answer held against its assertions, a judge's read as a verdict. `rows`: of all its calls,
 * where they are known.
 */
export async function toBatchRecord(
  { requestId, batch: { id, item, column, assertions = [], judge } }: Ended,
  outcome: Outcome,
  rows: readonly LedgerRow[] | undefined,
  { at, checks }: { at: number; checks: AssertionChecks },
): Promise<BatchRecord> {
  const base = { batchId: id, item, column, requestId, endedAt: at };
  if (outcome.status === 'failed') {
    const used = addUsage({}, rows ?? []);
    const counted = Object.keys(used).length > 0 && { usage: used };
    return { ...base, ...toFailure(outcome.error), ...counted, costNanoUsd: sumCosts(rows ?? []) };
  }

  const {
    text,
    toolCalls = [],
    structured,
    finishReason,
    usage,
    latency,
    warnings,
    ...result
  } = GenerationResult.parse(outcome.value);
  const isKnown = result.costNanoUsd !== null && rows !== undefined;
  const isDemo = warnings.some(({ code }) => code === 'demo');
  const costNanoUsd = isKnown || isDemo ? sumCosts(rows ?? []) : result.costNanoUsd;
  const verdict = judge === undefined ? undefined : toVerdict(judge, text);
  const answer = {
    ...base,
    text,
    ...(toolCalls.length > 0 && { toolCalls }),
    ...(structured !== undefined && { structured }),
    finishReason,
    usage,
    costNanoUsd,
    queueMs: latency.queueMs,
    ...(latency.firstTokenMs !== undefined && { firstTokenMs: latency.firstTokenMs }),
    providerMs: latency.providerMs,
    ...(warnings.length > 0 && { warnings }),
  };
  if (judge !== undefined && verdict === undefined) return { ...answer, ...toFailure(noVerdict()) };
  const outcomes =
    assertions.length === 0
      ? []
      : await evaluateAssertions(assertions, { text, structured, costNanoUsd, providerMs: latency.providerMs }, checks);
  return {
    ...answer,
    status: 'succeeded',
    ...(outcomes.length > 0 && { assertions: outcomes }),
    ...(verdict !== undefined && { verdict }),
  };
}

function toFailure(error: ErrorShape): Pick<BatchRecord, 'status' | 'error'> {
  return { status: error.code === 'cancelled' ? 'cancelled' : 'failed', error };
}

function noVerdict(): ErrorShape {
  return new ModelManagerError('server_error', 'The judge did not answer in the form it was asked for.').toShape();
}

/**
 * What is known of it, as the ledger sums it up: without demo answers; null where one of the calls has an unknown price and no other
 * cost anything.
 */
export function sumCosts(rows: readonly LedgerRow[]): number | null {
  const costs = rows.map(({ demo, costNanoUsd }) => (demo ? 0 : costNanoUsd));
  const known = costs.reduce<number>((sum, cost) => sum + (cost ?? 0), 0);
  return known === 0 && costs.includes(null) ? null : known;
}
