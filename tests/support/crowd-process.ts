/** A front of its own process that asks many things at once, and tells its parent what became of each. */
import { toModelManagerError } from '@aimm/contracts';
import type { CrowdMessage, CrowdOrder } from './crowd.ts';
import { operator, toMessages } from './asker.ts';
import { openFrontOfProcess } from './open-front.ts';

const manager = await openFrontOfProcess();
const tell = (message: CrowdMessage) => void process.send?.(message);
const toFailure = (thrown: unknown) => ({ error: toModelManagerError(thrown).toShape() });

process.on('message', (order: CrowdOrder) => void run(order));
process.once('disconnect', () => void manager.close().then(() => process.exit(0)));
// The database is open and Redis connected, so that all that is asked goes at once.
await manager.usage({ client: 'crowd', admin: true }, { from: 0, to: 1 });
await manager.health(operator, { provider: 'mistral' });
tell({ type: 'ready' });

async function run({ asks, token }: CrowdOrder): Promise<void> {
  const caller = (client: string) => ({ client, admin: false, ...token });
  const asked = await Promise.all(
    asks.map(({ client, text, ...ask }) =>
      manager.generate(caller(client), { settings: {}, ...ask, messages: toMessages(text) }).catch(toFailure),
    ),
  );
  tell({ type: 'asked', answers: asked.map((one) => ('error' in one ? one : { requestId: one.requestId })) });
  const ended = await Promise.all(
    asked.map(async (one) => ('error' in one ? one : one.result.then((result) => ({ result }), toFailure))),
  );
  tell({ type: 'ended', answers: ended });
}
