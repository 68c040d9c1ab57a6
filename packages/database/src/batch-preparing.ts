import { type BatchItem, ModelManagerError } from '@aimm/contracts';
import { raw, sqltag as sql } from '@prisma/client/runtime/client';
import type { BatchRepository } from './batch-repository.ts';
import { toColumnRow, toMoney, toStoredColumn } from './batch-rows.ts';
import type { Client } from './client.ts';
import { inSteps, rowsAtOnce } from './in-steps.ts';
import type { LedgerDialect } from './ledger-dialects.ts';
import { toStorableJson } from './storable.ts';

type Preparing = Pick<BatchRepository, 'create' | 'addItems' | 'touch' | 'start' | 'remove' | 'removeAbandoned'>;

/** Writes a batch and its items until it runs, and deletes it. `now`: epoch milliseconds. */
export function createBatchPreparing(client: Client, dialect: LedgerDialect, now: () => number): Preparing {
  const at = () => BigInt(Math.round(now()));

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

    async removeAbandoned(touchedBefore) {
      const abandoned = await client.batch.findMany({
        where: { status: 'preparing', touchedAt: { lt: BigInt(Math.round(touchedBefore)) } },
        select: { id: true },
      });
      for (const { id } of abandoned) await removeBatch(client, id);
      return abandoned.length;
    },
  };
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

/** Why the items could not be added, where it is for an id that is there twice. */
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
  return new ModelManagerError('invalid_request', `The id "${id}" occurs twice among the items.`, {
    hint: 'Give each item its own id, or none: then its number is its id.',
  });
}

/** As it is stored. */
function toId({ id }: BatchItem): string {
  return JSON.parse(toStorableJson(id)) as string;
}
