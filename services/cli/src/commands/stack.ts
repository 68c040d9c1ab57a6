import { toStackPaths } from '@aimm/local-stack';
import {
  createLogger,
  createShutdown,
  exitOnUncaught,
  loadEnvironment,
  requireNoFaults,
  secretsOf,
} from '@aimm/runtime';
import type { Command } from 'commander';
import { findStartFaults } from '../find-start-faults.ts';
import { enterStack } from '../stack/enter-stack.ts';
import { runStack } from '../stack/run-stack.ts';
import { stopSignals } from '../stack/stop-signals.ts';

/** The background stack, as clients start it. Leaves by itself when nobody needs it. */
export function addStackCommand(program: Command): void {
  program
    .command('stack', { hidden: true })
    .description('Run the local stack in the background')
    .action(runBackgroundStack);
}

async function runBackgroundStack(): Promise<void> {
  const { env, raw, faults } = loadEnvironment();
  requireNoFaults(faults, findStartFaults(env, raw, { http: false }));
  const secrets = new Set(secretsOf(raw));
  const logger = await createLogger({
    name: 'stack',
    level: env.LOG_LEVEL,
    format: env.LOG_FORMAT,
    secrets: () => [...secrets],
    citesErrors: env.STORE_CONTENT === 'on',
  });
  exitOnUncaught(logger);
  const paths = toStackPaths(env.dataDir);
  const { lock, running } = await enterStack(paths);
  if (lock === undefined) return running.close(); // Somebody was faster: whoever started us joins that one.
  // Longer than the longest of its children may take.
  const shutdown = createShutdown({ logger, graceMs: 60_000, signals: stopSignals() });
  try {
    await runStack({ env, raw, secrets, paths, lock, logger, shutdown, foreground: false, http: false });
  } catch (error) {
    await shutdown.run('the stack did not start');
    throw error;
  }
}
