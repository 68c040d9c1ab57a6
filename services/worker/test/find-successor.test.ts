import type { GeneratePayload, Outcome, RequestRecord } from '@aimm/contracts';
import { expect, test } from 'vitest';
import { findSuccessor } from '../src/find-successor.ts';

const fallback = (model: string) => ({ provider: 'one', model, timeoutMs: 1_000, attempts: 1, warnings: [] });
const error = { code: 'server_error', message: 'it failed', retryable: true } as const;
const outcome: Extract<Outcome, { status: 'failed' }> = { status: 'failed', error, continues: true };

test.each([
  ['still names the job before', 'gen_1', 'third'],
  ['names this job', 'gen_1-hop1', 'third'],
  ['names a later job', 'gen_1-hop2', undefined],
  ['names a job ten hops later', 'gen_1-hop11', undefined],
  ['is gone', undefined, 'third'],
])('a job that failed goes on as its next hop, once: its request’s record %s', async (_name, jobId, expected) => {
  const payload = {
    requestId: 'gen_1',
    hop: 1,
    provider: 'one',
    request: { model: 'second', messages: [], settings: {} },
    fallbacks: [fallback('third')],
    warnings: [],
    deadlineAt: Number.MAX_SAFE_INTEGER,
  } as unknown as GeneratePayload;
  const find = async () => (jobId === undefined ? undefined : ({ jobId } as RequestRecord));
  const next = await findSuccessor({ find }, payload, outcome, { calls: [], rows: [] });
  expect(next?.request.model).toBe(expected);
});
