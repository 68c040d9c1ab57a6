/** Loaded into a process before its own code (`--import`): its event loop stands still for as long as its parent says. */
process.on('message', (message: { type?: string; ms?: number }) => {
  if (message.type === 'block') Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, message.ms ?? 0);
});
