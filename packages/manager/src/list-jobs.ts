import { ModelManagerError, RequestId, type RequestRecord } from '@aimm/contracts';
import { askDatabase } from './ask-database.ts';
import { toRequestStatus } from './batch/batch-job.ts';
import { listBatches } from './batch/read-batch.ts';
import type { Caller } from './caller.ts';
import type { JobList, JobQuery, JobSummary } from './job-views.ts';
import type { Resources } from './resources.ts';
import { toWaitView } from './wait.ts';

const defaultLimit = 20;
/** Of a status that few have so many are looked through for one page; the cursor goes on from there. */
const mostLooked = 2_000;
const lookedAtOnce = 200;
const databaseWithinMs = 1_500;

/**
 * The caller's requests of the last 24 hours and all its batches (everybody's for `admin`), newest first; what a comparison or a
 * batch is made of is part of it. While the database is away batches are left out, which is said, unless they alone are asked for.
 */
export async function listJobs(resources: Resources, caller: Caller, query: JobQuery = {}): Promise<JobList> {
  const { kind, limit = defaultLimit } = query;
  if (query.cursor !== undefined) requireCursor(query.cursor);
  if (kind === 'batch') return listBatchJobs(resources, caller, query);
  if (kind !== undefined) return listRequests(resources, caller, query);
  const [requests, batches] = await Promise.all([
    listRequests(resources, caller, query),
    askDatabase(resources.database, databaseWithinMs, () => listBatchJobs(resources, caller, query)).catch(
      (): JobList => ({ jobs: [], withoutBatches: true }),
    ),
  ]);
  return joinPages(requests, batches, limit);
}

/** One page of both, newest first: of each as much as both are known to, older ones come with the next page. */
export function joinPages(requests: JobList, batches: JobList, limit: number): JobList {
  const [end] = [requests.nextCursor, batches.nextCursor]
    .filter((cursor) => cursor !== undefined)
    .toSorted((a, b) => (isNewer(a, b) ? -1 : 1));
  const all = [...requests.jobs, ...batches.jobs]
    .filter(({ requestId }) => end === undefined || !isNewer(end, requestId))
    .toSorted((a, b) => (isNewer(a.requestId, b.requestId) ? -1 : 1));
  const jobs = all.slice(0, limit);
  const next = all.length > limit ? jobs.at(-1)?.requestId : end;
  return {
    jobs,
    ...(next !== undefined && { nextCursor: next }),
    ...(batches.withoutBatches && { withoutBatches: true }),
  };
}

/** Ids of every kind sort by the time in them. */
function isNewer(id: string, than: string): boolean {
  return toTime(id) > toTime(than);
}

function toTime(id: string): string {
  return id.slice(id.indexOf('_') + 1);
}

async function listBatchJobs(resources: Resources, caller: Caller, query: JobQuery): Promise<JobList> {
  const { status, client, limit = defaultLimit, cursor } = query;
  const statuses = (['running', 'paused', 'completed', 'cancelled'] as const).filter(
    (one) => status === undefined || toRequestStatus(one) === status,
  );
  const { batches, nextCursor } = await listBatches(resources, caller, {
    limit,
    client,
    statuses,
    ...(cursor !== undefined && { cursor: `bat_${toTime(cursor)}` }),
  });
  const jobs = batches.map((batch): JobSummary => ({
    requestId: batch.batchId,
    kind: 'batch',
    client: batch.client,
    status: toRequestStatus(batch.status),
    createdAt: batch.createdAt,
    ageMs: Math.max(0, resources.now() - batch.createdAt),
    models: batch.models,
  }));
  return { jobs, ...(nextCursor !== undefined && { nextCursor }) };
}

