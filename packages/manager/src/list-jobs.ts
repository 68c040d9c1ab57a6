import { ModelManagerError, RequestId, type RequestRecord } from '@aimm/contracts';
import type { Caller, JobList, JobQuery, JobSummary } from './manager.ts';
import type { Resources } from './resources.ts';
import { toWaitView } from './wait.ts';

const defaultLimit = 20;
/** Of a status that few have so many are looked through for one page; the cursor goes on from there. */
const mostLooked = 2_000;
const lookedAtOnce = 200;

/** The caller's requests of the last 24 hours (all for `admin`), newest first; what a comparison is made of is part of it. */
export async function listJobs(resources: Resources, caller: Caller, query: JobQuery = {}): Promise<JobList> {
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
  throw new ModelManagerError('invalid_request', 'That is no cursor of list_jobs.', {
    hint: 'Use next_cursor of the page before, or none for the first page.',
  });
}
