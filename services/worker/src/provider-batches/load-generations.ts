import type { BatchItem, GeneratePayload } from '@aimm/contracts';
import { toBatchPayload } from '../batch/batch-payload.ts';
import type { Held, StepContext } from './keeper-options.ts';

export interface AskedGeneration {
  item: number;
  payload: GeneratePayload;
  /** What the call of this round is in the ledger: its number among all of its request. */
  callNumber: number;
}

const itemsAtOnce = 500;

/** What the submission asks, by the id that it has at the vendor. Held in memory: a submission is bounded in bytes. */
export async function loadGenerations(
  { submission, batch, column }: Held,
  { database }: Pick<StepContext, 'database'>,
): Promise<Map<string, AskedGeneration>> {
  const wanted = new Map(submission.requests.map((request) => [request.item, request]));
  const sorted = [...wanted.keys()].toSorted((a, b) => a - b);
  const contents = new Map<number, BatchItem>();
  for (let at = 0; at < sorted.length;) {
    const from = sorted[at] ?? 0;
    for (const { number, content } of await database.batches.items(batch.id, from, itemsAtOnce)) {
      if (wanted.has(number)) contents.set(number, content);
    }
    while (at < sorted.length && (sorted[at] ?? 0) < from + itemsAtOnce) at += 1;
  }
  return new Map(
    [...contents].map(([item, content]) => {
      const { requestId = '', calls = 0 } = wanted.get(item) ?? {};
      // It has waited since it was taken.
      const payload = toBatchPayload(batch, column, { item, requestId, content, answers: [] }, submission.createdAt);
      return [toVendorId(item), { item, payload, callNumber: calls + 1 }];
    }),
  );
}

export function toVendorId(item: number): string {
  return `i${item}`;
}
