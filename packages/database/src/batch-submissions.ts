import { ErrorShape, JsonObject } from '@aimm/contracts';
import { join, raw, sqltag as sql } from '@prisma/client/runtime/client';
import type { Whole } from './batch-rows.ts';
import type { Client } from './client.ts';
import { toStorableJson } from './storable.ts';
import type {
  StoredSubmission,
  SubmissionChange,
  SubmissionRepository,
  SubmissionStatus,
} from './submission-repository.ts';

interface Row {
  id: string;
  batch_id: string;
  column_number: Whole;
  provider: string;
  model: string;
  round: Whole;
  requests: string;
  status: string;
  key_id: string | null;
  attempted_at: Whole | null;
  submitted_at: Whole | null;
  handle: string | null;
  tries: Whole;
  unanswered: Whole;
  cancelled_at: Whole | null;
  progress: string | null;
  problem: string | null;
  created_at: Whole;
  ended_at: Whole | null;
  next_at: Whole;
}

const columns = [
  'id',
  'batch_id',
  'column_number',
  'provider',
  'model',
  'round',
  'status',
  'key_id',
  'attempted_at',
  'submitted_at',
  'handle',
  'tries',
  'unanswered',
  'cancelled_at',
  'progress',
  'problem',
  'created_at',
  'ended_at',
  'next_at',
].join(', ');

/** `now`: epoch milliseconds. Raw statements: a claim is one of them on both databases. */
export function createBatchSubmissions(client: Client, now: () => number): SubmissionRepository {
  const at = () => raw(String(Math.round(now())));

  return {
    async create({ id, batchId, column, provider, model, round, requests, createdAt, nextAt }) {
      const listed = JSON.stringify(requests.map(({ item, requestId, calls }) => [item, requestId, calls]));
      await client.$executeRaw(sql`
        INSERT INTO batch_submissions (
          id, batch_id, column_number, provider, model, round, requests, status, tries, created_at, next_at, lease_until)
        VALUES (${id}, ${batchId}, ${raw(String(column))}, ${provider}, ${model}, ${raw(String(round))}, ${listed},
          'prepared', 0, ${raw(String(Math.round(createdAt)))}, ${raw(String(Math.round(nextAt)))}, 0)
        ON CONFLICT (id) DO NOTHING`);
    },

    async find(id) {
      const [row] = await client.$queryRaw<Row[]>(sql`SELECT * FROM batch_submissions WHERE id = ${id}`);
      return row === undefined ? undefined : toSubmission(row);
    },

    async listOpen(providers) {
      if (providers.length === 0) return [];
      const rows = await client.$queryRaw<Row[]>(sql`
        SELECT ${raw(columns)}, '[]' AS requests FROM batch_submissions
        WHERE status <> 'ended' AND provider IN (${join([...providers])}) ORDER BY id`);
      return rows.map(toSubmission).map(({ requests: _requests, ...submission }) => submission);
    },

    async heldRequests(batchId) {
      const open = await client.$queryRaw<Pick<Row, 'id'>[]>(
        sql`SELECT id FROM batch_submissions WHERE batch_id = ${batchId} AND status <> 'ended'`,
      );
      const held = new Set<string>();
      // Each holds thousands. One that ends meanwhile may have passed what it held on to another.
      for (const { id } of open) {
        const rows = await client.$queryRaw<Pick<Row, 'requests' | 'round'>[]>(
          sql`SELECT requests, round FROM batch_submissions WHERE id = ${id}`,
        );
        for (const { requestId } of rows.flatMap(toRequests)) held.add(requestId);
      }
      return held;
    },

    async findProblem(batchId) {
      const [row] = await client.$queryRaw<{ problem: string }[]>(sql`
        SELECT problem FROM batch_submissions
        WHERE batch_id = ${batchId} AND status <> 'ended' AND problem IS NOT NULL ORDER BY id DESC LIMIT 1`);
      return row === undefined ? undefined : ErrorShape.parse(JSON.parse(row.problem));
    },

    async claim(owner, providers, leaseUntil) {
      if (providers.length === 0) return undefined;
      // A cancel is not left waiting for the next look; one that failed is. Of what was not tried the vendor has nothing.
      const isCancelled = sql`((status = 'submitted' AND cancelled_at IS NULL AND problem IS NULL)
        OR (status = 'prepared' AND attempted_at IS NULL))
        AND batch_id IN (SELECT id FROM batches WHERE status = 'cancelled')`;
      const free = sql`status <> 'ended' AND (next_at <= ${at()} OR (${isCancelled})) AND lease_until <= ${at()}`;
      const [row] = await client.$queryRaw<Row[]>(sql`
        UPDATE batch_submissions SET owner = ${owner}, lease_until = ${raw(String(Math.round(leaseUntil)))}
        WHERE ${free} AND id = (
          SELECT id FROM batch_submissions WHERE ${free} AND provider IN (${join([...providers])})
          ORDER BY next_at, id LIMIT 1)
        RETURNING *`);
      return row === undefined ? undefined : toSubmission(row);
    },

    async renew(id, owner, leaseUntil) {
      const count = await client.$executeRaw(sql`
        UPDATE batch_submissions SET lease_until = ${raw(String(Math.round(leaseUntil)))}
        WHERE id = ${id} AND owner = ${owner}`);
      return count === 1;
    },

    async change(id, owner, change) {
      const set = Object.entries(toRow(change)).map(([name, value]) => sql`${raw(name)} = ${value}`);
      if (set.length === 0) return true;
      const count = await client.$executeRaw(
        sql`UPDATE batch_submissions SET ${join(set)} WHERE id = ${id} AND owner = ${owner}`,
      );
      return count === 1;
    },

    async release(id, owner) {
      await client.$executeRaw(
        sql`UPDATE batch_submissions SET lease_until = 0, owner = NULL WHERE id = ${id} AND owner = ${owner}`,
      );
    },
  };
}

