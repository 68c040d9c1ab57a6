import { ModelManagerError } from '@aimm/contracts';
import { joinStack, type StackConnection, type StackInfo, toStackPaths, withStackSettings } from '@aimm/local-stack';
import { createManager, findKeyVariables, type Manager } from '@aimm/manager';
import {
  ConfigError,
  type Logger,
  type RawEnvironment,
  type RuntimeEnvironment,
  withoutProviderKeys,
} from '@aimm/runtime';
import { fileURLToPath } from 'node:url';
import { isDeepStrictEqual } from 'node:util';
import { forgetProviderKeys } from './env.ts';

export interface ConnectOptions {
  env: RuntimeEnvironment;
  raw: RawEnvironment;
  logger: Logger;
}

/** A manager and, without REDIS_URL, the local stack it stands on. */
export interface ManagerConnection {
  /** Starts the stack again where it has gone away. @throws unavailable */
  manager(): Promise<Manager>;
  /** Tells the stack where this process listens. */
  announce(httpUrl: string): void;
  close(): Promise<void>;
}

/** By address, not by package: a service never imports another. */
const launch = {
  command: process.execPath,
  args: [fileURLToPath(new URL('../../cli/bin/aimm.mjs', import.meta.url)), 'stack'],
};

/**
 * Joins the local stack (or starts it), hands it the keys this process was given, and opens a manager on it; with
 * REDIS_URL set, opens one on that.
 *
 * @throws ConfigError for faults in config/*.json; unavailable when the stack does not start
 */
export async function connectManager({ env, raw, logger }: ConnectOptions): Promise<ManagerConnection> {
  const keyVariables = findKeyVariables({ configDir: env.configDir, raw });
  const join = () => joinStack({ dataDir: env.dataDir, raw, logger, launch, keyVariables });
  const stack = env.REDIS_URL === undefined ? await orUnavailable(join) : undefined;
  forgetProviderKeys(keyVariables);
  const own = withoutProviderKeys(raw, keyVariables);
  let said = stack === undefined ? undefined : toSaid(stack.info);
  try {
    const manager = await createManager({
      raw: stack === undefined ? own : withStackSettings(own, stack.info, logger),
      logger,
      redisUrl: env.REDIS_URL ?? stack?.info.redisUrl ?? '',
      databaseUrl: stack?.info.databaseUrl ?? env.DATABASE_URL ?? `file:${toStackPaths(env.dataDir).databaseFile}`,
      configDir: env.configDir,
      reloadsOnSignal: true,
    });
    return {
      async manager() {
        if (stack !== undefined) goBy(await orUnavailable(() => stack.ensure()));
        return manager;
      },
      announce: (httpUrl) => stack?.announce(httpUrl),
      async close() {
        await manager.close();
        await stack?.close();
      },
    };

    /** Another stack may have started with others. */
    function goBy(info: StackInfo): void {
      if (isDeepStrictEqual(toSaid(info), said)) return;
      said = toSaid(info);
      manager.useEnvironment(withStackSettings(own, info, logger));
    }
  } catch (error) {
    await closeQuietly(stack, logger);
    throw error;
  }
}

/** What a stack says that its clients go by. */
function toSaid({ settings, storesContent }: StackInfo): Pick<StackInfo, 'settings' | 'storesContent'> {
  return { settings, storesContent };
}

async function orUnavailable<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    const message = error instanceof Error ? error.message : 'The local stack could not be started.';
    throw new ModelManagerError('unavailable', message, {
      cause: error,
      hint: 'Nothing was asked. Mend what stands above and call again; `aimm doctor` helps to find it.',
    });
  }
}

async function closeQuietly(stack: StackConnection | undefined, logger: Logger): Promise<void> {
  await stack?.close().catch((error: unknown) => logger.debug({ err: error }, 'Could not leave the local stack'));
}
