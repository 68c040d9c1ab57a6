import type { ComparisonEntry, ComparisonResult } from '@aimm/contracts';
import type { ProgressEvent } from '@aimm/manager';
import type { Command } from 'commander';
import pc from 'picocolors';
import { formatCost, formatCount, formatDuration, formatTable, print, printJson } from '../output.ts';
import { parseList } from '../parse-options.ts';
import { QuietFailure } from '../report-failure.ts';
import { withSession } from '../session.ts';
import { abortOnInterrupt, addAskOptions, type AskOptions, toAsk } from './generate.ts';

export function addCompareCommand(program: Command): void {
  addAskOptions(program.command('compare').description('Ask several models the same and show the answers side by side'))
    .requiredOption('-m, --models <models>', 'two to ten models, separated by commas', parseList)
    .option('--judge <model>', 'a model that ranks the answers')
    .option('--criteria <text>', 'what the judge goes by')
    .addHelpText(
      'after',
      '\nExample:\n  $ aimm compare "Explain CRDTs" -m openai/gpt-5-mini,anthropic/claude-haiku-4-5\n',
    )
    .action(compare);
}

async function compare(
  prompt: string | undefined,
  options: AskOptions & { models: string[]; judge?: string; criteria?: string },
): Promise<void> {
  const ask = {
    ...(await toAsk(prompt, options)),
    models: options.models,
    judge: options.judge,
    criteria: options.criteria,
  };
  const comparison = await withSession(async ({ manager, caller }) => {
    const onProgress = options.json === true ? undefined : showProgress;
    const { result } = await manager.compare(caller, ask, { onProgress, signal: abortOnInterrupt() });
    return result;
  });
  if (options.json === true) printJson(comparison);
  else print(formatComparison(comparison));
  if (comparison.summary.succeeded === 0) throw new QuietFailure();
}

function showProgress(event: ProgressEvent): void {
  if (event.type !== 'model_finished') return;
  const how = event.error === undefined ? 'answered' : `failed: ${event.error.message}`;
  process.stderr.write(pc.dim(`[${event.finished}/${event.total}] ${event.provider}/${event.model} ${how}\n`));
}

/** Each answer under its model, then the figures, then the verdict. */
function formatComparison({ entries, summary, judgement }: ComparisonResult): string {
  const answers = entries.map((entry) => `${pc.bold(nameOf(entry))}\n${toText(entry)}\n`);
  const table = formatTable(['Model', 'Time', 'First token', 'Tokens', 'Cost'], entries.map(toRow));
  const notable = [
    ['fastest', summary.fastest],
    ['cheapest', summary.cheapest],
    ['longest', summary.longest],
  ].flatMap(([what, model]) => (model === undefined ? [] : [`${what}: ${model}`]));
  return [...answers, table, notable.join(' · '), ...formatJudgement(judgement)].join('\n');
}

function formatJudgement(judgement: ComparisonResult['judgement']): string[] {
  if (judgement === undefined) return [];
  if (judgement.error !== undefined) return [pc.yellow(`The judge failed: ${judgement.error.message}`)];
  const places = judgement.ranking.map(
    ({ model, score, reason = '' }, index) =>
      `${index + 1}. ${model}${score === undefined ? '' : ` (${score})`} ${reason}`,
  );
  return [`Judged by ${judgement.judge}:`, ...places];
}

function toText({ result, error }: ComparisonEntry): string {
  if (result !== undefined) return result.text;
  return pc.red(`Failed: ${error?.message ?? 'no answer'}${error?.hint === undefined ? '' : ` ${error.hint}`}`);
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

function nameOf(entry: ComparisonEntry): string {
  return `${entry.provider}/${entry.model}`;
}
