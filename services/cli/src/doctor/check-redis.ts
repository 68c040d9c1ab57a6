import type { Logger } from '@aimm/runtime';
import type { Redis, WorkerPresence } from '@aimm/queue';
import { withoutPassword } from '../commands/status.ts';
import { failed, type Finding, ok, warning } from './finding.ts';

/** Deadlines go by Redis' clock, so that a wrong one here does no harm to them; logs and statistics it spoils. */
const noteworthySkewMs = 5_000;
const oldestVersion = 7;

export interface RedisFindings {
  findings: Finding[];
  /** Absent where Redis does not answer. */
  workers?: WorkerPresence[];
}

/** Connects once; whatever is wrong is a finding. `version`: this command's. */
export async function checkRedis(url: string, version: string, logger: Logger): Promise<RedisFindings> {
  const { connectFront, listWorkers, withRedis } = await import('@aimm/queue');
  const redis = connectFront(url, logger);
  // The reason stands in the connection's own event; what a command throws says only that there is none.
  let reason = 'no answer';
  redis.on('error', (error: NodeJS.ErrnoException) => (reason = error.code ?? error.message));
  try {
    return await withRedis(redis, async () => {
      const workers = await listWorkers(redis);
      const server = await checkServer(redis, url);
      return { findings: [...server, ...checkWorkers(workers, version)], workers };
    });
  } catch {
    const mend = url.startsWith('unix:')
      ? '`aimm down`, then start it again; its log is `logs/redis.log` in the data directory.'
      : 'See that it runs, and that REDIS_URL names its host, port and password.';
    return { findings: [failed('Redis', `${withoutPassword(url)} does not answer (${reason}).`, mend)] };
  } finally {
    redis.removeAllListeners('error');
    redis.on('error', () => undefined);
    redis.disconnect();
  }
}

async function checkServer(redis: Redis, url: string): Promise<Finding[]> {
  const startedAt = performance.now();
  await redis.ping();
  const roundTripMs = performance.now() - startedAt;
  const askedAt = Date.now();
  const [[seconds, microseconds], info] = await Promise.all([redis.time(), redis.info()]);
  const answeredAt = Date.now();
  const skewMs = (askedAt + answeredAt) / 2 - (Number(seconds) * 1_000 + Number(microseconds) / 1_000);
  return [
    ok('Redis', `${withoutPassword(url)} answers in ${roundTripMs.toFixed(1)} ms.`),
    ...checkInfo(parseInfo(info)),
    checkSkew('Clock', "This machine's", skewMs),
  ];
}

/** What `INFO` says: version, memory, persistence. A server that hides a field is not blamed for it. */
export function checkInfo(info: ReadonlyMap<string, string>): Finding[] {
  const valkey = info.get('valkey_version');
  const redisVersion = info.get('redis_version') ?? '';
  const name = valkey === undefined ? `Redis ${redisVersion}` : `Valkey ${valkey}`;
  return [
    Number.parseFloat(redisVersion) < oldestVersion
      ? failed('Redis version', `${name} is too old.`, `Redis ${oldestVersion} or newer, or Valkey, is needed.`)
      : ok('Redis version', `${name}.`),
    checkMemory(info),
    checkPersistence(info),
  ];
}

function checkMemory(info: ReadonlyMap<string, string>): Finding {
  const check = 'Redis memory';
  const policy = info.get('maxmemory_policy');
  const [used, most] = [Number(info.get('used_memory')), Number(info.get('maxmemory'))];
  const says = `${info.get('used_memory_human') ?? '?'} used${most > 0 ? ` of ${info.get('maxmemory_human') ?? most}` : ''}, policy ${policy ?? 'not told'}.`;
  if (policy !== undefined && policy !== 'noeviction')
    return failed(
      check,
      `${says} It throws jobs away when memory is short.`,
      '`redis-cli config set maxmemory-policy noeviction`, and the same in its configuration file.',
    );
  if (most > 0 && used > 0.9 * most)
    return warning(check, `${says} It is nearly full.`, 'Give Redis more memory (maxmemory).');
  return ok(check, says);
}

function checkPersistence(info: ReadonlyMap<string, string>): Finding {
  const check = 'Redis persistence';
  if (info.get('aof_last_write_status') === 'err' || info.get('rdb_last_bgsave_status') === 'err')
    return failed(check, 'Its last write to disk failed.', 'Make room on its disk; its own log says what went wrong.');
  if (info.get('aof_enabled') === '0')
    return warning(
      check,
      'No append-only file: a restart loses the jobs since the last snapshot.',
      '`redis-cli config set appendonly yes`, and the same in its configuration file.',
    );
  return ok(check, 'Append-only file.');
}

/** `version`: this command's. */
export function checkWorkers(workers: readonly WorkerPresence[], version: string): Finding[] {
  if (workers.length === 0)
    return [
      failed(
        'Workers',
        'None is running: requests wait.',
        'Start one with `aimm worker`, or the whole stack with `aimm up`.',
      ),
    ];
  const names = workers.map(({ host, pid }) => `${host} (process ${pid})`).join(', ');
  const others = workers.filter((worker) => worker.version !== undefined && worker.version !== version);
  const spooling = workers.filter(({ spoolBytes = 0 }) => spoolBytes > 0);
  return [
    ok('Workers', `${workers.length}: ${names}.`),
    ...others.map(({ host, pid, version: other }) =>
      warning(
        'Worker version',
        `The worker on ${host} (process ${pid}) is of version ${other}; this command is ${version}.`,
        'Bring both to one version and start the worker anew (of the local stack: `aimm down`).',
      ),
    ),
    ...spooling.map(({ host }) =>
      warning(
        'Ledger',
        `A worker on ${host} keeps rows on its disk, since neither the database nor Redis took them.`,
        'They are written once the database is back; see below.',
      ),
    ),
    ...workers
      .filter(({ skewMs = 0 }) => Math.abs(skewMs) > noteworthySkewMs)
      .map(({ host, skewMs = 0 }) => checkSkew('Worker clock', `That of ${host}`, skewMs)),
  ];
}

/** `skewMs`: by how much it is ahead of Redis'. */
function checkSkew(check: string, whose: string, skewMs: number): Finding {
  const off = `${(Math.abs(skewMs) / 1_000).toFixed(skewMs === 0 ? 0 : 1)} s ${skewMs < 0 ? 'behind' : 'ahead of'}`;
  if (Math.abs(skewMs) <= noteworthySkewMs) return ok(check, `${whose} clock agrees with that of Redis.`);
  return warning(
    check,
    `${whose} clock is ${off} that of Redis, which is gone by.`,
    'Let NTP set it: `timedatectl set-ntp true`.',
  );
}

/** `field:value` lines. */
export function parseInfo(info: string): Map<string, string> {
  const pairs = info.split(/\r?\n/).flatMap((line): [string, string][] => {
    const at = line.indexOf(':');
    return at <= 0 || line.startsWith('#') ? [] : [[line.slice(0, at), line.slice(at + 1)]];
  });
  return new Map(pairs);
}
