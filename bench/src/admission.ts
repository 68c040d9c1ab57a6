import { randomUUID } from 'node:crypto';
import { createCheckpoints, type LimitScope, toRequestBurst } from '@aimm/queue';
import { Redis } from 'ioredis';

/** What the limits cost in Redis, and how well they are kept. */
export interface AdmissionFigures {
  /** Microseconds in Redis per call: the script that opens a job with no limits asked, and with a provider's, a model's and a client's. */
  openUs: number;
  admitUs: number;
  settleUs: number;
  /** Share of the limit that was used while work waited. */
  utilisation: number;
  /** Calls above limit and burst in the worst window of any length. */
  overshoot: number;
}

const jobs = 3_000;
const audited = { perMinute: 12_000, calls: 800, askers: 50 };
const empty = { calls: [], rows: [], stalledCount: 0 };

/** Against a Redis that nobody else uses at the time. */
export async function measureAdmission(socket: string): Promise<AdmissionFigures> {
  const redis = new Redis({ path: socket });
  const checkpoints = createCheckpoints(redis);
  const lock = async () => {
    const handle = { queue: 'bench', jobId: `job-${randomUUID()}`, token: randomUUID() };
    await redis.set(`{aimm}:bench:${handle.jobId}:lock`, handle.token, 'PX', 60_000);
    return handle;
  };
  const costOf = async (work: () => Promise<void>) => {
    await redis.config('RESETSTAT');
    await work();
    const usec = /cmdstat_evalsha:calls=(\d+),usec=(\d+)/.exec(await redis.info('commandstats'));
    return Number(usec?.[2] ?? 0) / Math.max(1, Number(usec?.[1] ?? 0));
  };
  const free = { requestsPerMinute: 100_000_000, tokensPerMinute: 100_000_000_000, concurrency: 100_000 };
  const scopes: LimitScope[] = [
    { kind: 'provider', id: 'bench', ...free },
    { kind: 'model', id: 'bench/model', ...free },
    { kind: 'client', id: 'bench', ...free },
  ];
  const handles = await Promise.all(Array.from({ length: 2 * jobs }, lock));
  const [plain, limited] = [handles.slice(0, jobs), handles.slice(jobs)];
  const need = { scopes, tokens: 1_000, lane: 'interactive' } as const;
  // Once each, so that loading the scripts is not measured.
  await checkpoints.open(await lock(), empty, need);
  await checkpoints.save(await lock(), { checkpoint: empty });

  const openUs = await costOf(async () => {
    for (const handle of plain) await checkpoints.open(handle, empty);
  });
  const admitUs = await costOf(async () => {
    for (const handle of limited) await checkpoints.open(handle, empty, need);
  });
  const settleUs = await costOf(async () => {
    for (const handle of limited) await checkpoints.save(handle, { checkpoint: empty, ended: { scopes, tokens: 900 } });
  });

  const limit: LimitScope = { kind: 'provider', id: randomUUID(), requestsPerMinute: audited.perMinute };
  const entries: { before: number; after: number }[] = [];
  let left = audited.calls;
  const startedAt = performance.now();
  const ask = async () => {
    while (left > 0) {
      left -= 1;
      const handle = await lock();
      for (;;) {
        const before = performance.now();
        const opened = await checkpoints.open(handle, empty, { scopes: [limit], tokens: 0, lane: 'interactive' });
        if (opened.state !== 'refused') {
          entries.push({ before, after: performance.now() });
          break;
        }
        const { waitMs } = opened.refusal;
        await new Promise((resolve) => setTimeout(resolve, waitMs));
      }
    }
  };
  await Promise.all(Array.from({ length: audited.askers }, ask));
  const tookMs = performance.now() - startedAt;
  redis.disconnect();

  const perMs = audited.perMinute / 60_000;
  const burst = toRequestBurst(audited.perMinute);
  const utilisation = (audited.calls - burst) / (perMs * tookMs);
  return { openUs, admitUs, settleUs, utilisation, overshoot: findOvershoot(entries, perMs, burst) };
}

function findOvershoot(entries: readonly { before: number; after: number }[], perMs: number, burst: number): number {
  const sorted = entries.toSorted((a, b) => a.before - b.before);
  let worst = 0;
  sorted.forEach((from, index) => {
    for (const [offset, to] of sorted.slice(index).entries()) {
      worst = Math.max(worst, Math.floor(offset + 1 - burst - perMs * (to.after - from.before)));
    }
  });
  return worst;
}

export function formatAdmission(figures: AdmissionFigures): string {
  const { openUs, admitUs, settleUs, utilisation, overshoot } = figures;
  const us = (value: number) => `${value.toFixed(0)} µs`;
  return [
    'Limits, in Redis per call',
    `  open ${us(openUs)} without limits, ${us(admitUs)} with all of three scopes; settle ${us(settleUs)}`,
    `  ${(utilisation * 100).toFixed(1)} % of the limit used while work waits (to reach: 95), ${overshoot} calls above limit and burst in any window (to reach: 0)`,
  ].join('\n');
}
