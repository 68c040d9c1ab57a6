import { ModelManagerError } from '@aimm/contracts';
import type { JobView } from '@aimm/manager';
import { describe, expect, it } from 'vitest';
import { createReadyManager } from './support/fake-manager.ts';
import { answer, comparison, comparisonId, generationId, queuedJob } from './support/fixtures.ts';
import { callTool, caller, connect } from './support/connect.ts';

async function read(view: JobView, args: Record<string, unknown> = {}) {
  const manager = createReadyManager({ getJob: async () => view });
  return callTool(await connect(manager), 'get_job', { job_id: view.requestId, ...args });
}

describe('get_job', () => {
  it('of a waiting job tells its place', async () => {
    const { text, structured } = await read(queuedJob);
    expect(text[0]).toBe(
      `${generationId} (openai/gpt-5-mini) is waiting, 3rd in line. Call get_job with wait_seconds to wait for the end.`,
    );
    expect(structured).toEqual({
      job_id: generationId,
      kind: 'generation',
      status: 'queued',
      model: 'openai/gpt-5-mini',
      created_at: '2025-11-24T16:00:00.000Z',
      position: 3,
    });
  });

  it('of a waiting job says how long it is likely to take, and what it waits for', async () => {
    const wait = { position: 12, inLine: 40, estimatedWaitMs: 35_200, waitingFor: 'queue' as const };
    const inLine = await read({ ...queuedJob, position: 12, wait });
    expect(inLine.text[0]).toContain('is waiting, 12th of 40 in line, about 35 s.');
    expect(inLine.structured).toMatchObject({ position: 12, estimated_wait_ms: 35_200, waiting_for: 'queue' });
    const waitingUntil = Date.parse('2026-11-24T16:10:00Z');
    const aside = { waitingFor: 'retry' as const, waitingUntil, estimatedWaitMs: 600_000 };
    const putAside = await read({ ...queuedJob, position: undefined, wait: aside });
    expect(putAside.text[0]).toContain('is waiting: to be tried again, waiting until 2026-11-24T16:10:00.000Z');
    expect(putAside.structured).toMatchObject({ waiting_for: 'retry', waiting_until: '2026-11-24T16:10:00.000Z' });
  });

  it('of a job whose call broke off keeps the text that came', async () => {
    const error = new ModelManagerError('network', 'The connection broke.').toShape();
    const { text, structured } = await read({
      ...queuedJob,
      status: 'failed',
      position: undefined,
      partialText: 'Par',
      error,
    });
    expect(text[0]).toContain('Par');
    expect(text.join('\n')).toContain('The connection broke.');
    expect(structured).toMatchObject({ status: 'failed', partial_text: 'Par' });
  });

  it('of a running job gives the text so far', async () => {
    const { text, structured } = await read({
      ...queuedJob,
      status: 'running',
      partialText: 'Par',
      position: undefined,
    });
    expect(text[0]).toBe('Par');
    expect(structured).toMatchObject({ status: 'running', partial_text: 'Par' });
  });

  it('of a finished generation is what generate would have answered', async () => {
    const { text, structured } = await read({ ...queuedJob, status: 'succeeded', generation: answer });
    expect(text[0]).toBe('Paris.');
    expect(structured).toMatchObject({
      status: 'succeeded',
      text: 'Paris.',
      model: 'openai/gpt-5-mini',
      cost_usd: 9e-6,
    });
  });

  it('of a failed job tells why, and is no error itself', async () => {
    const error = { code: 'content_filtered', message: 'openai refused.', retryable: false } as const;
    const { isError, text, structured } = await read({ ...queuedJob, status: 'failed', error });
    expect(isError).toBe(false);
    expect(text[0]).toContain('(error: content_filtered');
    expect(structured).toMatchObject({ status: 'failed', error: { code: 'content_filtered' } });
  });

  const compared: JobView = {
    requestId: comparisonId,
    kind: 'comparison',
    status: 'succeeded',
    createdAt: 1,
    comparison,
  };

  it('pages through the results of a comparison', async () => {
    const first = await read(compared, { limit: 1 });
    expect(first.structured).toMatchObject({ results: [{ model: 'openai/gpt-5-mini' }], next_cursor: '1' });
    const second = await read(compared, { limit: 1, cursor: '1' });
    expect(second.structured).toMatchObject({ results: [{ model: 'mistral/mistral-large' }] });
    expect(second.structured).not.toHaveProperty('next_cursor');
  });

  it('of a running comparison tells how far each model is', async () => {
    const children = [
      { requestId: generationId, model: 'openai/gpt-5-mini', status: 'succeeded' as const },
      { requestId: generationId, model: 'mistral/mistral-large', status: 'running' as const },
    ];
    const { text, structured } = await read({ ...compared, status: 'running', comparison: undefined, children });
    expect(text.join('\n')).toContain('mistral/mistral-large: running');
    expect(structured).toMatchObject({ progress: { finished: 1, total: 2 }, results: [{ status: 'succeeded' }, {}] });
  });

  it('waits as long as asked, but no longer than a client without progress does', async () => {
    const manager = createReadyManager();
    const client = await connect(manager, { timing: { handBackMs: 45_000 } });
    await callTool(client, 'get_job', { job_id: generationId });
    await callTool(client, 'get_job', { job_id: generationId, wait_seconds: 2.5 });
    await callTool(client, 'get_job', { job_id: generationId, wait_seconds: 3600 });
    const waits = manager.calls.map(({ args }) => Number(args[2]));
    expect(waits.slice(0, 2)).toEqual([0, 2500]);
    expect(waits[2]).toBeGreaterThan(40_000);
    expect(waits[2]).toBeLessThanOrEqual(45_000);
    expect(manager.calls[0]?.args.slice(0, 2)).toEqual([caller, generationId]);
  });
});

it.each([
  ['get_job', { wait_seconds: 60 }],
  ['cancel_job', {}],
])('of a job that cannot be looked at %s does not say how it stands', async (tool, args) => {
  const away = new ModelManagerError('unavailable', 'The queue (Redis) does not answer.', { retryable: true });
  const fail = () => Promise.reject(away);
  const client = await connect(createReadyManager({ getJob: fail, cancelJob: fail }));
  const { isError, text, structured } = await callTool(client, tool, { job_id: generationId, ...args });
  expect(isError).toBe(true);
  expect(text.join()).toContain('(error: unavailable)');
  // Who polls until it has ended takes any status for the job's.
  expect(structured).toBeUndefined();
});

describe('cancel_job', () => {
  it.each([
    ['cancelled', 'is cancelled'],
    ['succeeded', 'had succeeded before'],
    ['failed', 'had failed before'],
    ['running', 'is being cancelled'],
  ] as const)('of a job that is then %s says so', async (status, told) => {
    const manager = createReadyManager({ cancelJob: async () => ({ ...queuedJob, status, generation: undefined }) });
    const { text, structured } = await callTool(await connect(manager), 'cancel_job', { job_id: generationId });
    expect(text[0]).toContain(told);
    expect(structured).toMatchObject({ job_id: generationId, status });
  });

  it('cancels in the name of the caller', async () => {
    const manager = createReadyManager();
    await callTool(await connect(manager), 'cancel_job', { job_id: generationId });
    expect(manager.calls).toEqual([{ method: 'cancelJob', args: [caller, generationId] }]);
  });
});
