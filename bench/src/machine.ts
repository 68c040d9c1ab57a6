import { createHash } from 'node:crypto';
import { percentile } from './load.ts';

/** How long a fixed computation takes here and now, in milliseconds: figures of two days can be compared by it. */
export interface MachineSpeed {
  median: number;
  /** Far above the median where others take the processor now and then. */
  slowest: number;
}

const rounds = 11;
const message = {
  role: 'user',
  content: 'Say something short. '.repeat(20),
  numbers: Array.from({ length: 50 }, Math.sqrt),
};

/** Writes, reads and hashes JSON, as calls do, a thousand times a round. */
export function measureMachine(): MachineSpeed {
  const took = Array.from({ length: rounds }, () => {
    const startedAt = performance.now();
    for (let time = 0; time < 1_000; time += 1) {
      const copy: unknown = JSON.parse(JSON.stringify({ ...message, time }));
      createHash('sha256').update(JSON.stringify(copy)).digest('hex');
    }
    return performance.now() - startedAt;
  }).toSorted((a, b) => a - b);
  return { median: percentile(took, 0.5), slowest: percentile(took, 1) };
}

export function formatMachine(before: MachineSpeed, after: MachineSpeed): string {
  const [first, last] = [before, after].map(
    ({ median, slowest }) => `${median.toFixed(0)} ms (slowest ${slowest.toFixed(0)})`,
  );
  return `The machine: a fixed computation took ${first} before these runs, ${last} after them`;
}
