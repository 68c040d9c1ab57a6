import type { BatchGeneration, BatchItem, BatchView } from '@aimm/contracts';
import type { BatchAsk, BatchOptions, Manager } from '@aimm/manager';
import { expect } from 'vitest';
import { caller } from './asker.ts';

/** Prompts that no other batch has. */
export function toItems(name: string, count: number): BatchItem[] {
  return Array.from({ length: count }, (_, number) => ({
    id: `${name}-${number}`,
    messages: [{ role: 'user', content: [{ type: 'text', text: `<<${name} ${number}>>` }] }],
  }));
}

export function startBatch(
  front: Manager,
  ask: Partial<BatchAsk> & Pick<BatchAsk, 'items'>,
  options?: BatchOptions,
): Promise<BatchView> {
  return front.startBatch(caller, { models: ['mistral/mistral-small-latest'], ...ask }, options);
}

/** Waits until the batch has ended. */
export async function endOfBatch(front: Manager, batchId: string, timeout = 20_000): Promise<BatchView> {
  await expect
    .poll(async () => (await front.getBatch(caller, batchId)).endedAt !== undefined, { timeout, interval: 100 })
    .toBe(true);
  return front.getBatch(caller, batchId);
}

export async function readAllGenerations(front: Manager, batchId: string, limit = 500): Promise<BatchGeneration[]> {
  const all: BatchGeneration[] = [];
  for (let cursor: string | undefined; ;) {
    const page = await front.listBatchGenerations(caller, batchId, { limit, cursor });
    all.push(...page.generations);
    cursor = page.nextCursor;
    if (cursor === undefined) return all;
  }
}
