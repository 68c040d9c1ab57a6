import { Conversation, ConversationMessage, type ConversationTurn, ModelManagerError } from '@aimm/contracts';
import type {
  Conversation as StoredConversation,
  ConversationMessage as StoredMessage,
} from '../generated/sqlite/client.ts';
import type { Client } from './client.ts';
import { listConversations } from './conversation-search.ts';
import type { ConversationRepository } from './database.ts';
import { isUniqueViolation } from './failures.ts';
import type { SearchDialect } from './search-dialects.ts';
import { toStorable, toStorableText } from './storable.ts';

type Turn = ConversationTurn;
type Transaction = Parameters<Parameters<Client['$transaction']>[0]>[0];

/** Messages that are read at once on the way back through a history. */
const pageBack = 500;

/** `now`: epoch milliseconds. */
export function createConversations(client: Client, dialect: SearchDialect, now: () => number): ConversationRepository {
  const find: ConversationRepository['find'] = async (id) => {
    const stored = await client.conversation.findUnique({ where: { id: toStorableText(id) } });
    return stored === null ? undefined : toConversation(stored);
  };
  return {
    find,
    list: (query) => listConversations(client, dialect, query),
    messages: async (conversationId, { after = -1, limit } = {}) => {
      const stored = await client.conversationMessage.findMany({
        where: { conversationId, position: { gt: after } },
        orderBy: { position: 'asc' },
        ...(limit !== undefined && { take: limit }),
      });
      return stored.map(toMessage);
    },
    recent: (id, options) => readRecent(client, id, options),
    async appendTurn(turn) {
      const add = client.$transaction(async (transaction) => {
        await takeVersion(transaction, turn, BigInt(Math.round(now())));
        await addMessages(transaction, turn);
        return toConversation(await transaction.conversation.findUniqueOrThrow({ where: { id: turn.id } }));
      });
      return add.catch(async (error: unknown) => {
        const { id: conversationId, requestId } = turn;
        if (!(error instanceof ModelManagerError) || requestId === undefined) throw error;
        const added = await client.conversationMessage.findFirst({ where: { conversationId, requestId } });
        const conversation = added === null ? undefined : await find(conversationId);
        if (conversation === undefined) throw error;
        return conversation;
      });
    },
    async claimTurn({ id, version, requestId, from }) {
      const { count } = await client.conversation.updateMany({
        where: { id, version, OR: [{ claimedBy: null }, ...(from === undefined ? [] : [{ claimedBy: from }])] },
        data: { claimedBy: requestId, claimedAt: BigInt(Math.round(now())) },
      });
      if (count === 1) return { state: 'claimed' };
      const stored = await client.conversation.findUnique({ where: { id } });
      if (stored === null) return { state: 'missing' };
      const { claimedBy, claimedAt } = stored;
      if (stored.version !== version || claimedBy === null || claimedBy === from) return { state: 'moved' };
      return { state: 'held', by: claimedBy, since: Number(claimedAt) };
    },
    async releaseTurn(id, requestId) {
      const data = { claimedBy: null, claimedAt: null };
      await client.conversation.updateMany({ where: { id, claimedBy: requestId }, data });
    },
    async keepSummary(id, { text, until }) {
      const where = { id, OR: [{ summaryUntil: null }, { summaryUntil: { lt: until } }] };
      await client.conversation.updateMany({ where, data: { summary: toStorable(text), summaryUntil: until } });
    },
    async remove(id) {
      const { count } = await client.conversation.deleteMany({ where: { id } });
      return count === 1;
    },
  };
}

/** Reads back from the newest message until there is enough. */
async function readRecent(
  client: Client,
  conversationId: string,
  { from, maxChars }: Parameters<ConversationRepository['recent']>[1],
): ReturnType<ConversationRepository['recent']> {
  const found: StoredMessage[] = [];
  let chars = 0;
  for (let before: number | undefined; chars < maxChars;) {
    const page = await client.conversationMessage.findMany({
      where: { conversationId, position: { gte: from, ...(before !== undefined && { lt: before }) } },
      orderBy: { position: 'desc' },
      take: pageBack,
    });
    for (const message of page) chars += JSON.stringify(message.content).length;
    found.push(...page);
    before = page.at(-1)?.position;
    if (page.length < pageBack) break;
  }
  const oldest = found.at(-1)?.position ?? from;
  const earlier = { conversationId, position: { lt: oldest } };
  const system = await client.conversationMessage.findMany({
    where: { ...earlier, role: 'system' },
    orderBy: { position: 'asc' },
  });
  const leftOut =
    oldest === from
      ? 0
      : await client.conversationMessage.count({
          where: { conversationId, role: 'user', position: { gte: from, lt: oldest } },
        });
  return { system: system.map(toMessage), messages: found.toReversed().map(toMessage), leftOut };
}

/** Raises the version that the writer saw, or creates the conversation. From here to its end the transaction has it alone. */
async function takeVersion(transaction: Transaction, { id, client, title, version }: Turn, at: bigint): Promise<void> {
  if (version > 0) {
    const data = { version: version + 1, updatedAt: at, claimedBy: null, claimedAt: null };
    const { count } = await transaction.conversation.updateMany({ where: { id, version }, data });
    if (count === 0) throw createConflict(id);
    return;
  }
  const data = { id, client, title: toStorableText(title), version: 1, createdAt: at, updatedAt: at };
  await transaction.conversation.create({ data }).catch((error: unknown) => {
    throw isUniqueViolation(error) ? createConflict(id) : error;
  });
}

async function addMessages(transaction: Transaction, { id, messages }: Turn): Promise<void> {
  const where = { conversationId: id };
  const last = await transaction.conversationMessage.aggregate({ where, _max: { position: true } });
  const next = (last._max.position ?? -1) + 1;
  await transaction.conversationMessage.createMany({
    data: messages.map(({ message, model, requestId, costNanoUsd, usage, createdAt }, index) => ({
      conversationId: id,
      position: next + index,
      role: message.role,
      content: toStorable(message.content),
      model: model ?? null,
      requestId: requestId ?? null,
      costNanoUsd: costNanoUsd === undefined || costNanoUsd === null ? null : BigInt(costNanoUsd),
      ...(usage !== undefined && { usage: toStorable(usage) }),
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
  const { id, client, title, version, summary, summaryUntil: until } = stored;
  return Conversation.parse({
    id,
    client,
    title,
    version,
    createdAt: Number(stored.createdAt),
    updatedAt: Number(stored.updatedAt),
    ...(summary !== null && until !== null && { summary: { text: summary, until } }),
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
    ...(stored.usage !== null && { usage: stored.usage }),
    createdAt: Number(stored.createdAt),
  });
}
