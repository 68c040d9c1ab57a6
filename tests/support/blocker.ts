import { existsSync } from 'node:fs';

const look = new Int32Array(new SharedArrayBuffer(4));

/** Loaded into a process before its own code (`--import`): its event loop stands still until the file its parent names is there. */
process.on('message', (message: { type?: string; until?: string }) => {
  if (message.type !== 'block' || message.until === undefined) return;
  while (!existsSync(message.until)) Atomics.wait(look, 0, 0, 20);
});
