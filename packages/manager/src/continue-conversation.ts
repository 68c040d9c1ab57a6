import { type Conversation, type GenerationResult, type Message, ModelManagerError } from '@aimm/contracts';
import type { Caller, GenerateAsk, GenerationAnswer } from './manager.ts';
import type { Resources } from './resources.ts';

interface OpenConversation {
  /** The whole history with what is asked now. */
  messages: Message[];
  /** Appends the turn, where the conversation is kept. A conflict or a database that is away becomes a warning: the answer is paid for. */
  save(result: GenerationResult): Promise<GenerationAnswer>;
}

const titleChars = 80;

/** @throws invalid_request when there is no such conversation for this caller */
export async function continueConversation(
  { database, uuid, now }: Resources,
  caller: Caller,
  ask: GenerateAsk,
): Promise<OpenConversation> {
  const { conversationId, saveConversation, messages } = ask;
  if (conversationId === undefined && saveConversation !== true) {
    return { messages, save: (result) => Promise.resolve(result) };
  }
  const { conversations } = await database.get();
  const existing = conversationId === undefined ? undefined : await conversations.find(conversationId);
  if (conversationId !== undefined && !isVisible(existing, caller)) {
    throw new ModelManagerError('invalid_request', `There is no conversation "${conversationId}".`, {
      hint: 'Start one with save_conversation: true; the answer names its conversation_id.',
    });
  }
  const history =
    existing === undefined ? [] : (await conversations.messages(existing.id)).map(({ message }) => message);
  const id = existing?.id ?? `conv_${uuid()}`;

  return {
    messages: [...history, ...messages],
    async save(result) {
      const answer: Message = {
        role: 'assistant',
        content: [{ type: 'text', text: result.text }, ...(result.toolCalls ?? [])],
      };
      const createdAt = now();
      try {
        await conversations.appendTurn({
          id,
          client: existing?.client ?? caller.client,
          title: existing?.title ?? toTitle(messages),
          version: existing?.version ?? 0,
          messages: [
            ...messages.map((message) => ({ message, createdAt })),
            {
              message: answer,
              model: `${result.provider}/${result.model}`,
              requestId: result.requestId,
              costNanoUsd: result.costNanoUsd,
              createdAt,
            },
          ],
        });
        return { ...result, conversationId: id };
      } catch (error) {
        const reason = error instanceof ModelManagerError ? error.message : 'the database did not take it';
        return {
          ...result,
          warnings: [
            ...result.warnings,
            { code: 'other', message: `The turn was not added to conversation ${id}: ${reason}` },
          ],
        };
      }
    },
  };
}

function isVisible(conversation: Conversation | undefined, caller: Caller): boolean {
  return conversation !== undefined && (caller.admin || conversation.client === caller.client);
}

function toTitle(messages: readonly Message[]): string {
  const text = messages.find(({ role }) => role === 'user')?.content.find((part) => part.type === 'text');
  const line = (text?.text ?? 'Conversation').replaceAll(/\s+/g, ' ').trim();
  return line.length <= titleChars ? line : `${line.slice(0, titleChars - 1)}…`;
}
