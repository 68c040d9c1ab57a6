import type { BatchItem, BatchRecord, BatchSpec } from '@aimm/contracts';
import type { BatchRepository, NewColumn } from '@aimm/database';

export const spec: BatchSpec = { settings: {}, variants: [{ settings: {} }], assertions: [], tags: [] };

export function toItem(number: number, text = `prompt ${number}`): BatchItem {
  return { id: `item-${number}`, messages: [{ role: 'user', content: [{ type: 'text', text }] }] };
}

export function toColumn(number: number, more: Partial<NewColumn> = {}): NewColumn {
  return {
    number,
    provider: 'mistral',
    model: `m${number}`,
    lane: 'queue',
    template: { attempts: 3, timeoutMs: 1_000, settings: {}, warnings: [], expectedNanoUsd: null },
    ...more,
  };
}

/** A batch that runs, with so many items. */
export async function storeBatch(
  batches: BatchRepository,
  id: string,
  { items, columns, client = 'tests' }: { items: number; columns: NewColumn[]; client?: string },
): Promise<void> {
  await batches.create({ id, client, spec }, columns);
  await batches.addItems(
    id,
    0,
    Array.from({ length: items }, (_, number) => toItem(number)),
  );
  await batches.start(id, { items, estimatedNanoUsd: 1_000 }, new Map());
}

export function toRecord(
  batchId: string,
  place: { item: number; column: number; requestId: string },
  more: Partial<BatchRecord> = {},
): BatchRecord {
  return {
    batchId,
    ...place,
    status: 'succeeded',
    text: `answer ${place.item}`,
    costNanoUsd: 100,
    usage: { inputTokens: 10, outputTokens: 5 },
    providerMs: 100 + place.item,
    endedAt: 5_000,
    ...more,
  };
}
