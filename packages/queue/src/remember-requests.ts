import type { RequestRecord } from '@aimm/contracts';
import type { Redis } from 'ioredis';
import { keys } from './names.ts';
import { rememberLua, rememberScript, toIndexMember } from './request-index.ts';
import { requestTtlMs } from './requests.ts';

/** A hop may be added again, by whoever meets the job that it followed: the record must not go back to it from a later one. */
const rememberHopScript = `${rememberLua}
local known = redis.call('GET', KEYS[1])
local hop = known and string.match(cjson.decode(known)['jobId'], '%-hop(%d+)$')
if hop and tonumber(hop) > tonumber(ARGV[6]) then return 0 end
remember(KEYS[1], KEYS[2], KEYS[3], ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5])
return 1`;

type Scripted = Redis & {
  aimmRemember(record: string, index: string, requesters: string, ...argv: (string | number)[]): Promise<null>;
  aimmRememberHop(record: string, index: string, requesters: string, ...argv: (string | number)[]): Promise<number>;
};

/** Writes what is remembered of a request, and that its client made it. */
export interface RequestMemory {
  remember: (record: RequestRecord, parentId?: string) => Promise<unknown>;
  /** As `remember`; does nothing where the request has gone on to a later hop. */
  rememberHop: (record: RequestRecord, hop: number, parentId?: string) => Promise<unknown>;
}

export function createRequestMemory(redis: Redis): RequestMemory {
  redis.defineCommand('aimmRemember', { numberOfKeys: 3, lua: rememberScript });
  redis.defineCommand('aimmRememberHop', { numberOfKeys: 3, lua: rememberHopScript });
  const toRemembered = (record: RequestRecord, parentId: string | undefined) =>
    [
      keys.request(record.requestId),
      keys.requestsOf(record.client),
      keys.requesters,
      JSON.stringify(record),
      requestTtlMs,
      toIndexMember({ requestId: record.requestId, parentId }),
      record.createdAt,
      record.client,
    ] as const;
  return {
    remember: (record, parentId) => (redis as Scripted).aimmRemember(...toRemembered(record, parentId)),
    rememberHop: (record, hop, parentId) => (redis as Scripted).aimmRememberHop(...toRemembered(record, parentId), hop),
  };
}
