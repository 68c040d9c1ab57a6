import { type GenerationResult, ModelManagerError } from '@aimm/contracts';
import { within } from '@aimm/runtime/within';
import type { OpenConversation } from './continue-conversation.ts';
import type { Accepted, GenerateAsk, GenerationAnswer } from './asks.ts';
import type { Resources } from './resources.ts';
import type { Summarise } from './summarise-history.ts';

/** A summary that takes longer is not waited for; it is kept for the next turn. */
const withinMs = 30_000;
const longestTokens = 2_000;
/** A turn without a job is free again after ten seconds. */
const renewEveryMs = 3_000;

/**
 * Has summaries written by the cheapest model that takes them: each is a generation of its own, which the ledger has under the
 * request's tags. `requestId` is the request that has the conversation's turn, and keeps it meanwhile.
 */
export function createSummarise(
  { database, logger }: Pick<Resources, 'database' | 'logger'>,
  { tags, timeoutMs }: GenerateAsk,
  { requestId, conversation }: { requestId: string; conversation: OpenConversation | undefined },
  generate: (ask: GenerateAsk) => Promise<Accepted<GenerationAnswer>>,
): Summarise {
  return async (messages, until) => {
    if (conversation === undefined) throw new TypeError('only a conversation is summed up');
    const { id, version } = conversation;
    const keep = async (made: GenerationResult): Promise<GenerationResult> => {
      const text = made.text.trim();
      if (text === '') throw new ModelManagerError('server_error', 'The model wrote no summary.');
      await database.get().then(({ conversations }) => conversations.keepSummary(id, { text, until }));
      return { ...made, text };
    };
    const renew = () =>
      database
        .get()
        .then(({ conversations }) => conversations.claimTurn({ id, version, requestId, from: requestId }))
        .catch((error: unknown) => logger.warn({ err: error, requestId }, 'A turn could not be kept'));
    const renewal = setInterval(() => void renew(), renewEveryMs).unref();
    const write = async () => {
      const settings = { maxOutputTokens: longestTokens };
      const { result } = await generate({ messages, settings, route: 'cheapest', tags, timeoutMs });
      return keep(await result);
    };
    try {
      return await within(withinMs, write(), () => {
        throw new ModelManagerError('timeout', 'The summary takes too long.');
      });
    } finally {
      clearInterval(renewal);
    }
  };
}
