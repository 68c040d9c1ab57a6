/** Latencies in milliseconds, and the rate over the whole run. */
export interface LoadResult {
  p50: number;
  p99: number;
  perSecond: number;
}

/** Calls `once` `count` times with `inFlight` at a time. */
export async function runLoad(
  once: () => Promise<unknown>,
  { count, inFlight }: { count: number; inFlight: number },
): Promise<LoadResult> {
  const latencies: number[] = [];
  const startedAt = performance.now();
  await repeat(
    async () => {
      const at = performance.now();
      await once();
      latencies.push(performance.now() - at);
    },
    count,
    inFlight,
  );
  const tookMs = performance.now() - startedAt;
  latencies.sort((a, b) => a - b);
  return { p50: percentile(latencies, 0.5), p99: percentile(latencies, 0.99), perSecond: (count * 1_000) / tookMs };
}

async function repeat(work: () => Promise<unknown>, count: number, inFlight: number): Promise<void> {
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
