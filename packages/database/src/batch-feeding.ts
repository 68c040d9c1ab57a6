import type { BatchRecord } from '@aimm/contracts';
import { raw, sqltag as sql } from '@prisma/client/runtime/client';
import type { Client } from './client.ts';
import type { BatchRepository, QueuedGeneration, StoredColumn, TakenGeneration } from './batch-repository.ts';
import { parseItem, type Whole } from './batch-rows.ts';
import type { LedgerDialect } from './ledger-dialects.ts';

type Transaction = Parameters<Parameters<Client['$transaction']>[0]>[0];
type Taking = Awaited<ReturnType<BatchRepository['take']>>;
type TakeOptions = Parameters<BatchRepository['take']>[2];

interface Candidate {
  item: Whole;
  content: string;
  bytes: Whole;
  /** It has a row: it is asked again. */
  isKnown: boolean;
  /** Of a judge's: an answer that it would read has failed. */
  isHopeless: boolean;
}

/** So many items past the first that was not judged are looked at: one slow answer holds no more up than that. */
export const judgedAhead = 2_000;
const endedStatuses = raw(`'succeeded', 'failed', 'cancelled', 'skipped'`);

export async function takeGenerations(
  client: Client,
  dialect: LedgerDialect,
  batchId: string,
  column: StoredColumn,
  options: TakeOptions,
): Promise<{ taken: TakenGeneration[]; skipped: number }> {
  const found = await client.$transaction(async (transaction): Promise<Taking> => {
    // Whoever ends or pauses the batch waits for this to end, or this sees that it has.
    const [batch] = await transaction.$queryRaw<BatchMoney[]>(
      sql`SELECT status, max_cost_nano_usd, spent_nano_usd FROM batches WHERE id = ${batchId} ${dialect.forUpdate}`,
    );
    const [cursor] = await transaction.$queryRaw<{ next_item: Whole }[]>(
      sql`SELECT next_item FROM batch_columns WHERE batch_id = ${batchId} AND number = ${column.number} ${dialect.forUpdate}`,
    );
    if (batch?.status !== 'running' || cursor === undefined) return { taken: [], skipped: 0 };
    const next = Number(cursor.next_item);
    const read = column.judges === undefined ? readPlain : readJudged;
    const limit = Math.min(options.limit, await findAffordable(transaction, batchId, batch, column));
    if (limit <= 0) return { taken: [], skipped: 0 };
    const candidates = await read(transaction, batchId, column, next, limit);
    const wanted = withinBytes(candidates, options.maxBytes);
    const rows = wanted.map((one) => ({ ...one, requestId: one.isHopeless ? null : options.createId() }));
    // Before anything is marked: what cannot be read is taken by nobody.
    const queued = rows.flatMap(({ requestId, item: number, content, bytes }): TakenGeneration[] => {
      if (requestId === null) return [];
      const item = Number(number);
      return [{ requestId, item, content: parseItem(batchId, item, content), bytes: Number(bytes), answers: [] }];
    });
    await markQueued(transaction, dialect, batchId, column, rows, Math.round(options.at));
    await moveCursor(transaction, batchId, column, next, rows);
    return { taken: queued, skipped: rows.length - queued.length };
  });
  const { taken, skipped } = found;
  if (column.judges === undefined || taken.length === 0) return found;
  const answers = await readAnswers(client, dialect, batchId, column.judges, taken);
  return { taken: taken.map((one) => ({ ...one, answers: answers.get(one.item) ?? [] })), skipped };
}

interface BatchMoney {
  status: string;
  max_cost_nano_usd: Whole | null;
  spent_nano_usd: Whole;
}

/** How many more the most that the batch may cost has room for: whoever takes at the same time waits for this to be decided. */
async function findAffordable(
  transaction: Transaction,
  batchId: string,
  { max_cost_nano_usd: most, spent_nano_usd: spent }: BatchMoney,
  { template: { expectedNanoUsd } }: StoredColumn,
): Promise<number> {
  if (most === null || expectedNanoUsd === null || expectedNanoUsd <= 0) return Number.POSITIVE_INFINITY;
  const rows = await transaction.$queryRaw<{ template: string; count: Whole }[]>(sql`
    SELECT c.template, COUNT(*) AS count FROM batch_generations g
    JOIN batch_columns c ON c.batch_id = g.batch_id AND c.number = g.column_number
    WHERE g.batch_id = ${batchId} AND g.status = 'queued' GROUP BY c.number, c.template`);
  const underWay = rows.reduce((sum, { template, count }) => {
    const { expectedNanoUsd: each } = JSON.parse(template) as StoredColumn['template'];
    return sum + Number(count) * (each ?? 0);
  }, 0);
  // What one costs is a total divided by how many: the last digit may lack.
  return Math.max(0, Math.floor((Number(most) - Number(spent) - underWay) / expectedNanoUsd + 1e-6));
}

