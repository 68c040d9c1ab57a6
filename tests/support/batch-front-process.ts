/** A front of its own process, to be killed while it writes the items of a batch: tells its parent of each piece, and never ends. */
import { setTimeout as delay } from 'node:timers/promises';
import { caller } from './asker.ts';
import { toItems } from './batches.ts';
import { openFrontOfProcess } from './open-front.ts';

const manager = await openFrontOfProcess();
async function* slowly() {
  yield* toItems('cut off', 700);
  await delay(600_000);
}
await manager.startBatch(
  caller,
  { items: slowly(), models: ['mistral/mistral-small-latest'] },
  { onItems: (written) => process.send?.({ written }) },
);
