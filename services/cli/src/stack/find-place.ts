import { lookForStack, type StackInfo, startPatienceMs } from '@aimm/local-stack';
import { toStackDatabaseUrl } from './database-url.ts';

/** What of the environment says where a command acts. */
interface Given {
  dataDir: string;
  REDIS_URL?: string | undefined;
  DATABASE_URL?: string | undefined;
}

/** Where a command acts. */
export interface Place {
  databaseUrl: string;
  /** That of the same deployment; absent where none is known to belong to the database. */
  redisUrl: string | undefined;
}

/**
 * REDIS_URL and DATABASE_URL take the place of the local stack: with the first nobody asks for one, and of one that runs on
 * another database than DATABASE_URL nothing is taken.
 * @throws Error where only a stack could say it, which is not ready within `withinMs`: it may be on another database than the file
 */
export async function findPlace(env: Given, withinMs = startPatienceMs): Promise<Place> {
  if (env.REDIS_URL !== undefined) return toPlace(env, undefined);
  const stack = await lookForStack(env.dataDir, env.DATABASE_URL === undefined ? withinMs : undefined);
  if (stack === 'starting') {
    if (env.DATABASE_URL !== undefined) return toPlace(env, undefined);
    throw new Error(
      `A stack is starting in ${env.dataDir}, or hangs. Try again in a moment, or end it with \`aimm down\`.`,
    );
  }
  await stack?.close();
  return toPlace(env, stack?.info);
}

/** The same where it is known which stack runs. */
export function toPlace(env: Given, stack: Pick<StackInfo, 'databaseUrl' | 'redisUrl'> | undefined): Place {
  const named = toStackDatabaseUrl(env);
  if (env.REDIS_URL !== undefined) return { databaseUrl: named, redisUrl: env.REDIS_URL };
  const databaseUrl = env.DATABASE_URL ?? stack?.databaseUrl ?? named;
  return { databaseUrl, redisUrl: stack?.databaseUrl === databaseUrl ? stack.redisUrl : undefined };
}
