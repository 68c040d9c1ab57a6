import { ModelManagerError } from '@aimm/contracts';
import { raw, sqltag as sql } from '@prisma/client/runtime/client';
import { nothingLeft } from './batch-reading.ts';
import type { BatchRepository } from './batch-repository.ts';
import { toColumnRow, toMoney } from './batch-rows.ts';
import type { Client } from './client.ts';
import { isUniqueViolation } from './failures.ts';
import { inSteps, rowsAtOnce } from './in-steps.ts';

type Steering = Pick<
  BatchRepository,
  'setStatus' | 'resumeDue' | 'cancelWaiting' | 'retryFailed' | 'addColumns' | 'finishIfDone'
>;

/** Pauses, resumes, cancels, retries and extends a batch that has started. `now`: epoch milliseconds. */
export function createBatchSteering(client: Client, now: () => number): Steering {
  const at = () => BigInt(Math.round(now()));
  const changeStatus = async (batchId: string, from: readonly string[], to: string, more: object = {}) => {
    const { count } = await client.batch.updateMany({
      where: { id: batchId, status: { in: [...from] } },
      data: { status: to, pausedBecause: null, resumeAt: null, version: { increment: 1 }, ...more },
    });
    return count === 1;
  };

  return {
    setStatus: (batchId, from, to, { pausedBecause, resumeAt, maxCostNanoUsd } = {}) =>
      changeStatus(batchId, from, to, {
        pausedBecause: pausedBecause ?? null,
        resumeAt: resumeAt === undefined ? null : BigInt(Math.round(resumeAt)),
        ...(maxCostNanoUsd !== undefined && { maxCostNanoUsd: toMoney(maxCostNanoUsd) }),
      }),

    async resumeDue(batchId, time) {
      const { count } = await client.batch.updateMany({
        where: { id: batchId, status: 'paused', resumeAt: { lte: BigInt(Math.round(time)) } },
        data: { status: 'running', pausedBecause: null, resumeAt: null, version: { increment: 1 } },
      });
      return count === 1;
    },

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
      // PostgreSQL looks anew only at the row's own conditions where it waited for it: somebody else may have had it asked again.
      const again = (status: 'failed' | 'skipped') =>
        inSteps(() =>
          client.$executeRaw(sql`
            UPDATE batch_generations SET status = 'waiting', round = round + 1, request_id = NULL, queued_at = NULL,
              ended_at = NULL, input_tokens = NULL, output_tokens = NULL, latency_bin = NULL,
              first_token_bin = NULL, error_code = NULL, marks = NULL, passed = NULL, score = NULL, winner = NULL, answer = NULL
            WHERE batch_id = ${batchId} AND status = ${status} AND (column_number, item) IN (
              SELECT column_number, item FROM batch_generations
              WHERE batch_id = ${batchId} AND status = ${status} LIMIT ${rowsAtOnce})`),
        );
      const failed = await again('failed');
      await again('skipped');
      const waits = await client.batchGeneration.findFirst({ where: { batchId, status: 'waiting' } });
      if (waits !== null) {
        // Behind the rows: whoever is just ending it has ended it after this, or finds that it cannot.
        await client.batch.updateMany({ where: { id: batchId }, data: { version: { increment: 1 } } });
        await changeStatus(batchId, ['completed'], 'running', { endedAt: null });
      }
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
      const found = await client.batch.findUnique({ where: { id: batchId }, select: { version: true } });
      if (found === null) return false;
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
      // PostgreSQL looks at the row anew where it waited for it, and not at other tables: another version says that they changed.
      const count = await client.$executeRaw(sql`
        UPDATE batches SET status = 'completed', paused_because = NULL, resume_at = NULL,
          ended_at = ${raw(String(at()))}, version = version + 1
        WHERE id = ${batchId} AND version = ${found.version} AND status IN ('running', 'paused') AND ${nothingLeft}`);
      return count === 1;
    },
  };
}
