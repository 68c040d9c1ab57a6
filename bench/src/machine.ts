import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { percentile } from './load.ts';

/** What the machine takes here and now, in milliseconds: figures of two days can be compared by it. */
export interface MachineSpeed {
  /** For a fixed computation. `slowest` is far above the median where others take the processor now and then. */
  median: number;
  slowest: number;
  /** For a byte to a process that sleeps and back. */
  wakeMedian: number;
}

const rounds = 11;
const message = {
  role: 'user',
  content: 'Say something short. '.repeat(20),
  numbers: Array.from({ length: 50 }, Math.sqrt),
};

export async function measureMachine(): Promise<MachineSpeed> {
  return { ...compute(), wakeMedian: await wake() };
}

/** Writes, reads and hashes JSON, as calls do, a thousand times a round. */
function compute(): Omit<MachineSpeed, 'wakeMedian'> {
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

async function wake(): Promise<number> {
  const echo = spawn(process.execPath, ['-e', 'process.stdin.pipe(process.stdout)'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const took: number[] = [];
  for (let round = 0; round < 250; round += 1) {
    // Long enough for both to fall asleep.
    await delay(2);
    const startedAt = performance.now();
    echo.stdin.write('.');
    await once(echo.stdout, 'data');
    // The first ones load it.
    if (round >= 50) took.push(performance.now() - startedAt);
  }
  echo.stdin.end();
  await once(echo, 'exit');
  return percentile(
    took.toSorted((a, b) => a - b),
    0.5,
  );
}

export function formatMachine(before: MachineSpeed, after: MachineSpeed): string {
  const [first, last] = [before, after].map(
    ({ median, slowest }) => `${median.toFixed(0)} ms (slowest ${slowest.toFixed(0)})`,
  );
  const [wakeBefore, wakeAfter] = [before, after].map(({ wakeMedian }) => wakeMedian.toFixed(2));
  return (
    `The machine: a fixed computation took ${first} before these runs, ${last} after them;\n` +
    `  a byte to a sleeping process and back ${wakeBefore} ms before, ${wakeAfter} ms after`
  );
}
