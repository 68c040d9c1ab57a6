import type { ConversationTurn, GeneratePayload, GenerationResult, MessagePart } from '@aimm/contracts';

/**
 * What a generation adds to its conversation: what was new in the request, and the answer. Undefined where it is no turn of one.
 * `at`: epoch milliseconds.
 */
export function toConversationTurn(
  {
    conversation,
    request,
    requestId,
    enqueuedAt,
  }: Pick<GeneratePayload, 'conversation' | 'request' | 'requestId' | 'enqueuedAt'>,
  result: GenerationResult,
  at: number,
): ConversationTurn | undefined {
  if (conversation === undefined) return undefined;
  const { id, client, title, version, history } = conversation;
  return {
    id,
    client,
    title,
    version,
    requestId,
    messages: [
      ...request.messages.slice(history).map((message) => ({ message, createdAt: enqueuedAt })),
      {
        message: { role: 'assistant', content: toParts(result) },
        model: `${result.provider}/${result.model}`,
        requestId,
        costNanoUsd: result.costNanoUsd,
        usage: result.usage,
        createdAt: at,
      },
    ],
  };
}

/** In the order in which a model says them. A message has one part at least. */
function toParts({ reasoning, text, toolCalls = [] }: GenerationResult): MessagePart[] {
  return [
    ...(reasoning === undefined ? [] : [{ type: 'reasoning' as const, text: reasoning }]),
    ...(text === '' && toolCalls.length > 0 ? [] : [{ type: 'text' as const, text }]),
    ...toolCalls,
  ];
}
