import type { Database } from '@aimm/database';
import { expect } from 'vitest';
import type { Asked } from './soak-client.ts';

/** A conversation that one client holds, turn after turn. */
export interface Talk {
  /** Known from its first answer on. */
  id?: string;
  turns: Asked[];
}

/**
 * What must be true of a conversation after a round: turns that were answered are there, once and in their order, each with the answer
 * its client was told; and nothing that was not asked in it. A turn whose client was cut off may be there or not.
 */
export async function expectTalk(
  { id, turns }: Talk,
  { conversations }: Pick<Database, 'conversations'>,
): Promise<void> {
  if (id === undefined) return;
  const told = turns.filter((turn) => turn.told?.status === 'succeeded' && turn.told.conversation_id === id);
  const expected = told.map(({ prompt, told: end }) => [prompt, end?.text]);
  const read = async () => {
    const messages = await conversations.messages(id);
    const texts = messages.map(({ message }) =>
      message.content.map((part) => (part.type === 'text' ? part.text : '')).join(''),
    );
    return texts.flatMap((text, index) => (index % 2 === 0 ? [[text, texts[index + 1]]] : []));
  };
  const known = async () => (await read()).filter(([prompt]) => told.some((turn) => turn.prompt === prompt));
  await expect.poll(known, { timeout: 30_000, interval: 250 }).toEqual(expected);
  const prompts = (await read()).map(([prompt]) => prompt);
  expect(new Set(prompts).size).toBe(prompts.length);
  expect(prompts.filter((prompt) => !turns.some((turn) => turn.prompt === prompt))).toEqual([]);
}