/** What is asked again, then what was never asked, as it stands in the batch. */
async function readPlain(
  transaction: Transaction,
  batchId: string,
  { number }: StoredColumn,
  next: number,
  limit: number,
): Promise<Candidate[]> {
  const again = await transaction.$queryRaw<Omit<Candidate, 'isKnown' | 'isHopeless'>[]>(sql`
    SELECT g.item, i.content, i.bytes FROM batch_generations g
    JOIN batch_items i ON i.batch_id = g.batch_id AND i.number = g.item
    WHERE g.batch_id = ${batchId} AND g.status = 'waiting' AND g.column_number = ${number}
    ORDER BY g.item LIMIT ${limit}`);
  const left = limit - again.length;
  const fresh =
    left === 0
      ? []
      : await transaction.$queryRaw<Omit<Candidate, 'isKnown' | 'isHopeless'>[]>(sql`
        SELECT number AS item, content, bytes FROM batch_items
        WHERE batch_id = ${batchId} AND number >= ${next} ORDER BY number LIMIT ${left}`);
  return [
    ...again.map((one) => ({ ...one, isKnown: true, isHopeless: false })),
    ...fresh.map((one) => ({ ...one, isKnown: false, isHopeless: false })),
  ];
}

/** Those whose answers are in, whatever their order. */
async function readJudged(
  transaction: Transaction,
  batchId: string,
  { number, judges = [] }: StoredColumn,
  next: number,
  limit: number,
): Promise<Candidate[]> {
  const [a = 0, b = a] = judges;
  const columns = sql`i.number AS item, i.content, i.bytes + a.bytes + b.bytes AS bytes,
    CASE WHEN a.status = 'succeeded' AND b.status = 'succeeded' THEN 1 ELSE 0 END AS answered`;
  const ended = sql`a.status IN (${endedStatuses}) AND b.status IN (${endedStatuses})`;
  const again = await transaction.$queryRaw<JudgedRow[]>(sql`
    SELECT ${columns} FROM batch_generations j
    JOIN batch_generations a ON a.batch_id = j.batch_id AND a.column_number = ${a} AND a.item = j.item
    JOIN batch_generations b ON b.batch_id = j.batch_id AND b.column_number = ${b} AND b.item = j.item
    JOIN batch_items i ON i.batch_id = j.batch_id AND i.number = j.item
    WHERE j.batch_id = ${batchId} AND j.status = 'waiting' AND j.column_number = ${number} AND ${ended}
    ORDER BY j.item LIMIT ${limit}`);
  const left = limit - again.length;
  const fresh =
    left === 0
      ? []
      : await transaction.$queryRaw<JudgedRow[]>(sql`
        SELECT ${columns} FROM batch_generations a
        JOIN batch_generations b ON b.batch_id = a.batch_id AND b.column_number = ${b} AND b.item = a.item
        JOIN batch_items i ON i.batch_id = a.batch_id AND i.number = a.item
        LEFT JOIN batch_generations j ON j.batch_id = a.batch_id AND j.column_number = ${number} AND j.item = a.item
        WHERE a.batch_id = ${batchId} AND a.column_number = ${a} AND a.item >= ${next} AND a.item < ${next + judgedAhead}
          AND j.item IS NULL AND ${ended}
        ORDER BY a.item LIMIT ${left}`);
  return [...again.map((row) => toCandidate(row, true)), ...fresh.map((row) => toCandidate(row, false))];
}

interface JudgedRow {
  item: Whole;
  content: string;
  bytes: Whole;
  answered: Whole;
}

function toCandidate({ answered, ...row }: JudgedRow, isKnown: boolean): Candidate {
  return { ...row, isKnown, isHopeless: Number(answered) !== 1 };
}

/** One at least, or an item that is larger would wait for ever. */
function withinBytes(candidates: readonly Candidate[], maxBytes: number): Candidate[] {
  let bytes = 0;
  return candidates.filter((one, index) => (bytes += Number(one.bytes)) <= maxBytes || index === 0);
}

type Marked = Candidate & { requestId: string | null };

