import { toKnownCost, toKnownSavings, UsageGroupBy, type UsageTotals } from '@aimm/contracts';
import { localTimeZone } from '@aimm/runtime';
import { type Command, Option } from 'commander';
import { formatCost, formatCount, formatDuration, formatPlural } from '@aimm/runtime/format';
import { formatTable, print, printJson } from '../output.ts';
import { parsePeriod, parseTimeZone, type Period, toPeriodStart } from '../parse-options.ts';
import { withSession } from '../session.ts';

export function addUsageCommand(program: Command): void {
  program
    .command('usage')
    .description('Show requests, tokens, cost and latency')
    .addOption(
      new Option('--period <period>', '24h, 7d, 4w, today, month or all')
        .argParser((value) => parsePeriod(value))
        .default(parsePeriod('7d'), '7d'),
    )
    .addOption(new Option('--by <what>', 'group by').choices(UsageGroupBy.options).default('provider'))
    .addOption(
      new Option(
        '--time-zone <name>',
        "whose days are meant, such as Europe/Berlin; default: this machine's",
      ).argParser(parseTimeZone),
    )
    .option('--provider <id>', 'only calls to this provider')
    .option('--model <model>', 'only calls of this model')
    .option('--client <name>', 'only what this client asked')
    .option('--tag <tag>', 'only what has this tag')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      '\nExamples:\n  $ aimm usage\n  $ aimm usage --period month --by day --time-zone Asia/Kathmandu\n',
    )
    .action(showUsage);
}

interface UsageOptions {
  period: Period;
  by: UsageGroupBy;
  timeZone?: string;
  provider?: string;
  model?: string;
  client?: string;
  tag?: string;
  json?: boolean;
}

async function showUsage(options: UsageOptions): Promise<void> {
  const { period, by: groupBy, timeZone = localTimeZone(), json, ...filter } = options;
  const now = Date.now();
  const from = await toPeriodStart(period, timeZone, now);
  const report = await withSession(({ manager, caller }) =>
    manager.usage(caller, { from, to: now, groupBy, timeZone, ...filter }),
  );
  if (json === true) return printJson({ timeZone, ...report });
  const { totals } = report;
  const rows = [...report.groups.map((group) => toRow(group.key, group)), toRow('Total', totals)];
  print(formatTable([groupBy, ...headings], rows));
  const ends = formatEnds(totals);
  if (ends !== '') print(`Calls that did not succeed: ${ends}.`);
  if (totals.unpricedCalls > 0) {
    print(`The cost is without ${formatPlural(totals.unpricedCalls, 'call')} whose price is unknown.`);
  }
  if (totals.demoNanoUsd > 0)
    print(`Demo answers would have cost ${formatCost(totals.demoNanoUsd)}; they cost nothing.`);
  for (const [code, times] of Object.entries(totals.errorsByCode)) print(`${formatCount(times)} × ${code}`);
  if (totals.cached > 0) print(`The cache saved ${formatSaved(totals)} in ${formatPlural(totals.cached, 'answer')}.`);
  if (report.widened === true) print('Single calls of that time are deleted: whole quarters of an hour were counted.');
}

const headings = [
  'Requests',
  'Calls',
  'Cached',
  'Tokens in',
  'out',
  'Cost',
  'Saved',
  'Errors',
  'p50',
  'p95',
  'First p50',
  'p95',
  'Queue p50',
  'p95',
];

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

/** `$1.24`, or in words that nobody knows. */
function formatSaved(totals: UsageTotals): string {
  const savedNanoUsd = toKnownSavings(totals);
  return savedNanoUsd === null ? 'an unknown amount' : formatCost(savedNanoUsd);
}

function toRow(key: string, totals: UsageTotals): string[] {
  return [
    key,
    formatCount(totals.requests),
    formatCount(totals.calls),
    formatCount(totals.cached),
    formatCount(totals.inputTokens),
    formatCount(totals.outputTokens),
    formatCost(toKnownCost(totals)),
    totals.cached === 0 ? '–' : formatCost(toKnownSavings(totals)),
    `${(totals.errorRate * 100).toFixed(1)} %`,
    formatDuration(totals.latencyP50Ms),
    formatDuration(totals.latencyP95Ms),
    formatDuration(totals.firstTokenP50Ms),
    formatDuration(totals.firstTokenP95Ms),
    formatDuration(totals.queueP50Ms),
    formatDuration(totals.queueP95Ms),
  ];
}
