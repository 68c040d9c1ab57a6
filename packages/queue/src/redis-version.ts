import { ModelManagerError } from '@aimm/contracts';
import type { Redis } from 'ioredis';

/** The first with flags for scripts: what is paid for is written down even where its memory is full. */
const oldestVersion = 7;

/** Waits for Redis, and looks at what it is. @throws unavailable where it is older than Redis 7 (Valkey is newer) */
export async function requireRedisVersion(redis: Redis): Promise<void> {
  const info = await redis.info('server');
  const version = /^redis_version:(\S+)/m.exec(info)?.[1] ?? '';
  if (!(Number.parseFloat(version) < oldestVersion)) return;
  throw new ModelManagerError('unavailable', `Redis ${version} is too old.`, {
    hint: `Redis ${oldestVersion} or newer, or Valkey, is needed.`,
  });
}
