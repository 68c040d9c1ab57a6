import { addCounts, type BatchColumn, type BatchColumnSummary, type BatchGeneration } from '@aimm/contracts';

/** What columns judged by scores came to, as the database sums them up. */
export function sumUpColumns(
  columns: readonly BatchColumn[],
  generations: readonly BatchGeneration[],
): BatchColumnSummary[] {
  return columns.map((column) => {
    const own = generations.filter((generation) => generation.column === column.number);
    const judging = columns.filter(({ judges }) => judges?.[0] === column.number).map(({ number }) => number);
    const scores = generations.flatMap((one) => (judging.includes(one.column) ? (one.verdict?.score ?? []) : []));
    const counts = addCounts([]);
    const errors: Record<string, number> = {};
    const assertions: BatchColumnSummary['assertions'] = {};
    for (const { status, error, assertions: outcomes = [] } of own) {
      counts[status] += 1;
      if (error !== undefined) errors[error.code] = (errors[error.code] ?? 0) + 1;
      for (const { name, passed } of outcomes) {
        const known = assertions[name] ?? { passed: 0, of: 0 };
        assertions[name] = { passed: known.passed + Number(passed), of: known.of + 1 };
      }
    }
    const asserted = own.filter((one) => one.assertions !== undefined);
    const sumOf = (pick: (one: BatchGeneration) => number | null | undefined) =>
      own.reduce((sum, one) => sum + (pick(one) ?? 0), 0);
    return {
      column,
      counts,
      passed: asserted.filter((one) => one.assertions?.every(({ passed }) => passed)).length,
      asserted: asserted.length,
      assertions,
      wins: 0,
      losses: 0,
      ties: 0,
      ...(scores.length > 0 && { score: scores.reduce((sum, score) => sum + score, 0) / scores.length }),
      costNanoUsd: sumOf(({ costNanoUsd }) => costNanoUsd),
      unpriced: own.filter(({ costNanoUsd }) => costNanoUsd === null).length,
      inputTokens: sumOf(({ usage }) => usage?.inputTokens),
      outputTokens: sumOf(({ usage }) => usage?.outputTokens),
      ...toPercentiles(own.flatMap(({ providerMs }) => providerMs ?? [])),
      errors,
    };
  });
}

function toPercentiles(times: readonly number[]): Pick<BatchColumnSummary, 'latencyP50Ms' | 'latencyP95Ms'> {
  const sorted = times.toSorted((a, b) => a - b);
  const [p50, p95] = [0.5, 0.95].map((share) => sorted[Math.ceil(share * sorted.length) - 1]);
  return {
    ...(p50 !== undefined && { latencyP50Ms: p50 }),
    ...(p95 !== undefined && { latencyP95Ms: p95 }),
  };
}
