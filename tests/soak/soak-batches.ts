import type { Manager } from '@aimm/manager';
import { expect } from 'vitest';
import { runSql } from '../support/run-sql.ts';
import type { UpstreamCall } from '../support/upstream.ts';
import { reader } from './find-requests.ts';
import { type SoakFront, tell } from './soak-client.ts';

/** One batch, as it was asked. */
export interface AskedBatch {
  name: string;
  prompts: string[];
  models: string[];
  /** Set once its client knew it. */
  batchId?: string;
  /** Its client said so; it need not have arrived before the end. */
  cancelled: boolean;
}

const itemsEach = 12;
const endsWithinMs = 90_000;
/** The call was not made, or broke before the vendor read it, or nobody knows. */
const mayBeUnseen = `status = 'outcome_unknown' OR error_code IN ('network', 'timeout', 'cancelled')`;

export function createBatchAsk(number: number, models: string[]): AskedBatch {
  const prompts = Array.from({ length: itemsEach }, (_, item) => `<<${number * 1_000 + item}: soak batch>>`);
  return { name: `soak-batch-${number}`, prompts, models, cancelled: false };
}

/** Starts it at some front; a front that dies meanwhile tells nobody what it was called. */
export async function startBatch(asked: AskedBatch, pick: () => SoakFront): Promise<void> {
  const { prompts, models, name } = asked;
  const said = await tell(pick(), 'start_batch', { prompts, models, name, timeout_seconds: 4 });
  if (said?.job_id !== undefined) asked.batchId = said.job_id;
}

export async function cancelBatch(asked: AskedBatch, pick: () => SoakFront): Promise<void> {
  if (asked.batchId === undefined) return;
  asked.cancelled = true;
  await tell(pick(), 'cancel_job', { job_id: asked.batchId });
}

/**
 * What must be true of a batch after a round: it ends, each item has one end for each model with an answer to its own prompt, and each call
 * that the vendor saw is a row of the ledger. `interrupted`: so many calls may have been written down and not have arrived, or be made
 * again though answered. Gives how many rows that are, and how its items ended.
 */
export async function expectBatch(
  asked: AskedBatch,
  from: { manager: Manager; databaseUrl: string; calls: () => readonly UpstreamCall[]; interrupted: number },
): Promise<{ rows: number; ended: Record<string, number> }> {
  const { manager, databaseUrl } = from;
  const findCalls = () => from.calls().filter(({ prompt }) => asked.prompts.includes(prompt));
  const batchId = asked.batchId ?? (await findByName(manager, asked.name));
  if (batchId === undefined) {
    // Its front died before it could begin.
    expect(findCalls()).toEqual([]);
    return { rows: 0, ended: {} };
  }
  await expect
    .poll(async () => (await manager.getBatch(reader, batchId)).endedAt !== undefined, { timeout: endsWithinMs })
    .toBe(true);
  const { status, counts } = await manager.getBatch(reader, batchId);
  expect(asked.cancelled ? ['cancelled', 'completed'] : ['completed']).toContain(status);
  const { generations } = await manager.listBatchGenerations(reader, batchId, { limit: 500 });
  const all = asked.prompts.flatMap((_, item) => asked.models.map((_model, column) => `${item}.${column}`));
  if (status === 'completed') expect(generations.map(({ item, column }) => `${item}.${column}`)).toEqual(all);
  expect(new Set(generations.map(({ item, column }) => `${item}.${column}`)).size).toBe(generations.length);
  const foreign = generations.filter(
    (one) => one.status === 'succeeded' && one.text?.startsWith(`echo: ${asked.prompts[one.item]}`) !== true,
  );
  expect(foreign).toEqual([]);

  const read = async () => {
    const rows = await runSql(
      databaseUrl,
      `SELECT CASE WHEN ${mayBeUnseen} THEN 1 ELSE 0 END AS unseen, status FROM usage_stats WHERE parent_id = '${batchId}'`,
    );
    return {
      rows: rows.length,
      seen: rows.filter(({ unseen }) => Number(unseen) === 0).length,
      answers: rows.filter((row) => row['status'] === 'succeeded').length,
    };
  };
  const unseenAtMost = from.interrupted + (asked.cancelled ? all.length : 0);
  const balanced = async () => {
    const { rows, seen } = await read();
    const calls = findCalls().length;
    const isBalanced = rows >= calls && seen <= calls && rows - calls <= unseenAtMost;
    return isBalanced ? 'balanced' : { batchId, calls, rows, seen, unseenAtMost };
  };
  await expect.poll(balanced, { timeout: 40_000, interval: 250 }).toBe('balanced');
  const { succeeded, failed, cancelled } = counts;
  expect(succeeded + failed + cancelled).toBe(all.length);
  const { rows, answers } = await read();
  expect(answers - succeeded).toBeLessThanOrEqual(unseenAtMost);
  expect(answers).toBeGreaterThanOrEqual(succeeded);
  return { rows, ended: { succeeded, failed, cancelled } };
}

async function findByName(manager: Manager, name: string): Promise<string | undefined> {
  const { batches } = await manager.listBatches(reader);
  return batches.find((batch) => batch.name === name)?.batchId;
}
