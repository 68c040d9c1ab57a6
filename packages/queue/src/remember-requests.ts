import type { RequestRecord } from '@aimm/contracts';
import type { Redis } from 'ioredis';
import { keys } from './names.ts';
import { rememberLua, toIndexMember } from './request-index.ts';
import { toRecordTtlMs } from './requests.ts';

/**
 * A job may be added again, by whoever meets the one that it followed: the record must not go back to it from a later one, nor from its
 * end. Nor does it name a hop that is not there: nobody would add that again. KEYS: record, index, requesters, the job. ARGV: record, its
 * life in ms, member, epoch ms, client, hop.
 */
const rememberScript = `${rememberLua}
if ARGV[6] ~= '0' and redis.call('EXISTS', KEYS[4]) == 0 then return -1 end
local known = redis.call('GET', KEYS[1])
if known then
  local record = cjson.decode(known)
  if record['ended'] then return 0 end
  local hop = string.match(record['jobId'], '%-hop(%d+)$')
  if hop and tonumber(hop) > tonumber(ARGV[6]) then return 0 end
end
remember(KEYS[1], KEYS[2], KEYS[3], ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5])
return 1`;

type Scripted = Redis & {
  aimmRemember(
    record: string,
    index: string,
    requesters: string,
    job: string,
    ...argv: (string | number)[]
  ): Promise<number>;
};

/** Writes what is remembered of a request, and that its client made it. */
export interface RequestMemory {
  /**
   * Does nothing where the request has ended, or gone on to a later hop. A hop's is sent behind its add, in the same burst; `missing`: its
   * job is not there.
   */
  remember: (record: RequestRecord, parentId?: string, hop?: number) => Promise<'remembered' | 'missing'>;
}

export function createRequestMemory(redis: Redis): RequestMemory {
  redis.defineCommand('aimmRemember', { numberOfKeys: 4, lua: rememberScript });
  const toRemembered = (record: RequestRecord, parentId: string | undefined) =>
    [
      keys.request(record.requestId),
      keys.requestsOf(record.client),
      keys.requesters,
      keys.job(record.queue, record.jobId),
      JSON.stringify(record),
      toRecordTtlMs(record),
      toIndexMember({ requestId: record.requestId, parentId }),
      record.createdAt,
      record.client,
    ] as const;
  return {
    remember: async (record, parentId, hop = 0) =>
      (await (redis as Scripted).aimmRemember(...toRemembered(record, parentId), hop)) < 0 ? 'missing' : 'remembered',
  };
}
