import { findKeyVariables } from '@aimm/catalog';
import { type StackInfo, toStackPaths } from '@aimm/local-stack';
import {
  createLogger,
  createShutdown,
  exitOnUncaught,
  loadEnvironment,
  requireNoFaults,
  type RuntimeEnvironment,
  type Shutdown,
  secretsOf,
  withoutProviderKeys,
} from '@aimm/runtime';
import type { Command } from 'commander';
import { stderrColours } from '../colours.ts';
import { findStartFaults } from '../find-start-faults.ts';
import { formatBanner, toFarewell } from '../banner.ts';
import { print, printJson } from '../output.ts';
import { type CommandEnvironment, joinOurStack, toLogFormat } from '../session.ts';
import { binPath } from '../stack/bin-path.ts';
import { withoutPassword, withoutPasswords } from './status.ts';
import { enterStack } from '../stack/enter-stack.ts';
import { chooseFacePorts } from '../stack/face-ports.ts';
import { runStack } from '../stack/run-stack.ts';
import { hasTerminal, stopSignals } from '../stack/stop-signals.ts';
import { superviseProcess } from '../stack/supervised-process.ts';

/** How long the banner waits for every process to say that it works. */
const bannerPatienceMs = 20_000;

interface UpOptions {
  /** False with `--no-http`. */
  http: boolean;
  json?: boolean;
}

export function addUpCommand(program: Command): void {
  program
    .command('up')
    .description('Run everything in this terminal: queue, workers, MCP over HTTP, dashboard')
    .option('--no-http', 'without the HTTP front')
    .option('--json', 'once it is up, print where everything is as JSON in place of the banner')
    .addHelpText(
      'after',
      '\nExamples:\n  $ aimm up\n  $ WORKER_COUNT=4 HTTP_PORT=8080 aimm up\n  $ REDIS_URL=redis://queue:6379 DATABASE_URL=postgresql://… aimm up\n',
    )
    .action(up);
}

async function up({ http, json }: UpOptions): Promise<void> {
  const { env, raw: given, faults } = loadEnvironment();
  requireNoFaults(faults, findStartFaults(env, given, { http }));
  const format = toLogFormat(env, given);
  // The children log as we do.
  const raw = { ...given, LOG_FORMAT: format };
  const secrets = new Set(secretsOf(raw));
  const logger = await createLogger({
    name: 'stack',
    level: env.LOG_LEVEL,
    format,
    secrets: () => [...secrets],
    citesErrors: env.STORE_CONTENT === 'on',
  });
  exitOnUncaught(logger);
  const paths = toStackPaths(env.dataDir);
  const { lock, running } = await enterStack(paths);
  if (lock === undefined) {
    await running.close();
    return joinRunning({ env, raw, logger }, running.info, { http, json });
  }
  const shutdown = createShutdown({ logger, graceMs: 60_000, signals: stopSignals() });
  try {
    const stack = await runStack({ env, raw, secrets, paths, lock, logger, shutdown, foreground: true, http });
    await stack.settled(bannerPatienceMs);
    if (shutdown.signal.aborted) return;
    if (json === true) printJson(withoutPasswords(stack.info()));
    else print(toBanner(env, stack.info(), 'Ctrl-C stops everything.'));
  } catch (error) {
    await shutdown.run('the stack did not start');
    throw error;
  }
}

/** A stack runs already: holds on to it, and adds the HTTP front if there is none. */
async function joinRunning(
  { env, raw, logger }: CommandEnvironment,
  found: StackInfo,
  { http, json }: UpOptions,
): Promise<void> {
  if (env.REDIS_URL !== undefined && env.REDIS_URL !== found.redisUrl) {
    throw new Error(
      `A stack with another Redis (${withoutPassword(found.redisUrl)}) runs in ${env.dataDir}. End it with \`aimm down\`, or choose another AIMM_DATA_DIR.`,
    );
  }
  const shutdown = createShutdown({ logger, graceMs: 15_000, signals: stopSignals() });
  const stack = await joinOurStack({ env, raw, logger });
  shutdown.add('stack', () => stack.close());
  stack.onLost((reason) => {
    // A crash is mended by the connection itself.
    if (reason !== 'stopped') return;
    process.stderr.write('The stack was stopped.\n');
    process.kill(process.pid, 'SIGTERM');
  });
  const missing = http && stack.info.httpUrl === undefined;
  const joining = `A stack runs already in ${env.dataDir} (process ${stack.info.pid}): joining it.`;
  process.stderr.write(`${stderrColours.yellow(joining)}${missing ? ' Starting the HTTP front beside it.' : ''}\n`);
  const httpUrl = missing ? await startFront({ env, raw, logger }, shutdown) : stack.info.httpUrl;
  const info = { ...stack.info, ...(httpUrl !== undefined && { httpUrl }) };
  if (json === true) return printJson(withoutPasswords(info));
  print(toBanner(env, info, toFarewell(info)));
}

function toBanner(env: RuntimeEnvironment, info: StackInfo, farewell: string): string {
  const token = env.AIMM_AUTH_TOKEN === undefined ? 'aimm_…' : '$AIMM_AUTH_TOKEN';
  const isAsked = env.AIMM_AUTH_TOKEN !== undefined || env.AIMM_REQUIRE_TOKEN === 'on';
  return formatBanner(info, { binPath, token: isAsked ? token : undefined, farewell });
}

/** The front joins the stack by itself and tells it its address. Gives that address, if it listens soon enough. */
async function startFront({ env, raw, logger }: CommandEnvironment, shutdown: Shutdown): Promise<string | undefined> {
  const ready = Promise.withResolvers<string | undefined>();
  const own = await chooseFacePorts(env, raw, { faces: ['HTTP'], logger });
  const keyVariables = findKeyVariables({ configDir: env.configDir, env: raw });
  const front = superviseProcess({
    name: 'HTTP front',
    args: [binPath, 'mcp', '--http'],
    environment: () => ({ ...withoutProviderKeys(raw, keyVariables), ...own, AIMM_DATA_DIR: env.dataDir }),
    onReady: ({ url }) => ready.resolve(url),
    logger,
    graceMs: 10_000,
  });
  shutdown.add('front', () => front.stop());
  if (!hasTerminal()) process.on('SIGHUP', () => front.reload());
  const timer = setTimeout(() => ready.resolve(undefined), bannerPatienceMs);
  const url = await ready.promise;
  clearTimeout(timer);
  return url;
}
