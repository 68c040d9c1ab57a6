/**
 * A process that writes ledger rows one by one: `<url> <name> <count>`. It says `ready`, begins at the first message, and
 * then says how long its event loop was blocked at worst.
 */
import { once } from 'node:events';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { createDatabase } from '@aimm/database';
import { createLedgerRow } from './ledger-rows.ts';

const [url = '', name = '', count = '0'] = process.argv.slice(2);
const inFlight = 4;
const database = await createDatabase({ url });
const write = (index: number) => database.ledger.record([createLedgerRow({ requestId: `gen_${name}_${index}` })]);
// The first write compiles the query, which is not what is measured.
await write(0);
const started = once(process, 'message');
process.send?.('ready');
await started;

const delay = monitorEventLoopDelay({ resolution: 5 });
delay.enable();
// It measures from its second tick on.
await sleep(30);
const startedAt = performance.now();
let next = 1;
const writeOn = async () => {
  while (next < Number(count)) await write(next++);
};
await Promise.all(Array.from({ length: inFlight }, writeOn));
delay.disable();
const tookMs = performance.now() - startedAt;
await database.close();
process.send?.({ blockedMs: delay.max / 1e6, p99Ms: delay.percentile(99) / 1e6, tookMs });
process.disconnect?.();