function toRow(change: SubmissionChange): Record<string, unknown> {
  const whole = (value: number | null) => (value === null ? raw('NULL') : raw(String(Math.round(value))));
  const json = (value: object | null) => (value === null ? raw('NULL') : toStorableJson(value));
  const { status, keyId, attemptedAt, submittedAt, handle, tries, unanswered, cancelledAt, progress, problem } = change;
  return {
    ...(status !== undefined && { status }),
    ...(keyId !== undefined && { key_id: keyId }),
    ...(attemptedAt !== undefined && { attempted_at: whole(attemptedAt) }),
    ...(submittedAt !== undefined && { submitted_at: whole(submittedAt) }),
    ...(handle !== undefined && { handle: json(handle) }),
    ...(tries !== undefined && { tries: whole(tries) }),
    ...(unanswered !== undefined && { unanswered: whole(unanswered) }),
    ...(cancelledAt !== undefined && { cancelled_at: whole(cancelledAt) }),
    ...(progress !== undefined && { progress: json(progress) }),
    ...(problem !== undefined && { problem: json(problem) }),
    ...(change.endedAt !== undefined && { ended_at: whole(change.endedAt) }),
    ...(change.nextAt !== undefined && { next_at: whole(change.nextAt) }),
  };
}

function toSubmission(row: Row): StoredSubmission {
  const number = <K extends string>(name: K, value: Whole | null) =>
    // A computed key widens to string; it is K.
    (value === null ? {} : { [name]: Number(value) }) as { [P in K]?: number };
  return {
    id: row.id,
    batchId: row.batch_id,
    column: Number(row.column_number),
    provider: row.provider,
    model: row.model,
    round: Number(row.round),
    requests: toRequests(row),
    status: row.status as SubmissionStatus, // written above and nowhere else
    ...(row.key_id !== null && { keyId: row.key_id }),
    ...number('attemptedAt', row.attempted_at),
    ...number('submittedAt', row.submitted_at),
    ...(row.handle !== null && { handle: JsonObject.parse(JSON.parse(row.handle)) }),
    tries: Number(row.tries),
    unanswered: Number(row.unanswered),
    ...number('cancelledAt', row.cancelled_at),
    ...(row.progress !== null && { progress: JsonObject.parse(JSON.parse(row.progress)) }),
    ...(row.problem !== null && { problem: ErrorShape.parse(JSON.parse(row.problem)) }),
    createdAt: Number(row.created_at),
    ...number('endedAt', row.ended_at),
    nextAt: Number(row.next_at),
  };
}

function toRequests({ requests, round }: Pick<Row, 'requests' | 'round'>): StoredSubmission['requests'] {
  // Written by `create`; earlier releases counted no calls, and one for each round.
  const listed = JSON.parse(requests) as [number, string, number?][];
  return listed.map(([item, requestId, calls = Number(round) - 1]) => ({ item, requestId, calls }));
}
