import type { IncomingMessage, ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import * as z from 'zod';
import { composeDemoAnswer } from './demo-answer.ts';

const ChatRequest = z.object({
  model: z.string(),
  messages: z.array(z.object({ role: z.string(), content: z.string().default('') })),
  stream: z.boolean().default(true),
});

/** Ollama's chat with token counts, which aimock's own does not send: newline-delimited JSON, a few words at a time. */
export async function answerOllamaChat(
  request: IncomingMessage,
  response: ServerResponse,
  pace: { firstMs: number; nextMs: number },
): Promise<void> {
  const parsed = ChatRequest.safeParse(parseJson(await text(request)));
  if (!parsed.success) {
    response.writeHead(400, { 'content-type': 'application/json' }).end(JSON.stringify({ error: 'invalid request' }));
    return;
  }
  const { model, messages, stream } = parsed.data;
  const prompt = messages.findLast((message) => message.role === 'user')?.content ?? '';
  const answer = composeDemoAnswer(model, prompt);
  const line = (content: string, more: object) =>
    `${JSON.stringify({ model, created_at: new Date().toISOString(), message: { role: 'assistant', content }, ...more })}\n`;
  const end = {
    done: true,
    done_reason: 'stop',
    prompt_eval_count: answer.inputTokens,
    eval_count: answer.outputTokens,
  };
  response.writeHead(200, { 'content-type': stream ? 'application/x-ndjson' : 'application/json' });
  if (!stream) {
    response.end(line(answer.text, end));
    return;
  }
  let pauseMs = pace.firstMs;
  for (const piece of answer.text.match(/[\s\S]{1,20}/g) ?? []) {
    await delay(pauseMs);
    if (response.destroyed) return;
    response.write(line(piece, { done: false }));
    pauseMs = pace.nextMs;
  }
  response.end(line('', end));
}

function parseJson(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return undefined; // Answered as an invalid request.
  }
}
