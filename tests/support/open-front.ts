import { createManager, type Manager } from '@aimm/manager';
import { createLogger, loadEnvironment } from '@aimm/runtime';

/** The use cases, opened by the environment of a process that stands for a front. */
export async function openFrontOfProcess(): Promise<Manager> {
  const { env, raw } = loadEnvironment();
  return createManager({
    redisUrl: env.REDIS_URL ?? '',
    databaseUrl: env.DATABASE_URL ?? '',
    configDir: env.configDir,
    raw,
    logger: await createLogger({ name: 'front', level: env.LOG_LEVEL, format: 'json' }),
  });
}
