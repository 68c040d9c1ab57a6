import type { GenerationRequest, ModelManagerError, Warning } from '@aimm/contracts';

/** Whether a call was refused for what was kept with earlier tool calls, and had any of it. */
export function isKeptRefused({ refused }: ModelManagerError, { messages }: GenerationRequest): boolean {
  const hasKept = () =>
    messages.some(({ content }) => content.some((part) => part.type === 'tool_call' && part.vendor !== undefined));
  return refused === 'kept' && hasKept();
}

/** The same request without it: a model loses its thread, which is better than no answer. */
export function withoutKept(request: GenerationRequest): GenerationRequest {
  const messages = request.messages.map((message) => ({
    ...message,
    content: message.content.map((part) => {
      if (part.type !== 'tool_call') return part;
      const { vendor: _vendor, ...call } = part;
      return call;
    }),
  }));
  return { ...request, messages };
}

export function leftOutKept(model: string): Warning {
  const message = `What was kept of the reasoning before earlier tool calls was left out of the prompt: ${model} refused it.`;
  return { code: 'other', message };
}