async function listRequests(resources: Resources, caller: Caller, query: JobQuery = {}): Promise<JobList> {
  const { queue } = resources;
  const { kind, status, limit = defaultLimit } = query;
  let before = query.cursor === undefined ? undefined : requireCursor(query.cursor);
  const jobs: { job: JobSummary; record: RequestRecord }[] = [];
  for (let looked = 0; looked < mostLooked; looked += lookedAtOnce) {
    const client = caller.admin ? query.client : caller.client;
    // One more tells whether there is another page.
    const atOnce = status === undefined ? limit - jobs.length + 1 : lookedAtOnce;
    const page = await queue.requests.list({ client, kind, before, limit: atOnce });
    const found = await toSummaries(resources, page.records);
    for (const one of found) {
      if (status !== undefined && one.job.status !== status) continue;
      jobs.push(one);
      if (jobs.length === limit) break;
    }
    const last = jobs.length === limit ? jobs.at(-1)?.job.requestId : page.last;
    const isEnd = page.last === undefined && found.at(-1)?.job.requestId === last;
    before = isEnd ? undefined : last;
    if (jobs.length === limit || before === undefined) break;
  }
  return {
    jobs: await Promise.all(jobs.map(({ job, record }) => withPlace(resources, job, record))),
    ...(before !== undefined && { nextCursor: before }),
  };
}

type Found = { job: JobSummary; record: RequestRecord };

/** Without those whose jobs are no longer kept. */
async function toSummaries({ queue, now }: Resources, records: readonly RequestRecord[]): Promise<Found[]> {
  const places = records.flatMap(({ queue: own, jobId, children = [] }) => [
    { queue: own, jobId },
    ...children.map((child) => ({ queue: child.queue, jobId: child.requestId })),
  ]);
  const states = await queue.requests.readBriefStates(places);
  let next = 0;
  const found = await Promise.all(
    records.map(async (record): Promise<Found | undefined> => {
      const [own, ...children] = states.slice(next, (next += 1 + (record.children?.length ?? 0)));
      // It has no job of its own.
      const isShared = record.follows === true || record.cached !== undefined;
      const shared = isShared ? await queue.requests.readState(record) : undefined;
      const state = record.ended ?? toShared(record, shared) ?? own;
      if (state === undefined || state.status === 'missing') return undefined;
      const hasBegun = children.some(({ status }) => status !== 'queued' && status !== 'missing');
      const { requestId, kind, client, createdAt, model } = record;
      return {
        record,
        job: {
          requestId,
          kind,
          client,
          status: state.status === 'queued' && hasBegun ? 'running' : state.status,
          createdAt,
          ageMs: Math.max(0, now() - createdAt),
          models: model === undefined ? (record.children ?? []).map((child) => child.model) : [model],
          ...(state.error !== undefined && { errorCode: state.error.code }),
        },
      };
    }),
  );
  return found.filter((one) => one !== undefined);
}

type Shared = Awaited<ReturnType<Resources['queue']['requests']['readState']>>;

/** An answer from the cache was given, whether or not it is still kept. */
function toShared({ cached }: RequestRecord, state: Shared | undefined) {
  if (state === undefined) return undefined;
  if (cached !== undefined) return { status: 'succeeded' as const, error: undefined };
  const error = state.outcome?.status === 'failed' ? state.outcome.error : undefined;
  return { status: state.status, error };
}

/** Where it stands in its queue, for the few that wait and are shown. */
async function withPlace(
  { queue, catalog, now }: Resources,
  job: JobSummary,
  record: RequestRecord,
): Promise<JobSummary> {
  if (job.status !== 'queued' || record.kind !== 'generation' || record.follows === true) return job;
  const state = await queue.requests.readJob(record.queue, record.jobId);
  const wait = toWaitView(state, catalog.findProvider(record.queue)?.requestsPerMinute, now());
  return { ...job, ...(wait !== undefined && { wait }) };
}

function requireCursor(cursor: string): string {
  if (RequestId.safeParse(cursor).success) return cursor;
  throw new ModelManagerError('invalid_request', 'That is not a cursor of list_jobs.', {
    hint: 'Use next_cursor of the page before, or none for the first page.',
  });
}