async function markQueued(
  transaction: Transaction,
  dialect: LedgerDialect,
  batchId: string,
  { number }: StoredColumn,
  rows: readonly Marked[],
  at: number,
): Promise<void> {
  const given = (some: readonly Marked[]) =>
    dialect.given(
      some.map(({ item, bytes, requestId, isHopeless }) => ({
        item: Number(item),
        bytes: Number(bytes),
        status: isHopeless ? 'skipped' : 'queued',
        request_id: requestId,
        ended_at: isHopeless ? at : null,
      })),
      { item: 'integer', bytes: 'integer', status: 'text', request_id: 'text', ended_at: 'bigint' },
    );
  const [known, fresh] = [rows.filter(({ isKnown }) => isKnown), rows.filter(({ isKnown }) => !isKnown)];
  if (known.length > 0) {
    await transaction.$executeRaw(sql`
      UPDATE batch_generations SET status = given.status, request_id = given.request_id, bytes = given.bytes,
        queued_at = ${raw(String(at))}, ended_at = given.ended_at
      FROM ${given(known)}
      WHERE batch_generations.batch_id = ${batchId} AND batch_generations.column_number = ${number}
        AND batch_generations.item = given.item`);
  }
  if (fresh.length > 0) {
    await transaction.$executeRaw(sql`
      INSERT INTO batch_generations
        (batch_id, column_number, item, status, request_id, round, queued_at, bytes, ended_at, cost_nano_usd)
      SELECT CAST(${batchId} AS TEXT), ${raw(String(number))}, given.item, given.status, given.request_id, 0,
        ${raw(String(at))}, given.bytes, given.ended_at, 0
      FROM ${given(fresh)}`);
  }
}

/** A judge's stops where one is missing. */
async function moveCursor(
  transaction: Transaction,
  batchId: string,
  { number, judges }: StoredColumn,
  from: number,
  rows: readonly Marked[],
): Promise<void> {
  const fresh = rows.filter(({ isKnown }) => !isKnown).map(({ item }) => Number(item));
  if (fresh.length === 0) return;
  const next = judges === undefined ? Math.max(...fresh) + 1 : await findGap(transaction, batchId, number, from);
  if (next === from) return;
  await transaction.$executeRaw(
    sql`UPDATE batch_columns SET next_item = ${next} WHERE batch_id = ${batchId} AND number = ${number}`,
  );
}

async function findGap(transaction: Transaction, batchId: string, column: number, from: number): Promise<number> {
  const rows = await transaction.$queryRaw<{ item: Whole }[]>(sql`
    SELECT item FROM batch_generations WHERE batch_id = ${batchId} AND column_number = ${column} AND item >= ${from}
    ORDER BY item LIMIT ${judgedAhead}`);
  const gap = rows.findIndex(({ item }, index) => Number(item) !== from + index);
  return from + (gap === -1 ? rows.length : gap);
}

async function readAnswers(
  client: Client,
  dialect: LedgerDialect,
  batchId: string,
  columns: readonly number[],
  taken: readonly { item: number }[],
): Promise<Map<number, string[]>> {
  const items = dialect.given(
    taken.map(({ item }) => ({ item })),
    { item: 'integer' },
  );
  const texts = new Map<number, string[]>();
  for (const column of columns) {
    const rows = await client.$queryRaw<{ item: Whole; answer: string | null }[]>(sql`
      SELECT g.item, g.answer FROM batch_generations g
      WHERE g.batch_id = ${batchId} AND g.column_number = ${column} AND g.item IN (SELECT item FROM ${items})`);
    for (const { item, answer } of rows) {
      // Written by `toRecordRow`.
      const { text = '', toolCalls = [] } = JSON.parse(answer ?? '{}') as Pick<BatchRecord, 'text' | 'toolCalls'>;
      const calls = toolCalls.map(({ name, arguments: given }) => `[tool call ${name} ${JSON.stringify(given)}]`);
      const whole = [text, ...calls].filter((part) => part !== '').join('\n');
      texts.set(Number(item), [...(texts.get(Number(item)) ?? []), whole]);
    }
  }
  return texts;
}

/** @returns what was put back */
export async function putBackGenerations(
  client: Client,
  dialect: LedgerDialect,
  batchId: string,
  queued: readonly QueuedGeneration[],
): Promise<QueuedGeneration[]> {
  if (queued.length === 0) return [];
  const given = dialect.given(
    queued.map(({ item, column, requestId }) => ({ item, column_number: column, request_id: requestId })),
    { item: 'integer', column_number: 'integer', request_id: 'text' },
  );
  const rows = await client.$queryRaw<{ item: Whole; column_number: Whole }[]>(sql`
    UPDATE batch_generations SET status = 'waiting', request_id = NULL, queued_at = NULL, round = round + 1
    FROM ${given}
    WHERE batch_generations.batch_id = ${batchId} AND batch_generations.column_number = given.column_number
      AND batch_generations.item = given.item AND batch_generations.request_id = given.request_id
      AND batch_generations.status = 'queued'
    RETURNING batch_generations.item, batch_generations.column_number`);
  const done = new Set(rows.map(({ item, column_number: column }) => `${Number(item)} ${Number(column)}`));
  return queued.filter(({ item, column }) => done.has(`${item} ${column}`));
}
