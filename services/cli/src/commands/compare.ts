import type { Command } from 'commander';
import { addAskOptions, type AskOptions, toAsk } from '../ask-options.ts';
import { type ComparisonDisplay, createPlainDisplay } from '../comparison/comparison-display.ts';
import { isFullTerminal } from '../env.ts';
import { withInterrupt } from '../interrupt.ts';
import { printJson } from '../output.ts';
import { parseList } from '../parse-options.ts';
import { QuietFailure } from '../report-failure.ts';
import { withSession } from '../session.ts';

interface CompareOptions extends AskOptions {
  models: string[];
  judge?: string;
  criteria?: string;
  plain?: boolean;
}

export function addCompareCommand(program: Command): void {
  addAskOptions(program.command('compare').description('Ask several models the same and show the answers side by side'))
    .requiredOption('-m, --models <models>', 'two to ten models, separated by commas', parseList)
    .option('--judge <model>', 'a model that ranks the answers')
    .option('--criteria <text>', 'what the judge looks for')
    .option('--plain', 'one answer after the other, even on a terminal')
    .addHelpText(
      'after',
      `
Examples:
  $ aimm compare "Explain CRDTs" -m openai/gpt-5-mini,anthropic/claude-haiku-4-5
  $ aimm compare "Summarise" -m fast,smart --judge openai/gpt-5-mini --criteria "short and right" < report.txt
  $ aimm compare "Name a prime" -m fast,smart --json
`,
    )
    .action(compare);
}

async function compare(words: string[], options: CompareOptions): Promise<void> {
  const { models, judge, criteria } = options;
  const ask = { ...(await toAsk(words, options, criteria)), models, judge, criteria };
  const display = options.json === true ? undefined : await createDisplay(options);
  try {
    const comparison = await withSession(({ manager, caller }) =>
      withInterrupt(async (signal) => {
        signal.addEventListener('abort', () => display?.stop());
        const shown = display && { onProgress: display.onProgress, stream: display.streams };
        const accepted = await manager.compare(caller, ask, { signal, ...shown });
        display?.begin(accepted.models);
        return accepted.result;
      }),
    );
    if (display === undefined) printJson(comparison);
    else display.end(comparison);
    if (comparison.summary.succeeded === 0) throw new QuietFailure();
  } finally {
    display?.stop();
  }
}

async function createDisplay({ plain, judge }: CompareOptions): Promise<ComparisonDisplay> {
  if (plain === true || !isFullTerminal(process.stdout)) return createPlainDisplay();
  const { createLiveColumns } = await import('../comparison/live-columns.ts');
  return createLiveColumns(process.stdout, judge);
}
