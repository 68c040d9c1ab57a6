import { setImmediate as nextTurn } from 'node:timers/promises';
import { BatchGenerationStatus, type BatchItem, ModelManagerError } from '@aimm/contracts';
import { raw, sqltag as sql } from '@prisma/client/runtime/client';
import { putBackGenerations, takeGenerations } from './batch-feeding.ts';
import { readGenerations } from './batch-pages.ts';
import { recordGenerations } from './batch-recording.ts';
import type { BatchRepository } from './batch-repository.ts';
import { parseItem, toColumnRow, toStoredBatch, toStoredColumn, type Whole } from './batch-rows.ts';
import { summarizeBatch } from './batch-summary.ts';
import type { Client } from './client.ts';
import { isUniqueViolation } from './failures.ts';
import type { LedgerDialect } from './ledger-dialects.ts';
import { toStorableJson } from './storable.ts';

/** Rows that are changed in one statement: SQLite answers before it returns. */
const rowsAtOnce = 1_000;

/** `now`: epoch milliseconds. */
export function createBatches(client: Client, dialect: LedgerDialect, now: () => number): BatchRepository {
  const at = () => BigInt(Math.round(now()));
  const changeStatus = async (batchId: string, from: readonly string[], to: string, more: object = {}) => {
    const { count } = await client.batch.updateMany({
      where: { id: batchId, status: { in: [...from] } },
      data: { status: to, pausedBecause: null, resumeAt: null, version: { increment: 1 }, ...more },
    });
    return count === 1;
  };

  return {
    async create({ id, client: owner, name, spec, maxCostNanoUsd }, columns) {
      const data = {
        id,
        client: owner,
        name: name ?? null,
        status: 'preparing',
        spec: toStorableJson(spec),
        maxCostNanoUsd: maxCostNanoUsd === undefined ? null : BigInt(maxCostNanoUsd),
        createdAt: at(),
        touchedAt: at(),
      };
      await client.$transaction([
        client.batch.create({ data }),
        client.batchColumn.createMany({ data: columns.map((column) => toColumnRow(id, column)) }),
      ]);
    },

    async addItems(batchId, firstNumber, items) {
      const rows = items.map((item, index) => {
        const content = toStorableJson(item);
        return { number: firstNumber + index, item_id: toId(item), content, bytes: content.length };
      });
      const given = dialect.given(rows, { number: 'integer', item_id: 'text', content: 'text', bytes: 'integer' });
      await client
        .$transaction([
          client.$executeRaw(sql`
            INSERT INTO batch_items (batch_id, number, item_id, content, bytes)
            SELECT CAST(${batchId} AS TEXT), given.number, given.item_id, given.content, given.bytes FROM ${given}`),
          client.batch.updateMany({ where: { id: batchId }, data: { touchedAt: at() } }),
        ])
        .catch(async (error: unknown) => {
          throw (await findTwin(client, batchId, items)) ?? error;
        });
    },

    async touch(batchId) {
      await client.batch.updateMany({ where: { id: batchId }, data: { touchedAt: at() } });
    },

    async start(batchId, { items, estimatedNanoUsd, maxCostNanoUsd }, expected) {
      await client.$transaction(async (transaction) => {
        for (const row of await transaction.batchColumn.findMany({ where: { batchId } })) {
          const { template } = toStoredColumn(row);
          const expectedNanoUsd = expected.get(row.number) ?? null;
          await transaction.batchColumn.update({
            where: { batchId_number: { batchId, number: row.number } },
            data: { template: toStorableJson({ ...template, expectedNanoUsd }) },
          });
        }
        const { count } = await transaction.batch.updateMany({
          where: { id: batchId, status: 'preparing' },
          data: {
            status: 'running',
            itemCount: items,
            estimatedNanoUsd: toMoney(estimatedNanoUsd),
            maxCostNanoUsd: toMoney(maxCostNanoUsd ?? null),
          },
        });
        if (count === 0) throw new ModelManagerError('unavailable', 'The batch was given up while it was prepared.');
      });
    },

    remove: (batchId) => removeBatch(client, batchId),

    async discard(batchId) {
      // As one that was never finished: from here on only `removeAbandoned` finds it.
      const count = await client.$executeRaw(sql`
        UPDATE batches SET status = 'preparing', touched_at = 0
        WHERE id = ${batchId} AND status IN ('completed', 'cancelled') AND ended_at IS NOT NULL
          AND NOT EXISTS (SELECT 1 FROM batch_submissions s WHERE s.batch_id = batches.id AND s.status <> 'ended')`);
      if (count === 0) return false;
      await removeBatch(client, batchId);
      return true;
    },

    async listEnded({ endedBefore, after, limit }) {
      const rows = await client.batch.findMany({
        where: {
          status: { in: ['completed', 'cancelled'] },
          endedAt: { lt: BigInt(Math.round(endedBefore)) },
          ...(after !== undefined && { id: { gt: after } }),
        },
        orderBy: { id: 'asc' },
        take: limit,
        select: { id: true },
      });
      return rows.map(({ id }) => id);
    },

    async removeAbandoned(touchedBefore) {
      const abandoned = await client.batch.findMany({
        where: { status: 'preparing', touchedAt: { lt: BigInt(Math.round(touchedBefore)) } },
        select: { id: true },
      });
      for (const { id } of abandoned) await removeBatch(client, id);
      return abandoned.length;
    },

    async find(batchId) {
      const row = await client.batch.findUnique({ where: { id: batchId } });
      return row === null ? undefined : toStoredBatch(row);
    },

    async list({ client: owner, statuses, before, limit }) {
      const rows = await client.batch.findMany({
        where: {
          ...(owner !== undefined && { client: owner }),
          ...(before !== undefined && { id: { lt: before } }),
          status: statuses === undefined ? { not: 'preparing' } : { in: [...statuses] },
        },
        orderBy: { id: 'desc' },
        take: limit,
      });
      return rows.map(toStoredBatch);
    },

    async columns(batchId) {
      const rows = await client.batchColumn.findMany({ where: { batchId }, orderBy: { number: 'asc' } });
      return rows.map(toStoredColumn);
    },

    async counts(batchId) {
      const rows = await client.$queryRaw<{ column_number: Whole; status: string; count: Whole }[]>(sql`
        SELECT column_number, status, COUNT(*) AS count FROM batch_generations
        WHERE batch_id = ${batchId} GROUP BY status, column_number`);
      return rows.map(({ column_number: column, status, count }) => ({
        column: Number(column),
        status: BatchGenerationStatus.parse(status),
        count: Number(count),
      }));
    },

    summarize: (batch, columns) => summarizeBatch(client, batch, columns),
    generations: (batch, columns, query) => readGenerations(client, batch, columns, query),

    async items(batchId, from, limit) {
      const rows = await client.batchItem.findMany({
        where: { batchId, number: { gte: from } },
        orderBy: { number: 'asc' },
        take: limit,
        select: { number: true, content: true },
      });
      return rows.map(({ number, content }) => ({ number, content: parseItem(content) }));
    },

    async listLive(time) {
      const rows = await client.batch.findMany({
        where: {
          OR: [
            { status: 'running' },
            { status: 'cancelled', endedAt: null },
            { status: 'paused', resumeAt: { lte: BigInt(Math.round(time)) } },
            { status: 'paused', generations: { some: { status: 'queued' } } },
          ],
        },
        orderBy: { id: 'asc' },
      });
      return rows.map(toStoredBatch);
    },

    async outstanding(batchId) {
      const rows = await client.$queryRaw<{ column_number: Whole; count: Whole; bytes: Whole | null }[]>(sql`
        SELECT column_number, COUNT(*) AS count, SUM(bytes) AS bytes FROM batch_generations
        WHERE batch_id = ${batchId} AND status = 'queued' GROUP BY column_number`);
      return rows.map(({ column_number: column, count, bytes }) => ({
        column: Number(column),
        count: Number(count),
        bytes: Number(bytes ?? 0),
      }));
    },

    take: (batchId, column, options) => takeGenerations(client, dialect, batchId, column, options),

    async listQueued(batchId, { queuedBefore, limit, columns }) {
      const rows = await client.batchGeneration.findMany({
        where: {
          batchId,
          status: 'queued',
          queuedAt: { lt: BigInt(Math.round(queuedBefore)) },
          ...(columns !== undefined && { columnNumber: { in: [...columns] } }),
        },
        orderBy: [{ columnNumber: 'asc' }, { item: 'asc' }],
        take: limit,
        select: { item: true, columnNumber: true, requestId: true, queuedAt: true },
      });
      return rows.map(({ item, columnNumber, requestId, queuedAt }) => ({
        item,
        column: columnNumber,
        requestId: requestId ?? '',
        queuedAt: Number(queuedAt),
      }));
    },

    putBack: (batchId, queued) => putBackGenerations(client, dialect, batchId, queued),
    record: (records) => recordGenerations(client, dialect, records),

    setStatus: (batchId, from, to, { pausedBecause, resumeAt, maxCostNanoUsd } = {}) =>
      changeStatus(batchId, from, to, {
        pausedBecause: pausedBecause ?? null,
        resumeAt: resumeAt === undefined ? null : BigInt(Math.round(resumeAt)),
        ...(maxCostNanoUsd !== undefined && { maxCostNanoUsd: toMoney(maxCostNanoUsd) }),
      }),

    async cancelWaiting(batchId) {
      await inSteps(() =>
        client.$executeRaw(sql`
          UPDATE batch_generations SET status = 'cancelled', ended_at = ${raw(String(at()))}
          WHERE batch_id = ${batchId} AND (column_number, item) IN (
            SELECT column_number, item FROM batch_generations
            WHERE batch_id = ${batchId} AND status = 'waiting' LIMIT ${rowsAtOnce})`),
      );
    },

    async retryFailed(batchId) {
      const again = (status: 'failed' | 'skipped') =>
        inSteps(() =>
          client.$executeRaw(sql`
            UPDATE batch_generations SET status = 'waiting', round = round + 1, request_id = NULL, queued_at = NULL,
              ended_at = NULL, cost_nano_usd = NULL, input_tokens = NULL, output_tokens = NULL, latency_bin = NULL,
              first_token_bin = NULL, error_code = NULL, marks = NULL, passed = NULL, score = NULL, winner = NULL, answer = NULL
            WHERE batch_id = ${batchId} AND (column_number, item) IN (
              SELECT column_number, item FROM batch_generations
              WHERE batch_id = ${batchId} AND status = ${status} LIMIT ${rowsAtOnce})`),
        );
      const failed = await again('failed');
      await again('skipped');
      const waits = await client.batchGeneration.findFirst({ where: { batchId, status: 'waiting' } });
      if (waits !== null) await changeStatus(batchId, ['completed'], 'running', { endedAt: null });
      return failed;
    },

    async addColumns(batchId, columns, estimatedNanoUsd) {
      const add = client.$transaction(async (transaction) => {
        await transaction.batchColumn.createMany({ data: columns.map((column) => toColumnRow(batchId, column)) });
        const { count } = await transaction.batch.updateMany({
          where: { id: batchId, status: { in: ['running', 'paused'] } },
          data: { estimatedNanoUsd: toMoney(estimatedNanoUsd), version: { increment: 1 } },
        });
        if (count === 1) return;
        const { count: reopened } = await transaction.batch.updateMany({
          where: { id: batchId, status: 'completed' },
          data: {
            status: 'running',
            endedAt: null,
            estimatedNanoUsd: toMoney(estimatedNanoUsd),
            version: { increment: 1 },
          },
        });
        if (reopened === 0) throw new ModelManagerError('invalid_request', `The batch ${batchId} was cancelled.`);
      });
      await add.catch((error: unknown) => {
        if (!isUniqueViolation(error)) throw error;
        throw new ModelManagerError('invalid_request', 'Somebody else added a model at the same moment.', {
          hint: 'Look at the batch again, then add what is still missing.',
        });
      });
    },

    async finishIfDone(batchId) {
      const open = await client.batchGeneration.findFirst({
        where: { batchId, status: { in: ['waiting', 'queued'] } },
        select: { item: true },
      });
      if (open !== null) return false;
      const ended = await client.batch.updateMany({
        where: { id: batchId, status: 'cancelled', endedAt: null },
        data: { endedAt: at(), version: { increment: 1 } },
      });
      if (ended.count === 1) return true;
      const count = await client.$executeRaw(sql`
        UPDATE batches SET status = 'completed', paused_because = NULL, resume_at = NULL,
          ended_at = ${raw(String(at()))}, version = version + 1
        WHERE id = ${batchId} AND status = 'running'
          AND NOT EXISTS (SELECT 1 FROM batch_columns c WHERE c.batch_id = batches.id AND c.next_item < batches.item_count)
          AND NOT EXISTS (
            SELECT 1 FROM batch_generations g WHERE g.batch_id = batches.id AND g.status IN ('waiting', 'queued'))`);
      return count === 1;
    },
  };
}

