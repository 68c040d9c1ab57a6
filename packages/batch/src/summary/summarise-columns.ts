import {
  type BatchColumn,
  type BatchColumnSummary,
  type BatchCounts,
  type BatchGeneration,
  BatchGenerationStatus,
} from '@aimm/contracts';
import { createPairVerdicts } from './pair-verdicts.ts';
import { createSamples } from './samples.ts';

/** What a summary reads of a generation: never its text. */
export type SummarisedGeneration = Pick<
  BatchGeneration,
  | 'item'
  | 'column'
  | 'status'
  | 'usage'
  | 'costNanoUsd'
  | 'firstTokenMs'
  | 'providerMs'
  | 'error'
  | 'assertions'
  | 'verdict'
>;

export interface ColumnSummaries {
  /** Takes each generation once, in any order; one of a column that is not known is passed over. */
  add(generation: SummarisedGeneration): void;
  /** One for each column, in their order. More may be added after it. */
  summary(): BatchColumnSummary[];
}

/**
 * Sums up a batch of any length in memory of some bytes a generation: two numbers for its times, one for a judge's word that
 * waits for the other order. Percentiles are exact (nearest rank), over succeeded generations.
 */
export function createColumnSummaries(columns: readonly BatchColumn[]): ColumnSummaries {
  const sums = new Map(columns.map((column) => [column.number, createColumnSum(column)]));
  const verdicts = createPairVerdicts();
  return {
    add(generation) {
      const sum = sums.get(generation.column);
      if (sum === undefined) return;
      sum.add(generation);
      const { judges } = sum.column;
      const { verdict } = generation;
      if (judges === undefined || verdict === undefined) return;
      if (verdict.winner !== undefined) verdicts.add(sum.column, generation.item, verdict.winner);
      const [judged] = judges;
      if (verdict.score !== undefined && judges.length === 1 && judged !== undefined)
        sums.get(judged)?.score(verdict.score);
    },
    summary: () =>
      columns.flatMap(({ number }) => {
        const sum = sums.get(number);
        return sum === undefined ? [] : [{ ...sum.end(), ...verdicts.of(number) }];
      }),
  };
}

/** {@link createColumnSummaries} over all generations at once. */
export async function summariseColumns(
  columns: readonly BatchColumn[],
  generations: AsyncIterable<SummarisedGeneration> | Iterable<SummarisedGeneration>,
): Promise<BatchColumnSummary[]> {
  const summaries = createColumnSummaries(columns);
  for await (const generation of generations) summaries.add(generation);
  return summaries.summary();
}

function createColumnSum(column: BatchColumn) {
  const counts: BatchCounts = { waiting: 0, queued: 0, succeeded: 0, failed: 0, cancelled: 0, skipped: 0 };
  const sum = { passed: 0, asserted: 0, costNanoUsd: 0, unpriced: 0, inputTokens: 0, outputTokens: 0 };
  const assertions = new Map<string, { passed: number; of: number }>();
  const errors = new Map<string, number>();
  const scores = { total: 0, count: 0 };
  const [latency, firstToken] = [createSamples(), createSamples()];
  return {
    column,
    score(value: number) {
      scores.total += value;
      scores.count += 1;
    },
    add({
      status,
      usage,
      costNanoUsd,
      providerMs,
      firstTokenMs,
      error,
      assertions: outcomes = [],
    }: SummarisedGeneration) {
      counts[status] += 1;
      sum.costNanoUsd += costNanoUsd ?? 0;
      if (costNanoUsd === null) sum.unpriced += 1;
      sum.inputTokens += usage?.inputTokens ?? 0;
      sum.outputTokens += usage?.outputTokens ?? 0;
      if (status === 'succeeded' && providerMs !== undefined) latency.add(providerMs);
      if (status === 'succeeded' && firstTokenMs !== undefined) firstToken.add(firstTokenMs);
      if (status === 'failed') errors.set(error?.code ?? 'internal', (errors.get(error?.code ?? 'internal') ?? 0) + 1);
      if (outcomes.length === 0) return;
      sum.asserted += 1;
      if (outcomes.every((outcome) => outcome.passed)) sum.passed += 1;
      for (const { name, passed } of outcomes) {
        const known = assertions.get(name) ?? { passed: 0, of: 0 };
        assertions.set(name, { passed: known.passed + (passed ? 1 : 0), of: known.of + 1 });
      }
    },
    end(): Omit<BatchColumnSummary, 'wins' | 'losses' | 'ties'> {
      const [p50, p95, first50] = [latency.percentile(0.5), latency.percentile(0.95), firstToken.percentile(0.5)];
      return {
        column,
        counts: { ...counts },
        ...sum,
        assertions: Object.fromEntries(assertions),
        errors: Object.fromEntries(errors),
        ...(scores.count > 0 && { score: scores.total / scores.count }),
        ...(p50 !== undefined && { latencyP50Ms: p50 }),
        ...(p95 !== undefined && { latencyP95Ms: p95 }),
        ...(first50 !== undefined && { firstTokenP50Ms: first50 }),
      };
    },
  };
}

/** The counts of several columns in one. */
export function addCounts(all: readonly BatchCounts[]): BatchCounts {
  const total: BatchCounts = { waiting: 0, queued: 0, succeeded: 0, failed: 0, cancelled: 0, skipped: 0 };
  for (const counts of all) for (const status of BatchGenerationStatus.options) total[status] += counts[status];
  return total;
}
