import {
  BatchColumn,
  type BatchGeneration,
  BatchItem,
  BatchRecord,
  BatchSpec,
  BatchStatus,
  BatchTemplate,
} from '@aimm/contracts';
import type { Batch, BatchColumn as ColumnRow } from '../generated/sqlite/client.ts';
import type { NewColumn, StoredBatch, StoredColumn } from './batch-repository.ts';
import { parseStored, toReadableJson } from './readable.ts';
import { toStorableJson, toStorableText } from './storable.ts';
import { toBin } from './usage-bins.ts';

/** Whole numbers of raw statements come as bigint or number. */
export type Whole = bigint | number;

/** @throws UnreadableError */
export function toStoredBatch(row: Batch): StoredBatch {
  const { estimatedNanoUsd, maxCostNanoUsd, resumeAt, endedAt } = row;
  return {
    id: row.id,
    client: row.client,
    ...(row.name !== null && { name: row.name }),
    status: row.status === 'preparing' ? 'preparing' : parseStatus(row),
    ...(row.pausedBecause !== null && { pausedBecause: row.pausedBecause }),
    ...(resumeAt !== null && { resumeAt: Number(resumeAt) }),
    spec: parseStored(BatchSpec, row.spec, `The batch ${row.id}`),
    items: row.itemCount,
    estimatedNanoUsd: estimatedNanoUsd === null ? null : Number(estimatedNanoUsd),
    ...(maxCostNanoUsd !== null && { maxCostNanoUsd: Number(maxCostNanoUsd) }),
    spentNanoUsd: Number(row.spentNanoUsd),
    createdAt: Number(row.createdAt),
    ...(endedAt !== null && { endedAt: Number(endedAt) }),
  };
}

function parseStatus({ id, status }: Batch): BatchStatus {
  return parseStored(BatchStatus, JSON.stringify(status), `The status of the batch ${id}`);
}

/** @throws UnreadableError */
export function toStoredColumn(row: ColumnRow): StoredColumn {
  const what = `The column ${row.number} of the batch ${row.batchId}`;
  return {
    number: row.number,
    provider: row.provider,
    model: row.model,
    lane: row.lane === 'provider_batch' ? 'provider_batch' : 'queue',
    ...(row.variant !== null && { variant: row.variant }),
    ...(row.judges !== null && { judges: parseStored(BatchColumn.shape.judges, row.judges, what) }),
    template: parseStored(BatchTemplate, row.template, what),
    nextItem: row.nextItem,
  };
}

/** @throws invalid_request where it could not be read again */
export function toColumnRow(batchId: string, column: NewColumn): Omit<ColumnRow, 'nextItem'> {
  const { number, provider, model, lane, variant, judges, template } = column;
  return {
    batchId,
    number,
    provider,
    model: toStorableText(model),
    lane,
    variant: variant === undefined ? null : toStorableText(variant),
    judges: judges === undefined ? null : JSON.stringify(judges),
    template: toReadableJson(BatchTemplate, template, `What ${provider}/${model} is asked with`),
  };
}

/** `columns`: of the table, by the names of the database. */
export const recordColumns = {
  batch_id: 'text',
  column_number: 'integer',
  item: 'integer',
  request_id: 'text',
  status: 'text',
  ended_at: 'bigint',
  cost_nano_usd: 'bigint',
  input_tokens: 'integer',
  output_tokens: 'integer',
  latency_bin: 'integer',
  first_token_bin: 'integer',
  error_code: 'text',
  marks: 'text',
  passed: 'boolean',
  score: 'double precision',
  winner: 'text',
  answer: 'text',
} as const;

/** What stands in `answer`: what nothing is counted or sought by. */
const Answer = BatchRecord.pick({
  text: true,
  toolCalls: true,
  structured: true,
  finishReason: true,
  usage: true,
  queueMs: true,
  firstTokenMs: true,
  providerMs: true,
  warnings: true,
  error: true,
  assertions: true,
  verdict: true,
});

export function toRecordRow(record: BatchRecord): Record<keyof typeof recordColumns, unknown> {
  const { assertions = [], verdict, usage } = record;
  const hasAnswer = record.status === 'succeeded';
  return {
    batch_id: record.batchId,
    column_number: record.column,
    item: record.item,
    request_id: record.requestId,
    status: record.status,
    ended_at: Math.round(record.endedAt),
    cost_nano_usd: record.costNanoUsd ?? null,
    input_tokens: usage?.inputTokens ?? null,
    output_tokens: usage?.outputTokens ?? null,
    latency_bin: hasAnswer && record.providerMs !== undefined ? toBin(record.providerMs) : null,
    first_token_bin: hasAnswer && record.firstTokenMs !== undefined ? toBin(record.firstTokenMs) : null,
    error_code: record.error?.code ?? null,
    marks:
      assertions.length === 0 ? null : toStorableJson(assertions.map(({ name, passed }) => [name, passed ? 1 : 0])),
    passed: assertions.length === 0 ? null : assertions.every(({ passed }) => passed),
    score: verdict?.score ?? null,
    winner: verdict?.winner ?? null,
    answer: toStorableJson(Answer.parse(record)),
  };
}

/** A row of `batch_generations`, as raw statements give it. */
export interface GenerationRow {
  item: Whole;
  column_number: Whole;
  item_id: string;
  status: string;
  request_id: string | null;
  cost_nano_usd: Whole | null;
  ended_at: Whole | null;
  answer: string | null;
}

export function toGeneration(row: GenerationRow): BatchGeneration {
  const answer = row.answer === null ? {} : Answer.parse(JSON.parse(row.answer));
  const hasEnded = row.ended_at !== null;
  return {
    item: Number(row.item),
    itemId: row.item_id,
    column: Number(row.column_number),
    // Written by `toRecordRow` and by what marks rows.
    status: row.status as BatchGeneration['status'],
    ...(row.request_id !== null && { requestId: row.request_id }),
    ...answer,
    ...(hasEnded && {
      costNanoUsd: row.cost_nano_usd === null ? null : Number(row.cost_nano_usd),
      endedAt: Number(row.ended_at),
    }),
  };
}

/** `number`: from 0. @throws UnreadableError */
export function parseItem(batchId: string, number: number, content: string): BatchItem {
  return parseStored(BatchItem, content, `Item ${number + 1} of the batch ${batchId}`);
}

/** Nano-dollars, as money is stored. */
export function toMoney(nanoUsd: number | null): bigint | null {
  return nanoUsd === null ? null : BigInt(Math.round(nanoUsd));
}
