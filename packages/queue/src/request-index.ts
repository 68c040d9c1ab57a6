import type { RequestRecord } from '@aimm/contracts';
import type { Redis } from 'ioredis';
import { withRedis } from './connection.ts';
import { keys } from './names.ts';

/** What asks for more than this in a day loses sight of its oldest; they can still be read by id. */
const mostPerClient = 10_000;

/**
 * Which requests a client has made, newest last. A member is `<uuid>:<kind>` and the uuid begins with the time (UUIDv7), so
 * that members sort by time and are found by it; their scores are all 0. What is older than a record is dropped by who reads.
 *
 * `remember(record, index, requesters, json, ttlMs, member, at, client)` writes a request's record together with its entry.
 */
export const rememberLua = `
local function remember(record, index, requesters, json, ttlMs, member, at, client)
  redis.call('SET', record, json, 'PX', ttlMs)
  if member == '' then return end
  redis.call('ZADD', index, 0, member)
  redis.call('ZREMRANGEBYRANK', index, 0, -${mostPerClient + 1})
  redis.call('PEXPIRE', index, ttlMs)
  redis.call('ZADD', requesters, at, client)
end`;

/** A request in its client's index; '' for what is part of another, and found there. */
export function toIndexMember({ requestId, parentId }: { requestId: string; parentId?: string | undefined }): string {
  if (parentId !== undefined) return '';
  const [kind = '', uuid = ''] = requestId.split('_');
  return `${uuid}:${kind}`;
}

export interface IndexQuery {
  /** Absent: everybody's. */
  client?: string | undefined;
  kind?: RequestRecord['kind'] | undefined;
  /** The id that the page before ended with. */
  before?: string | undefined;
  limit: number;
}

/** Newest first. @throws unavailable */
export type ListRequestIds = (query: IndexQuery, since: number) => Promise<string[]>;

const prefixes: Readonly<Record<RequestRecord['kind'], string>> = {
  generation: 'gen',
  comparison: 'cmp',
  batch: 'bat',
};

/** Of several clients the newest are taken: each is asked for a whole page, which may be from one of them alone. */
export function createListRequestIds(redis: Redis): ListRequestIds {
  const readOne = async (client: string, { kind, before, limit }: IndexQuery, oldest: string): Promise<string[]> => {
    const found: string[] = [];
    let max = before === undefined ? '+' : `(${toIndexMember({ requestId: before })}`;
    while (found.length < limit) {
      const members = await redis.zrange(keys.requestsOf(client), max, oldest, 'BYLEX', 'REV', 'LIMIT', 0, limit);
      found.push(...members.filter((member) => kind === undefined || member.endsWith(`:${prefixes[kind]}`)));
      const last = members.at(-1);
      if (last === undefined || members.length < limit) break;
      max = `(${last}`;
    }
    return found.slice(0, limit);
  };

  return (query, since) =>
    withRedis(redis, async () => {
      const oldest = `[${toUuidTime(since)}`;
      const clients =
        query.client === undefined ? await redis.zrange(keys.requesters, since, '+inf', 'BYSCORE') : [query.client];
      void dropOld(redis, clients, oldest, since);
      const lists = await Promise.all(clients.map((client) => readOne(client, query, oldest)));
      const newest = lists.flat().toSorted((a, b) => (a < b ? 1 : -1));
      return newest.slice(0, query.limit).map((member) => {
        const [uuid = '', kind = ''] = member.split(':');
        return `${kind}_${uuid}`;
      });
    });
}

async function dropOld(redis: Redis, clients: readonly string[], oldest: string, since: number): Promise<void> {
  const work = redis.pipeline().zremrangebyscore(keys.requesters, '-inf', `(${since}`);
  for (const client of clients) work.zremrangebylex(keys.requestsOf(client), '-', oldest.replace('[', '('));
  // Whoever reads next does it again.
  await work.exec().catch(() => undefined);
}

/** How a UUIDv7 of this time begins. */
function toUuidTime(epochMs: number): string {
  const hex = Math.max(0, Math.floor(epochMs)).toString(16).padStart(12, '0');
  return `${hex.slice(0, 8)}-${hex.slice(8)}`;
}
