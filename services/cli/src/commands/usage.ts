import { UsageGroupBy, type UsageTotals } from '@aimm/contracts';
import { type Command, Option } from 'commander';
import { formatCost, formatCount, formatDuration, formatTable, print, printJson } from '../output.ts';
import { parsePeriod } from '../parse-options.ts';
import { withSession } from '../session.ts';

export function addUsageCommand(program: Command): void {
  program
    .command('usage')
    .description('Show requests, tokens, cost and latency')
    .addOption(
      new Option('--period <period>', '24h, 7d, 4w, today, month or all (UTC)')
        .argParser((value) => parsePeriod(value))
        .default(parsePeriod('7d'), '7d'),
    )
    .addOption(new Option('--by <what>', 'group by').choices(UsageGroupBy.options).default('provider'))
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExamples:\n  $ aimm usage\n  $ aimm usage --period month --by model\n')
    .action(showUsage);
}

async function showUsage(options: { period: number; by: UsageGroupBy; json?: boolean }): Promise<void> {
  const report = await withSession(({ manager, caller }) =>
    manager.usage(caller, { from: options.period, to: Date.now(), groupBy: options.by }),
  );
  if (options.json === true) return printJson(report);
  const rows = [...report.groups.map((group) => toRow(group.key, group)), toRow('Total', report.totals)];
  print(formatTable([options.by, 'Requests', 'Calls', 'Tokens in', 'out', 'Cost', 'Errors', 'p50', 'p95'], rows));
  const ends = formatEnds(report.totals);
  if (ends !== '') print(`Calls that did not succeed: ${ends}.`);
  if (report.totals.unpricedCalls > 0) {
    print(`The cost is without ${formatCount(report.totals.unpricedCalls)} calls whose price is unknown.`);
  }
}

function formatEnds({ failed, cancelled, partial, outcomeUnknown }: UsageTotals): string {
  const ends = {
    failed,
    cancelled,
    'broken off (their usage is estimated)': partial,
    'of unknown outcome': outcomeUnknown,
  };
  return Object.entries(ends)
    .flatMap(([name, count]) => (count === 0 ? [] : `${formatCount(count)} ${name}`))
    .join(', ');
}

function toRow(key: string, totals: UsageTotals): string[] {
  return [
    key,
    formatCount(totals.requests),
    formatCount(totals.calls),
    formatCount(totals.inputTokens),
    formatCount(totals.outputTokens),
    formatCost(totals.succeeded > 0 && totals.unpricedCalls === totals.succeeded ? null : totals.costNanoUsd),
    `${(totals.errorRate * 100).toFixed(1)} %`,
    formatDuration(totals.latencyP50Ms),
    formatDuration(totals.latencyP95Ms),
  ];
}
