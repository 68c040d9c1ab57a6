/** Latencies in milliseconds, and the rate over the whole run. */
export interface LoadResult {
  p50: number;
  p99: number;
  perSecond: number;
}

export interface Load {
  name: string;
  once: () => Promise<unknown>;
}

/**
 * Calls each load's `once` `count` times with `inFlight` at a time, in as many turns of one load after the other as `rounds`
 * says: what the machine does meanwhile happens to all of them. Results in the order of the loads.
 */
export async function runLoads(
  loads: readonly Load[],
  { count, inFlight, rounds }: { count: number; inFlight: number; rounds: number },
): Promise<LoadResult[]> {
  const runs = loads.map(({ once }) => ({ once, latencies: [] as number[], tookMs: 0 }));
  for (let round = 0; round < rounds; round += 1) {
    for (const run of runs) {
      const startedAt = performance.now();
      await repeat(
        async () => {
          const at = performance.now();
          await run.once();
          run.latencies.push(performance.now() - at);
        },
        count / rounds,
        inFlight,
      );
      run.tookMs += performance.now() - startedAt;
    }
  }
  return runs.map(({ latencies, tookMs }) => {
    latencies.sort((a, b) => a - b);
    return { p50: percentile(latencies, 0.5), p99: percentile(latencies, 0.99), perSecond: (count * 1_000) / tookMs };
  });
}

async function repeat(work: () => Promise<void>, count: number, inFlight: number): Promise<void> {
  let left = count;
  const lane = async () => {
    while (left-- > 0) await work();
  };
  await Promise.all(Array.from({ length: inFlight }, lane));
}

/** Nearest rank over sorted values. */
export function percentile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN;
}
