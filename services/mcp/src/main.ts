import {
  ConfigError,
  type ConfigFault,
  createLogger,
  createShutdown,
  exitOnUncaught,
  loadEnvironment,
  type Logger,
  type RawEnvironment,
  requireNoFaults,
  type RuntimeEnvironment,
  type Shutdown,
  secretsOf,
} from '@aimm/runtime';
import type { McpServerFactory } from '@modelcontextprotocol/server';
import manifest from '../package.json' with { type: 'json' };
import { createLazyConnection, type LazyConnection } from './lazy-connection.ts';
import { createMcpServer } from './server.ts';

/** Calls under way may take this long to answer when the process is told to leave. */
const finishWithinMs = 8000;

interface Front {
  env: RuntimeEnvironment;
  logger: Logger;
  shutdown: Shutdown;
  factory: McpServerFactory;
  connection: LazyConnection;
}

async function main(): Promise<void> {
  const http = process.argv.includes('--http');
  const { env, raw, faults } = loadEnvironment();
  requireNoFaults(faults, http ? await findFileFaults(env, raw) : []);
  const secrets = new Set(secretsOf(raw));
  const logger = await createLogger({
    name: 'front',
    level: env.LOG_LEVEL,
    format: env.LOG_FORMAT,
    secrets: () => [...secrets],
    citesErrors: env.STORE_CONTENT === 'on',
  });
  exitOnUncaught(logger);
  const shutdown = createShutdown({ logger, graceMs: finishWithinMs + 4000 });

  const connection = createLazyConnection(async () => {
    // Here, not at the top: queue and database are most of what there is to load, and lists need neither.
    const { connectManager } = await import('./connect-manager.ts');
    return connectManager({ env, raw, logger, secrets });
  });
  shutdown.add('manager', () => connection.close());
  const factory = createMcpServer({
    manager: () => connection.manager(),
    caller: { client: 'local', admin: true },
    version: manifest.version,
    logger,
    maxPromptBytes: env.AIMM_MAX_PROMPT_BYTES,
    // Over stdio it is a child of its client; with a queue elsewhere its files are not what is meant.
    mayReadFiles: !http && env.REDIS_URL === undefined,
    batchRetentionDays: env.BATCH_RETENTION_DAYS,
  });
  await (http ? serveHttp : serveStdio)({ env, logger, shutdown, factory, connection });
}

/** Told before it listens. Over stdio the call that needs the files tells it: a client that sees its server end says nothing. */
async function findFileFaults(env: RuntimeEnvironment, raw: RawEnvironment): Promise<readonly ConfigFault[]> {
  const { findConfigFaults } = await import('@aimm/manager');
  return findConfigFaults({ configDir: env.configDir, raw });
}

/** Until the client closes stdin. */
async function serveStdio({ env, logger, shutdown, factory, connection }: Front): Promise<void> {
  const { startStdio } = await import('./transports/stdio.ts');
  const stdio = startStdio(factory, logger, {
    onListed: () => void import('./warm-up.ts').then(({ warmUp }) => warmUp({ env, connection, logger })),
  });
  shutdown.add('stdio', () => stdio.close());
  await stdio.ended;
  // Nobody is left to answer; what was asked is in the queue. A connection that does not close must not keep us.
  setTimeout(() => process.exit(0), finishWithinMs).unref();
  await shutdown.run('the client has closed stdin');
  process.exit(0);
}

/** Until a signal, or the end of the supervisor that started it. */
async function serveHttp({ env, logger, shutdown, factory, connection }: Front): Promise<void> {
  const [{ startHttp }, { leaveWithParent, reportReady }, { createGate }] = await Promise.all([
    import('./transports/http.ts'),
    import('@aimm/local-stack'),
    import('@aimm/manager'),
  ]);
  leaveWithParent(shutdown);
  const gate = createGate({
    authToken: env.AIMM_AUTH_TOKEN,
    requireToken: env.AIMM_REQUIRE_TOKEN === 'on',
    identify: async (token) => (await connection.manager()).identify(token),
  });
  const transport = await startHttp(factory, env, gate, logger);
  shutdown.add('HTTP', () => transport.close(finishWithinMs));
  logger.info({ url: transport.url }, 'MCP front listens');
  reportReady(transport.url);
  try {
    // Nobody waits for a first call here: connected now, so that faults show now.
    const connected = await connection.connect();
    connected.announce(transport.url);
    void connected
      .manager()
      .then((manager) => manager.warmUp())
      .catch(() => undefined);
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    logger.error({ err: error }, 'No connection yet; the next call tries again');
  }
}

try {
  await main();
} catch (error) {
  process.stderr.write(
    `${error instanceof ConfigError ? error.message : String(error instanceof Error ? error.stack : error)}\n`,
  );
  process.exit(error instanceof ConfigError ? 2 : 1);
}
