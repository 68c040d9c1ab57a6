import { once } from 'node:events';
import type { Watched } from './watch.ts';

/** What a process has to be started with for its heap to be read. */
export const heapOptions = { NODE_OPTIONS: '--inspect=127.0.0.1:0' };

const mib = 1024 * 1024;

/** What a process keeps, in MiB, once all that it has no use for is collected. */
export async function readHeapMib(own: Watched): Promise<number> {
  const [, address] = /Debugger listening on (ws:\S+)/.exec(own.log()) ?? [];
  if (address === undefined) throw new Error(`${own.name} was not started with heapOptions`);
  const socket = new WebSocket(address);
  await once(socket, 'open');
  const ask = async (id: number, method: string) => {
    socket.send(JSON.stringify({ id, method }));
    for (;;) {
      const [event] = (await once(socket, 'message')) as [{ data: string }]; // the inspector sends text
      const answer = JSON.parse(event.data) as { id?: number; result?: { usedSize?: number } };
      if (answer.id === id) return answer.result;
    }
  };
  await ask(1, 'HeapProfiler.collectGarbage');
  const usage = await ask(2, 'Runtime.getHeapUsage');
  socket.close();
  await once(socket, 'close');
  return (usage?.usedSize ?? 0) / mib;
}
