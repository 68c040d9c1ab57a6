import type { Command } from 'commander';
import { binPath } from '../stack/bin-path.ts';

/** Commands that are services of their own. The bin starts them directly; here stand their words, and the way there. */
export function addServiceCommands(program: Command): void {
  program
    .command('mcp')
    .description('Speak MCP on stdin and stdout (or over HTTP); joins or starts the local stack')
    .option('--http', 'serve Streamable HTTP at HTTP_HOST:HTTP_PORT (127.0.0.1:3920), path /mcp')
    .addHelpText(
      'after',
      `\nExamples:\n  $ claude mcp add ai-model-manager -- node ${binPath} mcp\n  $ aimm mcp --http\n`,
    )
    .action(() => runService('mcp'));
  program
    .command('worker')
    .description('Call providers for the queue at REDIS_URL, until told to stop')
    .addHelpText(
      'after',
      '\nExamples:\n  $ REDIS_URL=redis://queue:6379 DATABASE_URL=postgresql://… aimm worker\n  $ WORKER_PROVIDERS=openai,anthropic REDIS_URL=redis://queue:6379 aimm worker\n',
    )
    .action(() => runService('worker'));
  program
    .command('dashboard')
    .description('Serve the dashboard at DASHBOARD_HOST:DASHBOARD_PORT (127.0.0.1:3921) for the queue at REDIS_URL')
    .addHelpText(
      'after',
      '\nExamples:\n  $ REDIS_URL=redis://queue:6379 aimm dashboard\n  $ DASHBOARD_PORT=8081 REDIS_URL=redis://queue:6379 aimm dashboard\n',
    )
    .action(() => runService('dashboard'));
}

/** By address, not by package: a service never imports another. */
async function runService(name: 'mcp' | 'worker' | 'dashboard'): Promise<void> {
  await import(new URL(`../../../${name}/src/main.ts`, import.meta.url).href);
}
