import { ModelManagerError } from '@aimm/contracts';
import { joinStack, type StackInfo, toStackPaths, withStackSettings } from '@aimm/local-stack';
import { createManager, findKeyVariables, type Manager } from '@aimm/manager';
import {
  ConfigError,
  type Logger,
  type RawEnvironment,
  type RuntimeEnvironment,
  secretsOf,
  withoutProviderKeys,
} from '@aimm/runtime';
import { fileURLToPath } from 'node:url';
import { isDeepStrictEqual } from 'node:util';
import { forgetProviderKeys } from './env.ts';

export interface ConnectOptions {
  env: RuntimeEnvironment;
  raw: RawEnvironment;
  logger: Logger;
  /** What is never to be logged; the passwords that the stack tells join it. */
  secrets: Set<string>;
}

/** A manager and, without REDIS_URL, the local stack it stands on. */
export interface ManagerConnection {
  /** Starts the stack again where it has gone away; another one where the stack now has another Redis or database. @throws unavailable */
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
export async function connectManager({ env, raw, logger, secrets }: ConnectOptions): Promise<ManagerConnection> {
  const keyVariables = findKeyVariables({ configDir: env.configDir, raw });
  const join = () => joinStack({ dataDir: env.dataDir, raw, logger, launch, keyVariables });
  const stack = env.REDIS_URL === undefined ? await orUnavailable(join) : undefined;
  forgetProviderKeys(keyVariables);
  const own = withoutProviderKeys(raw, keyVariables);
  const open = (info: StackInfo | undefined) => {
    for (const secret of secretsOf({ REDIS_URL: info?.redisUrl, DATABASE_URL: info?.databaseUrl })) secrets.add(secret);
    return createManager({
      raw: info === undefined ? own : withStackSettings(own, info, logger),
      logger,
      redisUrl: env.REDIS_URL ?? info?.redisUrl ?? '',
      databaseUrl: info?.databaseUrl ?? env.DATABASE_URL ?? `file:${toStackPaths(env.dataDir).databaseFile}`,
      configDir: env.configDir,
      reloadsOnSignal: true,
    });
  };
  try {
    let manager = await open(stack?.info);
    let known = stack?.info;
    let following: Promise<void> | undefined;

    /** Another stack may have started with others, and elsewhere. */
    const goBy = async (info: StackInfo) => {
      if (!isDeepStrictEqual(toPlaces(info), toPlaces(known))) {
        const left = manager;
        manager = await open(info);
        // Whoever still waits on it is told that the job goes on.
        void closeQuietly(left, logger);
      } else if (!isDeepStrictEqual(toSaid(info), toSaid(known))) {
        manager.useEnvironment(withStackSettings(own, info, logger));
      }
      known = info;
    };

    return {
      async manager() {
        if (stack !== undefined) {
          const info = await orUnavailable(() => stack.ensure());
          following ??= goBy(info).finally(() => (following = undefined));
          await following;
        }
        return manager;
      },
      announce: (httpUrl) => stack?.announce(httpUrl),
      async close() {
        await manager.close();
        await stack?.close();
      },
    };
  } catch (error) {
    await closeQuietly(stack, logger);
    throw error;
  }
}

/** Where a manager works for as long as it lives. */
function toPlaces(info: StackInfo | undefined): unknown {
  return [info?.redisUrl, info?.databaseUrl];
}

/** What a stack says that its clients go by. */
function toSaid(info: StackInfo | undefined): unknown {
  return [info?.settings, info?.storesContent];
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

async function closeQuietly(held: { close(): Promise<void> } | undefined, logger: Logger): Promise<void> {
  await held
    ?.close()
    .catch((error: unknown) => logger.debug({ err: error }, 'Could not let go of what belongs to the local stack'));
}
