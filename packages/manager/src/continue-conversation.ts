import {
  type Conversation,
  type ConversationMessage,
  type GeneratePayload,
  type GenerationResult,
  type Message,
  ModelManagerError,
  type Warning,
} from '@aimm/contracts';
import { toConversationTurn } from '@aimm/queue';
import { askDatabase } from './ask-database.ts';
import { claimTurn } from './claim-turn.ts';
import type { GenerateAsk, GenerationAnswer } from './asks.ts';
import type { Caller } from './caller.ts';
import type { Resources } from './resources.ts';

/** A conversation whose next turn a request has. */
export interface OpenConversation extends Pick<Conversation, 'id' | 'client' | 'title' | 'version' | 'summary'> {
  /** System messages older than what is in `said`. */
  system: Message[];
  /** What was said, oldest first; turns that are older still are counted in `leftOut`. */
  said: ConversationMessage[];
  leftOut: number;
}

const titleChars = 80;
/** More than any model takes: some two million tokens. What is older stays in the database. */
const mostChars = 8_000_000;
/** An answer does not wait longer for the database. */
const patienceMs = 2_000;

/**
 * Opens the conversation that a request goes on with, or begins; undefined where it is none's. From here the request has its
 * next turn. @throws invalid_request when there is no such conversation for this caller, or another request has the turn
 */
export async function openConversation(
  resources: Resources,
  caller: Caller,
  ask: GenerateAsk,
  requestId: string,
): Promise<OpenConversation | undefined> {
  const { conversationId, saveConversation, messages } = ask;
  if (conversationId === undefined) {
    if (saveConversation !== true) return undefined;
    const id = `conv_${resources.uuid()}`;
    const born = { id, client: caller.client, title: toTitle(messages), version: 0 };
    return { ...born, system: [], said: [], leftOut: 0 };
  }
  const found = await claimTurn(resources, caller, conversationId, requestId);
  const { conversations } = await resources.database.get();
  const recent = await conversations.recent(found.id, { from: 0, maxChars: mostChars });
  return {
    ...found,
    system: recent.system.map(({ message }) => message),
    said: recent.messages,
    leftOut: recent.leftOut,
  };
}

/** Gives the turn back of a request that was not queued; where that fails, it is free again within seconds. */
export function releaseTurn({ database, logger }: Resources, open: OpenConversation, requestId: string): void {
  database
    .get()
    .then(({ conversations }) => conversations.releaseTurn(open.id, requestId))
    .catch((error: unknown) => logger.warn({ err: error, requestId }, 'A turn could not be given back'));
}

/**
 * The answer with its conversation. The worker writes the turn; written here as well, whoever is answered finds it, and answers
 * that took no worker are written at all. What goes wrong becomes a warning: the answer is paid for.
 */
export async function recordTurn(
  { database, queue, now }: Resources,
  payload: GeneratePayload,
  result: GenerationResult,
): Promise<GenerationAnswer> {
  const turn = toConversationTurn(payload, result, now());
  if (turn === undefined) return result;
  const warn = (message: string): Warning[] => [...result.warnings, { code: 'other', message }];
  try {
    await askDatabase(database, patienceMs, ({ conversations }) => conversations.appendTurn(turn));
    return { ...result, conversationId: turn.id };
  } catch (error) {
    if (error instanceof ModelManagerError && error.code === 'invalid_request')
      return { ...result, warnings: warn(`The turn was not added to conversation ${turn.id}: ${error.message}`) };
  }
  const isQueued = await queue.producer.addTurn(turn).then(
    () => true,
    () => false,
  );
  const when = isQueued ? 'once the database takes it' : 'if its worker can reach the database';
  return {
    ...result,
    conversationId: turn.id,
    warnings: warn(`The turn is added to conversation ${turn.id} ${when}: it did not answer in time.`),
  };
}

function toTitle(messages: readonly Message[]): string {
  const text = messages.find(({ role }) => role === 'user')?.content.find((part) => part.type === 'text');
  const line = (text?.text ?? '').replaceAll(/[\s\0]+/g, ' ').trim() || 'Conversation';
  const chars = Array.from(line);
  return chars.length <= titleChars ? line : `${chars.slice(0, titleChars - 1).join('')}…`;
}
