import { readdir, readFile } from 'node:fs/promises';
import type { Probed } from './heap-probe.ts';
import type { OwnProcess } from './processes.ts';

export const heapProbe = `--import ${new URL('heap-probe.ts', import.meta.url).href}`;

export type ProcessMeasure = 'heapKb' | 'externalKb' | 'residentKb' | 'descriptors' | 'resources';

const kb = 1_024;

/** What is left in a process after garbage collection. Needs one that was started with `heapProbe` in its NODE_OPTIONS. */
export async function measureProcess(own: OwnProcess): Promise<Record<ProcessMeasure, number>> {
  const probed = await new Promise<Probed>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`process ${own.pid} does not answer its probe`)), 20_000);
    const listen = (message: { type?: string }) => {
      if (message.type !== 'probed') return;
      clearTimeout(timer);
      own.child.off('message', listen);
      resolve(message as Probed); // by its type
    };
    own.child.on('message', listen);
    own.child.send({ type: 'probe' });
  });
  const status = await readFile(`/proc/${own.pid}/status`, 'utf8');
  return {
    heapKb: probed.heapUsed / kb,
    externalKb: probed.external / kb,
    resources: probed.resources,
    residentKb: Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1]),
    descriptors: (await readdir(`/proc/${own.pid}/fd`)).length,
  };
}
