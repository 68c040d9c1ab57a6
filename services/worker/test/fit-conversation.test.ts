import { loadCatalog } from '@aimm/catalog';
import type { GeneratePayload, Message } from '@aimm/contracts';
import { expect, test } from 'vitest';
import { fitConversation } from '../src/fit-conversation.ts';

const say = (role: Message['role'], text: string): Message => ({ role, content: [{ type: 'text', text }] });
const textsOf = ({ request }: GeneratePayload) =>
  request.messages.map(({ role, content }) => [
    role,
    ...content.map((part) => (part.type === 'text' ? part.text : part.type)),
  ]);

const messages = [
  say('system', 'sys'),
  say('user', 'summary'),
  say('user', 'q1'),
  say('assistant', 'a1'),
  say('user', 'now'),
];
const dependencies = {
  catalog: loadCatalog({ env: {} }).catalog,
  // A token for each message.
  tokens: { estimate: ({ messages: some }: { messages: readonly Message[] }) => some.length } as never,
};
const payload = {
  provider: 'vllm',
  request: { model: 'm', messages, settings: { maxOutputTokens: 1 } },
  conversation: { history: 4, summaryAt: 1 },
  warnings: [],
} as unknown as GeneratePayload;

test('a summary is sent with what a user says next, so that turns alternate, and stays where turns are left out', () => {
  expect(textsOf(fitConversation(payload, dependencies))).toEqual([
    ['system', 'sys'],
    ['user', 'summary', 'q1'],
    ['assistant', 'a1'],
    ['user', 'now'],
  ]);
  expect(textsOf(fitConversation({ ...payload, contextWindow: 4 }, dependencies))).toEqual([
    ['system', 'sys'],
    ['user', 'summary', 'now'],
  ]);
  expect(payload.request.messages).toBe(messages);
});
