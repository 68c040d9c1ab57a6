import { addCounts, type BatchView } from '@aimm/contracts';
import type { NewColumn, StoredBatch } from '@aimm/database';
import { toDemoMark } from './read-batch.ts';

type Started = Pick<
  StoredBatch,
  'id' | 'client' | 'name' | 'items' | 'estimatedNanoUsd' | 'maxCostNanoUsd' | 'createdAt'
>;

/** How a batch stands at its beginning, by what it was started with: for where the database cannot be asked. */
export function toStartedView(
  { id, client, name, items, estimatedNanoUsd, maxCostNanoUsd, createdAt }: Started,
  columns: readonly NewColumn[],
): BatchView {
  const counts = () => ({ ...addCounts([]), waiting: items });
  return {
    batchId: id,
    client,
    ...(name !== undefined && { name }),
    status: 'running',
    items,
    total: items * columns.length,
    counts: addCounts(columns.map(counts)),
    estimatedCostNanoUsd: estimatedNanoUsd,
    ...(maxCostNanoUsd !== undefined && { maxCostNanoUsd }),
    costNanoUsd: 0,
    ...toDemoMark(columns),
    columns: columns.map(({ template: _template, ...column }) => ({
      column,
      counts: counts(),
      passed: 0,
      asserted: 0,
      assertions: {},
      wins: 0,
      losses: 0,
      ties: 0,
      costNanoUsd: 0,
      unpriced: 0,
      inputTokens: 0,
      outputTokens: 0,
      errors: {},
    })),
    createdAt,
  };
}
