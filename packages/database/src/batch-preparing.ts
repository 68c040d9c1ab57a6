import { setImmediate as nextTurn } from 'node:timers/promises';
import { BatchItem, BatchSpec, ModelManagerError } from '@aimm/contracts';
import { sqltag as sql } from '@prisma/client/runtime/client';
import type { BatchRepository } from './batch-repository.ts';
import { toColumnRow, toMoney, toStoredColumn } from './batch-rows.ts';
import type { Client } from './client.ts';
import type { LedgerDialect } from './ledger-dialects.ts';
import { toReadableJson } from './readable.ts';
import { toStorableJson, toStorableText } from './storable.ts';

type Preparing = Pick<BatchRepository, 'create' | 'addItems' | 'touch' | 'start'>;

const longestTurnMs = 20;

/** Writes a batch and its items until it runs. `now`: epoch milliseconds. */
export function createBatchPreparing(client: Client, dialect: LedgerDialect, now: () => number): Preparing {
  const at = () => BigInt(Math.round(now()));

  return {
    async create({ id, client: owner, name, spec, maxCostNanoUsd }, columns) {
      const data = {
        id,
        client: owner,
        name: name === undefined ? null : toStorableText(name),
        status: 'preparing',
        spec: toReadableJson(BatchSpec, spec, 'The batch'),
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
      const rows: { number: number; item_id: string; content: string; bytes: number }[] = [];
      let since = performance.now();
      for (const [index, item] of items.entries()) {
        const number = firstNumber + index;
        const content = toReadableJson(BatchItem, item, `Item ${number + 1}`);
        rows.push({ number, item_id: toId(item), content, bytes: content.length });
        // A large schema takes milliseconds, and hundreds may bring one.
        if (performance.now() - since < longestTurnMs) continue;
        await nextTurn();
        since = performance.now();
      }
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
  };
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
