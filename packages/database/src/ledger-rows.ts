import { LedgerRow } from '@aimm/contracts';
import type { UsageStat } from '../generated/sqlite/client.ts';

/** What names a row of `usage_stats`. */
export const keyColumns = ['request_id', 'call_number'] as const;

const valueColumns = [
  'parent_id',
  'provider',
  'model',
  'answered_by',
  'status',
  'error_code',
  'client',
  'tags',
  'lane',
  'input_tokens',
  'output_tokens',
  'cache_read_tokens',
  'cache_write_tokens',
  'reasoning_tokens',
  'estimated',
  'cost_nano_usd',
  'price_version',
  'saved_nano_usd',
  'cached',
  'demo',
  'queue_ms',
  'first_token_ms',
  'provider_ms',
  'started_at',
  'finished_at',
] as const;

/** Every column of `usage_stats`, and which of them a better row replaces. */
export const ledgerColumns = { all: [...keyColumns, ...valueColumns], values: valueColumns };

type Column = (typeof ledgerColumns.all)[number];

/** What a column of whole numbers holds, in both databases, and so in a backup of either. */
const mostInteger = 2 ** 31 - 1;

/** More than this is nothing that was counted: it counts as unknown, and its row is written. */
function toCount(tokens: number | undefined): number | undefined {
  return tokens !== undefined && tokens > mostInteger ? undefined : tokens;
}

/** A wait of more than 24 days counts as that long. */
function toDuration(ms: number | undefined): number | undefined {
  return ms === undefined ? undefined : Math.min(ms, mostInteger);
}

/** A row under the names of its columns. */
export function toColumns(row: LedgerRow): Record<Column, unknown> {
  return {
    request_id: row.requestId,
    call_number: row.callNumber,
    parent_id: row.parentId,
    provider: row.provider,
    model: row.model,
    answered_by: row.answeredBy,
    status: row.status,
    error_code: row.errorCode,
    client: row.client,
    // A tag given twice would count its call twice.
    tags: [...new Set(row.tags)],
    lane: row.lane,
    input_tokens: toCount(row.inputTokens),
    output_tokens: toCount(row.outputTokens),
    cache_read_tokens: toCount(row.cacheReadTokens),
    cache_write_tokens: toCount(row.cacheWriteTokens),
    reasoning_tokens: toCount(row.reasoningTokens),
    estimated: row.estimated,
    cost_nano_usd: row.costNanoUsd,
    price_version: row.priceVersion,
    saved_nano_usd: row.savedNanoUsd,
    cached: row.cached,
    demo: row.demo,
    queue_ms: toDuration(row.queueMs),
    first_token_ms: toDuration(row.firstTokenMs),
    provider_ms: toDuration(row.providerMs),
    started_at: Math.round(row.startedAt),
    finished_at: row.finishedAt === undefined ? undefined : Math.round(row.finishedAt),
  };
}

/** A stored row as the contract has it: what is null is absent, but for the cost, where null says that it is unknown. */
export function toLedgerRow(stored: UsageStat): LedgerRow {
  const known = Object.fromEntries(Object.entries(stored).filter(([, value]) => value !== null));
  return LedgerRow.parse({
    ...known,
    costNanoUsd: stored.costNanoUsd === null ? null : Number(stored.costNanoUsd),
    savedNanoUsd: stored.savedNanoUsd === null ? undefined : Number(stored.savedNanoUsd),
    startedAt: Number(stored.startedAt),
    finishedAt: stored.finishedAt === null ? undefined : Number(stored.finishedAt),
  });
}
