import { setTimeout as delay } from 'node:timers/promises';
import { type Conversation, GenerationResult, ModelManagerError } from '@aimm/contracts';
import { toConversationTurn } from '@aimm/queue';
import type { Caller } from './caller.ts';
import type { Resources } from './resources.ts';

/** A request that has a turn is in the queue so soon after it took the turn; otherwise its front died in between. */
const queuedWithinMs = 10_000;
/** How long to wait for a turn that is answered and not written yet, and when to lend a hand. */
const [landsWithinMs, helpAfterMs, lookEveryMs] = [5_000, 1_000, 20];

/** Finds a conversation that this caller may see. @throws invalid_request; somebody else's is told apart from none by nothing */
export async function requireConversation({ database }: Resources, caller: Caller, id: string): Promise<Conversation> {
  const { conversations } = await database.get();
  const found = await conversations.find(id);
  if (found !== undefined && (caller.admin || found.client === caller.client)) return found;
  throw new ModelManagerError('invalid_request', `There is no conversation "${id.slice(0, 60)}".`, {
    hint: 'list_conversations shows those there are. One begins with save_conversation: true, and is there once its first answer is.',
  });
}

/**
 * Takes the next turn of a conversation for a request, before anything is paid for it. A turn that is answered is waited for until
 * it is written, one whose request failed or vanished is passed over.
 * @throws invalid_request when another request that is under way has the turn, or the conversation is not there for this caller
 */
export async function claimTurn(
  resources: Resources,
  caller: Caller,
  id: string,
  requestId: string,
): Promise<Conversation> {
  const { conversations } = await resources.database.get();
  const startedAt = resources.now();
  let from: string | undefined;
  for (;;) {
    const found = await requireConversation(resources, caller, id);
    const claim = await conversations.claimTurn({ id, version: found.version, requestId, from });
    if (claim.state === 'claimed') return found;
    if (claim.state !== 'held') continue;
    const waitedMs = resources.now() - startedAt;
    const holder = await readHolder(resources, claim, waitedMs > helpAfterMs);
    if (holder === 'busy' || waitedMs > landsWithinMs) throw inUse(id, claim.by);
    if (holder === 'gone') from = claim.by;
    else await delay(lookEveryMs);
  }
}

/** How the request stands that has the turn. `landing`: it is answered, and its turn not written yet. */
async function readHolder(
  { queue, database, now }: Resources,
  { by, since }: { by: string; since: number },
  help: boolean,
): Promise<'busy' | 'landing' | 'gone'> {
  const record = await queue.requests.find(by);
  const untold = now() - since > queuedWithinMs ? 'gone' : 'busy';
  if (record === undefined) return untold;
  if (record.ended !== undefined) return 'gone';
  const { status, outcome } = await queue.requests.readState(record);
  switch (status) {
    case 'queued':
    case 'running':
      return 'busy';
    case 'failed':
    case 'cancelled':
      return 'gone';
    case 'missing':
      return untold;
    case 'succeeded':
      break;
  }
  const payload = help ? await queue.handOver.find(record) : undefined;
  if (payload === undefined || outcome?.status !== 'succeeded') return 'landing';
  // Whoever should have written it may be dead, or wait for its own turn: it is written once, whoever does.
  const turn = toConversationTurn(payload, GenerationResult.parse(outcome.value), now());
  if (turn === undefined) return 'gone';
  const { conversations } = await database.get();
  return conversations.appendTurn(turn).then(
    () => 'landing' as const,
    (error: unknown) => {
      if (error instanceof ModelManagerError && error.code === 'invalid_request') return 'gone';
      throw error;
    },
  );
}

function inUse(id: string, by: string): ModelManagerError {
  return new ModelManagerError(
    'invalid_request',
    `Conversation ${id} waits for the answer of another request (${by}), and takes one turn at a time.`,
    {
      hint: `Nothing was asked. Wait for that job (get_job with job_id ${by} and wait_seconds), or cancel it, then ask again.`,
    },
  );
}
