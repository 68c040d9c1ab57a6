import { leaveWithParent, reportReady, StackStartError } from '@aimm/local-stack';
import { createManager, findKeyVariables } from '@aimm/manager';
import { connectFront } from '@aimm/queue';
import {
  ConfigError,
  createLogger,
  createShutdown,
  exitOnUncaught,
  loadEnvironment,
  requireNoFaults,
  secretsOf,
  withoutProviderKeys,
} from '@aimm/runtime';
import { findEndpoints } from './endpoints.ts';
import { ListenError, startDashboard } from './server.ts';
import { toSettings } from './settings.ts';

const graceMs = 8_000;

async function main(): Promise<void> {
  const { env, raw, faults } = loadEnvironment();
  const { settings, faults: settingsFaults } = toSettings(env);
  const { endpoints, faults: endpointFaults } = await findEndpoints(env);
  requireNoFaults(faults, settingsFaults, endpointFaults);

  const secrets = secretsOf({ ...raw, REDIS_URL: endpoints.redisUrl, DATABASE_URL: endpoints.databaseUrl });
  const logger = await createLogger({
    name: 'dashboard',
    level: env.LOG_LEVEL,
    format: env.LOG_FORMAT,
    secrets: () => secrets,
    citesErrors: env.STORE_CONTENT === 'on',
  });
  exitOnUncaught(logger);
  const shutdown = createShutdown({ logger, graceMs });
  leaveWithParent(shutdown);

  const manager = await createManager({
    ...endpoints,
    configDir: env.configDir,
    raw: withoutProviderKeys(raw, findKeyVariables({ configDir: env.configDir, raw })),
    logger,
  });
  shutdown.add('manager', () => manager.close());
  const redis = connectFront(endpoints.redisUrl, logger);
  shutdown.add('redis', () => redis.disconnect());
  const dashboard = await startDashboard({ settings, manager, redis, logger });
  shutdown.add('dashboard', () => dashboard.close());
  logger.info({ url: dashboard.url }, 'Dashboard listens');
  reportReady(dashboard.url);
}

/** What a person can mend is told in a sentence; for the rest the stack says more. */
function describe(error: unknown): string {
  const mendable = [ConfigError, ListenError, StackStartError].some((kind) => error instanceof kind);
  if (!(error instanceof Error)) return String(error);
  return mendable ? error.message : (error.stack ?? error.message);
}

try {
  await main();
} catch (error) {
  process.stderr.write(`${describe(error)}\n`);
  process.exit(error instanceof ConfigError ? 2 : 1);
}
