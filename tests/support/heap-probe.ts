/** Loaded into a process before its own code (`--import`): tells its parent, when asked, what is left after garbage collection. */
import { setTimeout as delay } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

export interface Probed {
  type: 'probed';
  heapUsed: number;
  external: number;
  resources: number;
}

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void; // the flag above puts it there

process.on('message', (message: { type?: string }) => {
  if (message.type !== 'probe') return;
  void (async () => {
    for (let round = 0; round < 3; round += 1) {
      collect();
      // What finalizers free is collected in the next round.
      await delay(20);
    }
    const { heapUsed, external } = process.memoryUsage();
    const probed: Probed = { type: 'probed', heapUsed, external, resources: process.getActiveResourcesInfo().length };
    process.send?.(probed);
  })();
});
