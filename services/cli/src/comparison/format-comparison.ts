import type { ComparisonEntry, ComparisonResult, GenerationResult } from '@aimm/contracts';
import { formatCost, formatCount, formatDuration } from '@aimm/runtime/format';
import { toCliWords } from '../cli-words.ts';
import { colours } from '../colours.ts';
import { formatTable, toOneLine } from '../output.ts';

/** The figures of every model, what is notable of them, then the verdict. */
export function formatSummary({ entries, summary, judgement }: ComparisonResult): string {
  const table = formatTable(['Model', 'Time', 'First token', 'Tokens', 'Cost'], entries.map(toRow));
  const notable = [
    ['fastest', summary.fastest],
    ['cheapest', summary.cheapest],
    ['longest', summary.longest],
  ].flatMap(([what, model]) => (model === undefined ? [] : [`${what}: ${model}`]));
  const warned = Map.groupBy(
    entries.flatMap((entry) => (entry.result?.warnings ?? []).map(({ message }) => ({ message, name: nameOf(entry) }))),
    ({ message }) => message,
  );
  const warnings = [...warned].map(([message, by]) => {
    const who = by.length === entries.length ? '' : ` (${by.map(({ name }) => name).join(', ')})`;
    return colours.dim(`Warning${who}: ${toCliWords(message)}`);
  });
  return [
    table,
    ...(notable.length === 0 ? [] : [notable.join(' · ')]),
    ...formatJudgement(judgement),
    ...warnings,
  ].join('\n');
}

function formatJudgement(judgement: ComparisonResult['judgement']): string[] {
  if (judgement === undefined) return [];
  if (judgement.error !== undefined) return [colours.yellow(`No judgement: ${toOneLine(judgement.error.message)}`)];
  const places = judgement.ranking.map(
    ({ model, score, reason = '' }, index) =>
      `${index + 1}. ${model}${score === undefined ? '' : ` (${score})`} ${toOneLine(reason)}`,
  );
  const cost = judgement.costNanoUsd === undefined ? '' : ` for ${formatCost(judgement.costNanoUsd)}`;
  return [`Judged by ${judgement.judge}${cost}:`, ...places];
}

/** The answer with the functions that it asks for, or why there is none. */
export function toText({ result, error }: Pick<ComparisonEntry, 'result' | 'error'>): string {
  if (result !== undefined) {
    const calls = (result.toolCalls ?? []).map(({ name, arguments: given }) => `${name}(${JSON.stringify(given)})`);
    return [result.text, ...calls].filter((part) => part !== '').join('\n');
  }
  return toCliWords(`Failed: ${error?.message ?? 'no answer'}${error?.hint === undefined ? '' : ` ${error.hint}`}`);
}

/** `1.2 s · 120 tokens · $0.00042`. */
export function toFacts({ latency, usage, costNanoUsd }: GenerationResult): string {
  return `${formatDuration(latency.totalMs)} · ${formatCount(usage.outputTokens)} tokens · ${formatCost(costNanoUsd)}`;
}

function toRow(entry: ComparisonEntry): string[] {
  const { result, error } = entry;
  if (result === undefined) return [nameOf(entry), error?.code ?? 'failed', '', '', ''];
  return [
    nameOf(entry),
    formatDuration(result.latency.totalMs),
    formatDuration(result.latency.firstTokenMs),
    formatCount(result.usage.outputTokens),
    formatCost(result.costNanoUsd),
  ];
}

/** `provider/model`. */
export function nameOf({ provider, model }: { provider: string; model: string }): string {
  return `${provider}/${model}`;
}
