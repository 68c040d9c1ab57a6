import { lookForStack, type StackInfo } from '@aimm/local-stack';
import type { Command } from 'commander';
import { colours } from '../colours.ts';
import { print, printJson } from '../output.ts';
import { QuietFailure } from '../report-failure.ts';
import { openCommandEnvironment } from '../session.ts';

export function addStatusCommand(program: Command): void {
  program
    .command('status')
    .description('Say whether the local stack runs, and where everything is (exit code 1 when it does not)')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExamples:\n  $ aimm status\n  $ aimm status --json | jq .dashboardUrl\n')
    .action(showStatus);
}

async function showStatus(options: { json?: boolean }): Promise<void> {
  const { env } = await openCommandEnvironment();
  const stack = await lookForStack(env.dataDir);
  if (stack === 'starting') {
    if (options.json === true) printJson({ running: false, starting: true, dataDir: env.dataDir });
    else print(`A stack is starting in ${env.dataDir}, or hangs. Its log is \`logs/stack.log\` there.`);
    throw new QuietFailure();
  }
  if (stack === undefined) {
    if (options.json === true) printJson({ running: false, dataDir: env.dataDir });
    else print(`No stack is running in ${env.dataDir}. \`aimm up\` starts one; so does the first client.`);
    throw new QuietFailure();
  }
  if (options.json === true) printJson({ running: true, ...withoutPasswords(stack.info) });
  else print(formatStackInfo(stack.info));
  await stack.close();
}

/** Where everything is, one fact a line. */
function formatStackInfo(info: StackInfo): string {
  const facts: [string, string][] = [
    ['Stack', `process ${info.pid}, version ${info.version}, since ${new Date(info.startedAt).toISOString()}`],
    ['Kind', info.foreground ? 'in a terminal (`aimm up`)' : 'in the background; leaves when idle'],
    ['Data', info.dataDir],
    ['Redis', withoutPassword(info.redisUrl)],
    ['Database', withoutPassword(info.databaseUrl)],
    ['Workers', String(info.workers)],
    ['Clients', String(info.clients)],
    ...(info.httpUrl === undefined ? [] : [['MCP', info.httpUrl] satisfies [string, string]]),
    ...(info.dashboardUrl === undefined ? [] : [['Dashboard', info.dashboardUrl] satisfies [string, string]]),
    ['Providers', formatProviders(info)],
    ...info.problems.map((problem): [string, string] => [colours.yellow('Problem'), problem]),
  ];
  return facts.map(([name, value]) => `${colours.bold(name.padEnd(10))} ${value}`).join('\n');
}

export function formatProviders(info: Pick<StackInfo, 'demo' | 'configured'>): string {
  if (info.demo) return colours.yellow('DEMO: made-up answers in the place of every provider');
  return info.configured.length === 0 ? colours.yellow('none configured') : info.configured.join(', ');
}

/** For a program that prints or keeps it: no password in it. */
export function withoutPasswords(info: StackInfo): StackInfo {
  return { ...info, redisUrl: withoutPassword(info.redisUrl), databaseUrl: withoutPassword(info.databaseUrl) };
}

/** An address without the password it may hold. */
export function withoutPassword(url: string): string {
  return url.replace(/(:\/\/[^:/@]*):.*@/, '$1:…@').replace(/([?&]password=)[^&]*/, '$1…');
}
