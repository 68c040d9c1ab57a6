import type { ProviderResponse, StreamPart } from './model-provider.ts';

/**
 * Reads a provider's stream to its end.
 *
 * @throws whatever the stream throws; a stream without `finish` is a fault of its adapter
 */
export async function drainStream(stream: AsyncIterable<StreamPart>): Promise<ProviderResponse> {
  const response: Omit<ProviderResponse, 'finishReason' | 'usage'> = { text: '', toolCalls: [], warnings: [] };
  let finish: Extract<StreamPart, { type: 'finish' }> | undefined;
  for await (const part of stream) {
    switch (part.type) {
      case 'text':
        response.text += part.text;
        break;
      case 'reasoning':
        if (part.text !== '') response.reasoning = (response.reasoning ?? '') + part.text;
        break;
      case 'tool_call':
        response.toolCalls.push(part.call);
        break;
      case 'warning':
        response.warnings.push(part.warning);
        break;
      case 'usage':
      case 'served':
        break;
      case 'finish':
        finish = part;
        break;
    }
  }
  if (finish === undefined) throw new Error('a stream ended without its finish part');
  const { type: _type, ...end } = finish;
  return { ...response, ...end };
}
