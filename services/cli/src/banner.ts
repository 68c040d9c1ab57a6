import { type StackInfo, toStackPaths } from '@aimm/local-stack';
import { loadEnvironment } from '@aimm/runtime';
import { colours } from './colours.ts';
import { formatProviders, withoutPassword } from './commands/status.ts';
import { quote } from './complete/shell-words.ts';

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
  const place = findPlaceVariables(info);
  const env = Object.fromEntries(place.map(([name, value]) => [name, withoutPassword(value)]));
  const server = { command: 'node', args: [options.binPath, 'mcp'], ...(place.length > 0 && { env }) };
  const stdio = { mcpServers: { 'ai-model-manager': server } };
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
    `  claude mcp add ${toEnvOptions(place)}ai-model-manager -- node ${options.binPath} mcp`,
    'Any other client over stdio (works from every folder):',
    `  ${JSON.stringify(stdio)}`,
    '',
    colours.dim(options.farewell),
  ].join('\n');
}

/** What a client's environment has to say besides for it to find this stack: without, it would start one in the usual place. */
function findPlaceVariables({ dataDir, redisUrl, databaseUrl, settings = {} }: StackInfo): [string, string][] {
  const { redisSocket, databaseFile } = toStackPaths(dataDir);
  const found: [name: string, value: string | undefined, usual?: string][] = [
    ['AIMM_DATA_DIR', dataDir, loadEnvironment({}).env.dataDir],
    ['AIMM_CONFIG_DIR', settings['AIMM_CONFIG_DIR']],
    ['REDIS_URL', redisUrl, `unix:${redisSocket}`],
    ['DATABASE_URL', databaseUrl, `file:${databaseFile}`],
  ];
  return found.flatMap(([name, value, usual]) => (value === undefined || value === usual ? [] : [[name, value]]));
}

/** `--env` takes every word up to the next option. An address with a password is left to the shell that runs the command. */
function toEnvOptions(place: readonly [string, string][]): string {
  const options = place.map(([name, value]) => {
    if (withoutPassword(value) !== value) return `--env ${name}="$${name}" `;
    return `--env ${name}=${/^[\w@%+=:,./-]+$/.test(value) ? value : quote(value)} `;
  });
  return options.length === 0 ? '' : `${options.join('')}--transport stdio `;
}

/** What becomes of a stack that was joined, once this client leaves it. */
export function toFarewell({ foreground }: Pick<StackInfo, 'foreground'>): string {
  return foreground
    ? 'Ctrl-C leaves it; the stack goes on in its own terminal until that ends it, or `aimm down`.'
    : 'Ctrl-C leaves it; the stack goes on in the background until nobody needs it, or `aimm down`.';
}

function formatDemoNotice(): string {
  return colours.yellow(
    '  DEMO: made-up answers stand in for every provider.\n' +
      '        For real ones set OPENAI_API_KEY, ANTHROPIC_API_KEY, GOOGLE_API_KEY or MISTRAL_API_KEY, or start Ollama.',
  );
}
