import { expect, test } from 'vitest';
import { joinPages } from '../src/list-jobs.ts';
import type { JobList } from '../src/job-views.ts';

/** Ids as they sort: a higher number is newer. */
const job = (kind: 'generation' | 'batch', number: number) => ({
  requestId: `${kind === 'batch' ? 'bat' : 'gen'}_${String(number).padStart(4, '0')}`,
  kind,
  client: 'me',
  status: 'running' as const,
  createdAt: number,
  ageMs: 0,
  models: [],
});
const all = (kind: 'generation' | 'batch', numbers: number[]) => numbers.map((number) => job(kind, number));
const requests = all('generation', [40, 33, 12, 5]);
const batches = all('batch', [50, 39, 38, 37, 20, 11, 10, 1]);

/** A page as each of both lists gives it: `gaveUpAt` is where the looking ended that found none of the status. */
function pageOf(jobs: JobList['jobs'], cursor: string, limit: number, gaveUpAt?: number): JobList {
  const older = jobs.filter(({ requestId }) => requestId.slice(4) < cursor.slice(4));
  const page = older.slice(0, limit);
  const last = page.at(-1)?.requestId;
  if (gaveUpAt !== undefined && cursor.slice(4) > String(gaveUpAt).padStart(4, '0'))
    return { jobs: [], nextCursor: job('generation', gaveUpAt).requestId };
  return { jobs: page, ...(older.length > limit && last !== undefined && { nextCursor: last }) };
}

test.each([1, 2, 3, 4, 7, 20])('pages of %i hold every request and every batch once, newest first', (limit) => {
  const seen: string[] = [];
  let cursor: string | undefined = 'gen_9999';
  while (cursor !== undefined) {
    const page: JobList = joinPages(pageOf(requests, cursor, limit), pageOf(batches, cursor, limit), limit);
    expect(page.jobs.length).toBeLessThanOrEqual(limit);
    seen.push(...page.jobs.map(({ requestId }) => requestId));
    cursor = page.nextCursor;
  }
  const ids = [...requests, ...batches].map(({ requestId }) => requestId);
  expect(seen).toEqual(ids.toSorted((a, b) => (a.slice(4) < b.slice(4) ? 1 : -1)));
});

test('no batch is passed over where the looking for requests went further than the page', () => {
  const seen: string[] = [];
  let cursor: string | undefined = 'gen_9999';
  while (cursor !== undefined) {
    const page: JobList = joinPages(pageOf([], cursor, 2, 4), pageOf(batches, cursor, 2), 2);
    seen.push(...page.jobs.map(({ requestId }) => requestId));
    cursor = page.nextCursor;
  }
  expect(seen).toEqual(batches.map(({ requestId }) => requestId));
});
