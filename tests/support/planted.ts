import { randomBytes } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Redis } from 'ioredis';
import type { FaultStack } from './fault-stack.ts';

const fragmentLength = 12;
const fragment = () => randomBytes(fragmentLength).toString('hex').slice(0, fragmentLength);

/** Any of a key's fragments gives it away: extracts may be cut off in the middle of it. */
export interface PlantedKey {
  key: string;
  fragments: string[];
}

export function plantKey(prefix: string): PlantedKey {
  const fragments = [fragment(), fragment(), fragment()];
  return { key: prefix + fragments.join(''), fragments };
}

/** All that a stack has written anywhere, by place: logs, files, Redis, and what the manager gave out. */
export async function readEverything(stack: FaultStack, given: readonly string[]): Promise<Map<string, string>> {
  const places = new Map<string, string>([['manager', given.join('\n')]]);
  for (const worker of stack.workers) places.set(`log of worker ${worker.pid}`, worker.log());
  const files = await readdir(stack.dir, { recursive: true, withFileTypes: true });
  for (const file of files.filter((entry) => entry.isFile())) {
    const path = join(file.parentPath, file.name);
    places.set(path.slice(stack.dir.length), await readFile(path, 'latin1'));
  }
  const redis = stack.redis.client();
  for (const key of await redis.keys('*')) places.set(`redis ${key}`, `${key} ${await readValue(redis, key)}`);
  return places;
}

/** As it is: a dump may be compressed. */
async function readValue(redis: Redis, key: string): Promise<string> {
  switch (await redis.type(key)) {
    case 'string':
      return (await redis.get(key)) ?? '';
    case 'hash':
      return JSON.stringify(await redis.hgetall(key));
    case 'list':
      return JSON.stringify(await redis.lrange(key, 0, -1));
    case 'set':
      return JSON.stringify(await redis.smembers(key));
    case 'zset':
      return JSON.stringify(await redis.zrange(key, 0, '-1'));
    case 'stream':
      return JSON.stringify(await redis.xrange(key, '-', '+'));
    default:
      return '';
  }
}

/** Where a key, or a part of it, stands. */
export function findLeaks(
  places: ReadonlyMap<string, string>,
  keys: readonly (PlantedKey & { variable: string })[],
): string[] {
  return [...places].flatMap(([place, content]) =>
    keys
      .filter(({ fragments }) => fragments.some((part) => content.includes(part)))
      .map(({ variable, fragments }) => {
        const at = Math.min(...fragments.map((part) => content.indexOf(part)).filter((index) => index >= 0));
        return `${variable} in ${place}: …${content.slice(Math.max(0, at - 200), at + 60)}…`;
      }),
  );
}