/** In pieces, so that whatever else the process does is not held up; gives how many rows were changed. */
async function inSteps(step: () => PromiseLike<number>): Promise<number> {
  let changed = 0;
  for (let last = rowsAtOnce; last === rowsAtOnce; changed += last) {
    last = await step();
    await nextTurn();
  }
  return changed;
}

/** Items in pieces; what is left goes with the batch. */
async function removeBatch(client: Client, batchId: string): Promise<void> {
  for (const table of ['batch_generations', 'batch_items'] as const) {
    const key = raw(table === 'batch_items' ? 'number' : 'column_number, item');
    await inSteps(() =>
      client.$executeRaw(sql`
        DELETE FROM ${raw(table)} WHERE batch_id = ${batchId} AND (${key}) IN (
          SELECT ${key} FROM ${raw(table)} WHERE batch_id = ${batchId} LIMIT ${rowsAtOnce})`),
    );
  }
  await client.batch.deleteMany({ where: { id: batchId } });
}

async function findTwin(
  client: Client,
  batchId: string,
  items: readonly BatchItem[],
): Promise<ModelManagerError | undefined> {
  const ids = items.map(toId);
  const own = ids.find((id, index) => ids.indexOf(id) !== index);
  const stored =
    own === undefined ? await client.batchItem.findFirst({ where: { batchId, itemId: { in: ids } } }) : undefined;
  const id = own ?? stored?.itemId;
  if (id === undefined) return undefined;
  return new ModelManagerError('invalid_request', `The id "${id}" is there twice among the items.`, {
    hint: 'Give each item an id of its own, or none: its number is its id then.',
  });
}

/** As it is stored. */
function toId({ id }: BatchItem): string {
  return JSON.parse(toStorableJson(id)) as string;
}

function toMoney(nanoUsd: number | null): bigint | null {
  return nanoUsd === null ? null : BigInt(Math.round(nanoUsd));
}
