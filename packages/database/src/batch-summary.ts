import { setImmediate as nextTurn } from 'node:timers/promises';
import { addCounts, type BatchColumn, type BatchColumnSummary, type BatchGenerationStatus } from '@aimm/contracts';
import { raw, sqltag as sql } from '@prisma/client/runtime/client';
import type { StoredBatch, StoredColumn } from './batch-repository.ts';
import { judgedAhead } from './batch-feeding.ts';
import type { Whole } from './batch-rows.ts';
import type { Client } from './client.ts';
import { addToBins, type Bins, findPercentiles } from './usage-bins.ts';

/** SQLite answers before it returns: so many rows take a few milliseconds. */
const rowsAtOnce = 10_000;

interface Group {
  status: BatchGenerationStatus;
  error_code: string | null;
  marks: string | null;
  count: Whole;
  cost: Whole | null;
  unpriced: Whole;
  input: Whole | null;
  output: Whole | null;
  score: number | null;
  scored: Whole;
}

/** What each column came to so far. What has no row yet is told by the caller. */
export async function summarizeBatch(
  client: Client,
  { id, items }: StoredBatch,
  columns: readonly StoredColumn[],
): Promise<BatchColumnSummary[]> {
  const sums = new Map(columns.map((column) => [column.number, createSums(column)]));
  for (const column of columns) {
    const own = sums.get(column.number);
    // A judge's rows come in any order, so far past the first that is missing.
    const known = column.judges === undefined ? column.nextItem : column.nextItem + judgedAhead;
    for (let from = 0; from < Math.min(items, known); from += rowsAtOnce) {
      const range = sql`batch_id = ${id} AND column_number = ${column.number} AND item >= ${from} AND item < ${from + rowsAtOnce}`;
      const groups = await client.$queryRaw<Group[]>(sql`
        SELECT status, error_code, marks, COUNT(*) AS count, SUM(cost_nano_usd) AS cost,
          SUM(CASE WHEN cost_nano_usd IS NULL AND (status = 'succeeded' OR COALESCE(input_tokens, output_tokens) IS NOT NULL)
            THEN 1 ELSE 0 END) AS unpriced,
          SUM(input_tokens) AS input, SUM(output_tokens) AS output, SUM(score) AS score, COUNT(score) AS scored
        FROM batch_generations WHERE ${range} GROUP BY status, error_code, marks`);
      for (const group of groups) own?.add(group);
      for (const name of ['latency_bin', 'first_token_bin'] as const) {
        const bins = await client.$queryRaw<{ bin: Whole; count: Whole }[]>(sql`
          SELECT ${raw(name)} AS bin, COUNT(*) AS count FROM batch_generations
          WHERE ${range} AND ${raw(name)} IS NOT NULL GROUP BY ${raw(name)}`);
        for (const { bin, count } of bins) addToBins(own?.[name] ?? new Map(), Number(bin), Number(count));
      }
      await nextTurn();
    }
  }
  await addVerdicts(client, id, columns, sums);
  return columns.map((column) => required(sums.get(column.number)).toSummary());
}

type Sums = ReturnType<typeof createSums>;

function createSums({ template: _template, nextItem: _nextItem, ...column }: StoredColumn) {
  const counts = addCounts([]);
  const assertions: BatchColumnSummary['assertions'] = {};
  const errors: Record<string, number> = {};
  const totals = { passed: 0, asserted: 0, costNanoUsd: 0, unpriced: 0, inputTokens: 0, outputTokens: 0 };
  const verdicts = { wins: 0, losses: 0, ties: 0, score: 0, scored: 0 };
  const [latencyBins, firstTokenBins]: [Bins, Bins] = [new Map(), new Map()];
  return {
    latency_bin: latencyBins,
    first_token_bin: firstTokenBins,
    verdicts,
    /** Of a judge's own column: what it gave. */
    given: { score: 0, scored: 0 },
    add(group: Group) {
      const count = Number(group.count);
      counts[group.status] += count;
      totals.costNanoUsd += Number(group.cost ?? 0);
      totals.unpriced += Number(group.unpriced);
      totals.inputTokens += Number(group.input ?? 0);
      totals.outputTokens += Number(group.output ?? 0);
      this.given.score += group.score ?? 0;
      this.given.scored += Number(group.scored);
      if (group.error_code !== null) errors[group.error_code] = (errors[group.error_code] ?? 0) + count;
      if (group.marks === null) return;
      // Written by `toRecordRow`.
      const marks = JSON.parse(group.marks) as [name: string, passed: 0 | 1][];
      totals.asserted += count;
      if (marks.every(([, passed]) => passed === 1)) totals.passed += count;
      for (const [name, passed] of marks) {
        const known = Object.hasOwn(assertions, name) ? assertions[name] : undefined;
        const { passed: before, of } = known ?? { passed: 0, of: 0 };
        assertions[name] = { passed: before + passed * count, of: of + count };
      }
    },
    toSummary(): BatchColumnSummary {
      const [p50, p95] = findPercentiles(latencyBins, [50, 95]);
      const [firstToken] = findPercentiles(firstTokenBins, [50]);
      const { score, scored, ...won } = verdicts;
      return {
        column,
        counts,
        ...totals,
        assertions,
        ...won,
        ...(scored > 0 && { score: score / scored }),
        ...(p50 !== undefined && { latencyP50Ms: p50 }),
        ...(p95 !== undefined && { latencyP95Ms: p95 }),
        ...(firstToken !== undefined && { firstTokenP50Ms: firstToken }),
        errors,
      };
    },
  };
}

/** Scores are the judged column's; a pair counts where both orders were judged. */
async function addVerdicts(
  client: Client,
  batchId: string,
  columns: readonly BatchColumn[],
  sums: ReadonlyMap<number, Sums>,
): Promise<void> {
  for (const { number, judges = [] } of columns) {
    const [a, b] = judges;
    if (a === undefined) continue;
    const own = required(sums.get(number));
    if (b === undefined) {
      const judged = required(sums.get(a)).verdicts;
      judged.score += own.given.score;
      judged.scored += own.given.scored;
      continue;
    }
    const swapped = columns.find(({ judges: others }) => others?.[0] === b && others[1] === a);
    if (swapped === undefined || a > b) continue;
    const groups = await client.$queryRaw<{ one: string | null; other: string | null; count: Whole }[]>(sql`
      SELECT x.winner AS one, y.winner AS other, COUNT(*) AS count FROM batch_generations x
      JOIN batch_generations y ON y.batch_id = x.batch_id AND y.column_number = ${swapped.number} AND y.item = x.item
      WHERE x.batch_id = ${batchId} AND x.column_number = ${number}
        AND x.status = 'succeeded' AND y.status = 'succeeded'
      GROUP BY x.winner, y.winner`);
    const [left, right] = [required(sums.get(a)).verdicts, required(sums.get(b)).verdicts];
    for (const { one, other, count } of groups) {
      const times = Number(count);
      // `first` of the one order is `second` of the other.
      const winner =
        one === 'first' && other === 'second' ? left : one === 'second' && other === 'first' ? right : undefined;
      if (winner === undefined) {
        left.ties += times;
        right.ties += times;
        continue;
      }
      winner.wins += times;
      (winner === left ? right : left).losses += times;
    }
    await nextTurn();
  }
}

function required<T>(value: T | undefined): T {
  if (value === undefined) throw new TypeError('every column has its sums');
  return value;
}
