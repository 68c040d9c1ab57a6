import type { Redis } from 'ioredis';

/** A call that its limits let start, as Redis saw it. Times in milliseconds of Redis' own clock, as the script read it. */
export interface AdmittedCall {
  jobId: string;
  at: number;
  /** Tokens reserved for it; absent where no limit of its counts tokens. */
  reserved?: number;
  /** Since when what it really used counts. */
  settledAt?: number;
}

/** Every admission of a Redis, in the order it made them. */
export interface AdmissionLog {
  readonly calls: readonly AdmittedCall[];
}

/**
 * Reads along what the admission script writes (`MONITOR`): which job, when by the clock that it decided by, what it reserved.
 * What happens between that and the vendor (event loops, sockets, other people's processes) is not in it.
 */
export async function watchAdmissions(redis: Redis): Promise<AdmissionLog> {
  const calls: AdmittedCall[] = [];
  const byJob = new Map<string, AdmittedCall>();
  const reservedBy = new Map<string, number>();
  const monitor = await redis.monitor();
  monitor.on('error', () => undefined);
  monitor.on('monitor', (time: string, [name = '', key = '', ...rest]: string[], source: string) => {
    if (source !== 'lua') return;
    const jobId = key.slice(key.lastIndexOf(':') + 1);
    switch (name.toLowerCase()) {
      case 'hset':
        if (rest[0] === 'aimm:reserved') reservedBy.set(jobId, Number.parseInt(rest[1] ?? '', 10));
        return;
      case 'hdel': {
        const call = byJob.get(jobId);
        if (rest[0] === 'aimm:reserved' && call !== undefined) call.settledAt ??= Number(time) * 1_000;
        return;
      }
      case 'zadd': {
        const [option, at, member = ''] = rest;
        const id = member.slice(member.indexOf(':') + 1);
        if (key !== '{aimm}:unsettled' || option !== 'NX' || byJob.has(id)) return;
        const reserved = reservedBy.get(id);
        const call = { jobId: id, at: Number(at), ...(reserved !== undefined && { reserved }) };
        byJob.set(id, call);
        calls.push(call);
      }
    }
  });
  return { calls };
}
