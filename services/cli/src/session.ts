import { findKeyVariables } from '@aimm/catalog';
import { joinStack, type StackConnection, withStackSettings } from '@aimm/local-stack';
import type { Caller, Manager } from '@aimm/manager';
import {
  createLogger,
  loadEnvironment,
  type Logger,
  type RawEnvironment,
  requireNoFaults,
  type RuntimeEnvironment,
  secretsOf,
} from '@aimm/runtime';
import { binPath } from './stack/bin-path.ts';
import { toStackDatabaseUrl } from './stack/database-url.ts';

export interface CommandEnvironment {
  env: RuntimeEnvironment;
  raw: RawEnvironment;
  logger: Logger;
}

/** What a command that asks something holds; `close` lets go of all of it. */
export interface Session extends CommandEnvironment {
  manager: Manager;
  caller: Caller;
  /** Absent when REDIS_URL names the queue. */
  stack: StackConnection | undefined;
  close(): Promise<void>;
}

/** How this command starts a background stack. */
export const stackLaunch = { command: process.execPath, args: [binPath, 'stack'] } as const;

/**
 * Reads the environment; a person at a terminal gets warnings in words, not a log.
 * @throws ConfigError naming every fault
 */
export async function openCommandEnvironment(level?: string): Promise<CommandEnvironment> {
  const { env, raw, faults } = loadEnvironment();
  requireNoFaults(faults);
  const logger = await createLogger({
    name: 'cli',
    level: level ?? (raw['LOG_LEVEL'] === undefined ? 'warn' : env.LOG_LEVEL),
    format: toLogFormat(env, raw),
    secrets: () => secretsOf(raw),
    citesErrors: env.STORE_CONTENT === 'on',
  });
  return { env, raw, logger };
}

/** People read `pretty`, programs `json`; whoever says so decides. */
export function toLogFormat(env: RuntimeEnvironment, raw: RawEnvironment): RuntimeEnvironment['LOG_FORMAT'] {
  return raw['LOG_FORMAT'] === undefined && process.stderr.isTTY ? 'pretty' : env.LOG_FORMAT;
}

/** Joins (or starts) the stack and opens a manager on it. @throws ConfigError, Error */
async function openSession(): Promise<Session> {
  const base = await openCommandEnvironment();
  const { env, raw, logger } = base;
  const stack = env.REDIS_URL === undefined ? await joinOurStack(base) : undefined;
  try {
    // Here, not at the top: most commands need no manager, and it is the largest part.
    const { createManager } = await import('@aimm/manager');
    const manager = await createManager({
      raw: stack === undefined ? raw : withStackSettings(raw, stack.info, logger),
      logger,
      redisUrl: stack?.info.redisUrl ?? env.REDIS_URL ?? '',
      databaseUrl: stack?.info.databaseUrl ?? toStackDatabaseUrl(env),
      configDir: env.configDir,
    });
    return {
      ...base,
      manager,
      caller: { client: 'local', admin: true },
      stack,
      close: async () => {
        await manager.close();
        await stack?.close();
      },
    };
  } catch (error) {
    await stack?.close();
    throw error;
  }
}

/** Joins the stack (or starts it) and hands it this environment's keys. @throws Error as `joinStack` */
export function joinOurStack({ env, raw, logger }: CommandEnvironment): Promise<StackConnection> {
  const keyVariables = findKeyVariables({ configDir: env.configDir, env: raw });
  return joinStack({ dataDir: env.dataDir, raw, logger, launch: stackLaunch, keyVariables });
}

/** Runs `work` in a session and closes it, however it ends. */
export async function withSession<T>(work: (session: Session) => Promise<T>): Promise<T> {
  const session = await openSession();
  try {
    return await work(session);
  } finally {
    await session.close();
  }
}
