import type { ComparisonEntry, ComparisonSummary, GenerationResult, Judgement } from '@aimm/contracts';

/** Who was fastest, cheapest and longest, and what it all came to. Models without a price are not called cheap. */
export function summarizeComparison(
  entries: readonly ComparisonEntry[],
  { costNanoUsd = 0, inputTokens = 0, outputTokens = 0 }: Partial<Judgement> = {},
): ComparisonSummary {
  const results = entries.flatMap(({ result }) => (result === undefined ? [] : [result]));
  const name = (result: GenerationResult | undefined) => result && `${result.provider}/${result.model}`;
  const fastest = name(lowest(results, ({ latency }) => latency.providerMs));
  const cheapest = name(lowest(results, ({ costNanoUsd }) => costNanoUsd ?? undefined));
  const longest = name(lowest(results, ({ text }) => -text.length));
  const costs = [costNanoUsd, ...results.map((result) => result.costNanoUsd)];
  return {
    succeeded: results.length,
    failed: entries.length - results.length,
    ...(fastest !== undefined && { fastest }),
    ...(cheapest !== undefined && { cheapest }),
    ...(longest !== undefined && { longest }),
    totalCostNanoUsd: costs.includes(null) ? null : costs.reduce<number>((sum, cost) => sum + (cost ?? 0), 0),
    totalInputTokens: results.reduce((sum, { usage }) => sum + (usage.inputTokens ?? 0), inputTokens),
    totalOutputTokens: results.reduce((sum, { usage }) => sum + (usage.outputTokens ?? 0), outputTokens),
    totalMs: Math.max(0, ...results.map(({ latency }) => latency.totalMs)),
  };
}

function lowest(
  results: readonly GenerationResult[],
  measure: (result: GenerationResult) => number | undefined,
): GenerationResult | undefined {
  const measured = results.flatMap((result) => {
    const value = measure(result);
    return value === undefined ? [] : [{ result, value }];
  });
  return measured.toSorted((a, b) => a.value - b.value)[0]?.result;
}
