import type { StackInfo } from '@aimm/local-stack';
import { colours } from './colours.ts';
import { formatProviders, withoutPassword } from './commands/status.ts';

/** What a person needs once everything runs: where it is, who answers, and how to connect a client. */
export function formatBanner(
  info: StackInfo,
  options: { binPath: string; token: string | undefined; farewell: string },
): string {
  const { httpUrl, dashboardUrl, redisUrl, databaseUrl, dataDir } = info;
  const rows: [string, string][] = [
    ['MCP over HTTP', httpUrl ?? colours.dim('not running')],
    ['Dashboard', dashboardUrl === undefined ? colours.dim('not running') : new URL('/queues', dashboardUrl).href],
    ['Providers', formatProviders(info)],
    ['Data', dataDir],
    ['Redis', withoutPassword(redisUrl)],
    ['Database', withoutPassword(databaseUrl)],
  ];
  const stdio = { mcpServers: { 'ai-model-manager': { command: 'node', args: [options.binPath, 'mcp'] } } };
  const header = options.token === undefined ? '' : ` --header "Authorization: Bearer ${options.token}"`;
  return [
    '',
    colours.bold('AI Model Manager is up'),
    ...(info.demo ? [formatDemoNotice()] : []),
    ...rows.map(([name, value]) => `  ${name.padEnd(14)} ${value}`),
    ...info.problems.map((problem) => `  ${colours.yellow('Problem'.padEnd(14))} ${problem}`),
    '',
    'Connect Claude Code:',
    ...(httpUrl === undefined ? [] : [`  claude mcp add --transport http ai-model-manager ${httpUrl}${header}`]),
    `  claude mcp add ai-model-manager -- node ${options.binPath} mcp`,
    'Any other client over stdio (works from every folder):',
    `  ${JSON.stringify(stdio)}`,
    '',
    colours.dim(options.farewell),
  ].join('\n');
}

function formatDemoNotice(): string {
  return colours.yellow(
    '  DEMO: made-up answers stand in for every provider.\n' +
      '        For real ones set OPENAI_API_KEY, ANTHROPIC_API_KEY, GOOGLE_API_KEY or MISTRAL_API_KEY, or start Ollama.',
  );
}
