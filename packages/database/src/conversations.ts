import { Conversation, ConversationMessage, ModelManagerError } from '@aimm/contracts';
import type {
  Conversation as StoredConversation,
  ConversationMessage as StoredMessage,
} from '../generated/sqlite/client.ts';
import type { Client } from './client.ts';
import type { ConversationRepository } from './database.ts';
import { isUniqueViolation } from './failures.ts';
import { toStorable } from './storable.ts';

type Turn = Parameters<ConversationRepository['appendTurn']>[0];
type Transaction = Parameters<Parameters<Client['$transaction']>[0]>[0];

/** `now`: epoch milliseconds. */
export function createConversations(client: Client, now: () => number): ConversationRepository {
  return {
    find: async (id) => {
      const stored = await client.conversation.findUnique({ where: { id } });
      return stored === null ? undefined : toConversation(stored);
    },
    messages: async (conversationId, { after = -1, limit } = {}) => {
      const stored = await client.conversationMessage.findMany({
        where: { conversationId, position: { gt: after } },
        orderBy: { position: 'asc' },
        ...(limit !== undefined && { take: limit }),
      });
      return stored.map(toMessage);
    },
    appendTurn: (turn) =>
      client.$transaction(async (transaction) => {
        await takeVersion(transaction, turn, BigInt(Math.round(now())));
        await addMessages(transaction, turn);
        return toConversation(await transaction.conversation.findUniqueOrThrow({ where: { id: turn.id } }));
      }),
  };
}

/** Raises the version that the writer saw, or creates the conversation. From here to its end the transaction has it alone. */
async function takeVersion(transaction: Transaction, { id, client, title, version }: Turn, at: bigint): Promise<void> {
  if (version > 0) {
    const data = { version: version + 1, updatedAt: at };
    const { count } = await transaction.conversation.updateMany({ where: { id, version }, data });
    if (count === 0) throw createConflict(id);
    return;
  }
  const data = { id, client, title, version: 1, createdAt: at, updatedAt: at };
  await transaction.conversation.create({ data }).catch((error: unknown) => {
    throw isUniqueViolation(error) ? createConflict(id) : error;
  });
}

async function addMessages(transaction: Transaction, { id, messages }: Turn): Promise<void> {
  const where = { conversationId: id };
  const last = await transaction.conversationMessage.aggregate({ where, _max: { position: true } });
  const next = (last._max.position ?? -1) + 1;
  await transaction.conversationMessage.createMany({
    data: messages.map(({ message, model, requestId, costNanoUsd, createdAt }, index) => ({
      conversationId: id,
      position: next + index,
      role: message.role,
      content: toStorable(message.content),
      model: model ?? null,
      requestId: requestId ?? null,
      costNanoUsd: costNanoUsd === undefined || costNanoUsd === null ? null : BigInt(costNanoUsd),
      createdAt: BigInt(Math.round(createdAt)),
    })),
  });
}

function createConflict(id: string): ModelManagerError {
  return new ModelManagerError('invalid_request', `Conversation ${id} is not at the version that this turn follows.`, {
    hint: 'Somebody else added a turn meanwhile: read the conversation again and send the turn after its last message.',
  });
}

function toConversation(stored: StoredConversation): Conversation {
  return Conversation.parse({
    ...stored,
    createdAt: Number(stored.createdAt),
    updatedAt: Number(stored.updatedAt),
  });
}

/** Only a message that a request made has a cost; there, null says that the price is unknown. */
function toMessage(stored: StoredMessage): ConversationMessage {
  const cost = stored.costNanoUsd === null ? null : Number(stored.costNanoUsd);
  return ConversationMessage.parse({
    position: stored.position,
    message: { role: stored.role, content: stored.content },
    ...(stored.model !== null && { model: stored.model }),
    ...(stored.requestId !== null && { requestId: stored.requestId, costNanoUsd: cost }),
    createdAt: Number(stored.createdAt),
  });
}
