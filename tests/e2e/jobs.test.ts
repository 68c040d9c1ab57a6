import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type Deployment, startDeployment } from '../support/deployment.ts';
import { faces, type McpClient, mixedFaces } from '../support/mcp-client.ts';
import { echo, startUpstream, type Upstream } from '../support/upstream.ts';
import { recite, vendorModels } from '../support/vendors.ts';

const model = vendorModels.mistral;
/** The invariant is 100 ms; what is above it allows for two busy cores, far below any time-out that could help out. */
const promptlyMs = 1_000;

let upstream: Upstream;
let deployment: Deployment;
beforeAll(async () => {
  upstream = await startUpstream();
  deployment = await startDeployment({
    environment: { MISTRAL_BASE_URL: upstream.url, OLLAMA_CONCURRENCY: '1' },
  });
});
afterAll(async () => {
  await deployment?.end();
  await upstream?.stop();
});
beforeEach(() => {
  upstream.behave(echo);
  deployment.vendors.say(recite);
});

/** Says two words, then nothing until the test lets go. */
function speakAndHold(): void {
  upstream.behave(async (_call, { write, finish, held }) => {
    write('Well, ');
    write('then');
    await held;
    finish({ text: ' goodbye.' });
  });
}

/** What a call was rejected with; undefined where it was answered. */
function failureOf(call: Promise<unknown>): Promise<unknown> {
  return call.then(
    () => undefined,
    (error: unknown) => error,
  );
}

/** What must become of calls that are cancelled: the vendor's connection breaks at once. */
async function expectAborted(callNumbers: number[], since: number): Promise<void> {
  const calls = callNumbers.map((number) => upstream.calls[number - 1]);
  const others = upstream.calls.filter((call) => call.abortedAt !== undefined && !calls.includes(call));
  await upstream.aborted(others.length + calls.length);
  for (const call of calls) expect((call?.abortedAt ?? Infinity) - since).toBeLessThan(promptlyMs);
}

describe.each(faces)('cancelling, for a client of version $era over $transport:', (face) => {
  let mcp: McpClient;
  let other: McpClient;
  beforeAll(async () => {
    [mcp, other] = await Promise.all([deployment.connect(face), deployment.connect(face)]);
  });

  test('a client that gives a call up aborts it at the vendor, and the job says so', async () => {
    speakAndHold();
    const number = upstream.calls.length + 1;
    const known = await deployment.requestIds();
    const controller = new AbortController();

    const call = mcp.call('generate', { model, prompt: 'Hi' }, { signal: controller.signal });
    const givenUp = failureOf(call);
    await upstream.arrived(number);
    const cancelledAt = Date.now();
    controller.abort();

    expect(await givenUp).toBeInstanceOf(Error);
    await expectAborted([number], cancelledAt);
    const [jobId] = (await deployment.requestIds()).filter((id) => !known.includes(id));
    const { structured, text } = await other.call('get_job', { job_id: jobId, wait_seconds: 10 });
    expect(structured).toMatchObject({ job_id: jobId, status: 'cancelled', error: { code: 'cancelled' } });
    expect(text).toContain('cancelled');
    upstream.release();
  });

  test('cancel_job of another client of the same owner ends a call that is waited for', async () => {
    speakAndHold();
    const number = upstream.calls.length + 1;
    const known = await deployment.requestIds();

    const call = mcp.call('generate', { model, prompt: 'Hi' });
    await upstream.arrived(number);
    const [jobId] = (await deployment.requestIds()).filter((id) => !known.includes(id));
    const cancelledAt = Date.now();
    const cancelled = await other.call('cancel_job', { job_id: jobId });

    await expectAborted([number], cancelledAt);
    expect(cancelled.structured).toMatchObject({ job_id: jobId, kind: 'generation', status: 'cancelled' });
    const outcome = await call;
    expect(outcome.isError).toBe(true);
    expect(outcome.structured).toMatchObject({ job_id: jobId, status: 'cancelled', error: { code: 'cancelled' } });
    // Twice is as once.
    const again = await other.call('cancel_job', { job_id: jobId });
    expect(again.structured).toMatchObject({ status: 'cancelled' });
    upstream.release();
  });

  test('giving up a comparison aborts every model that still runs', async () => {
    speakAndHold();
    const number = upstream.calls.length + 1;
    const known = await deployment.requestIds();
    const controller = new AbortController();

    const models = [model, 'mistral/mistral-small-2603'];
    const call = mcp.call('compare_models', { models, prompt: 'Hi' }, { signal: controller.signal });
    const givenUp = failureOf(call);
    await upstream.arrived(number + 1);
    const cancelledAt = Date.now();
    controller.abort();

    expect(await givenUp).toBeInstanceOf(Error);
    await expectAborted([number, number + 1], cancelledAt);
    const fresh = (await deployment.requestIds()).filter((id) => !known.includes(id));
    for (const jobId of fresh) {
      const { structured } = await other.call('get_job', { job_id: jobId, wait_seconds: 10 });
      expect(structured.status).toBe('cancelled');
    }
    expect(fresh).toHaveLength(3);
    upstream.release();
  });
});

describe.each(mixedFaces)('jobs, over $transport in $era:', (face) => {
  let mcp: McpClient;
  beforeAll(async () => {
    mcp = await deployment.connect(face);
  });

  test('one in the background is read by its id, while it runs and when it has ended', async () => {
    speakAndHold();
    const number = upstream.calls.length + 1;

    const queued = await mcp.call('generate', { model, prompt: 'Hi', background: true });
    expect(queued.isError).toBe(false);
    expect(queued.structured).toMatchObject({ status: 'queued', model });
    const jobId: string = queued.structured.job_id;
    expect(queued.text).toContain(jobId);

    await upstream.arrived(number);
    const running = await mcp.call('get_job', { job_id: jobId });
    expect(running.structured).toMatchObject({ job_id: jobId, kind: 'generation', status: 'running', model });
    const waiting = mcp.call('get_job', { job_id: jobId, wait_seconds: 30 });
    upstream.release();

    const { isError, text, structured } = await waiting;
    expect(isError).toBe(false);
    expect(text).toContain('Well, then goodbye.');
    expect(structured).toMatchObject({
      job_id: jobId,
      kind: 'generation',
      status: 'succeeded',
      text: 'Well, then goodbye.',
      usage: { input_tokens: 10, output_tokens: 5 },
    });
    expect(Date.parse(structured.created_at)).toBeLessThan(Date.now());
  });

  test('waiting for a job ends with its time, not with the job', async () => {
    speakAndHold();
    const number = upstream.calls.length + 1;
    const { structured } = await mcp.call('generate', { model, prompt: 'Hi', background: true });
    await upstream.arrived(number);

    const waited = await mcp.call('get_job', { job_id: structured.job_id, wait_seconds: 0.5 });

    expect(waited.structured.status).toBe('running');
    upstream.release();
    const whole = await mcp.call('get_job', { job_id: structured.job_id, wait_seconds: 30 });
    expect(whole.structured.status).toBe('succeeded');
  });

  test('giving up the wait for a job leaves the job alone', async () => {
    speakAndHold();
    const number = upstream.calls.length + 1;
    const { structured } = await mcp.call('generate', { model, prompt: 'Hi', background: true });
    await upstream.arrived(number);
    const controller = new AbortController();
    const waiting = mcp.call(
      'get_job',
      { job_id: structured.job_id, wait_seconds: 30 },
      { signal: controller.signal, onProgress: () => controller.abort() },
    );
    expect(await failureOf(waiting)).toBeInstanceOf(Error);

    upstream.release();
    const whole = await mcp.call('get_job', { job_id: structured.job_id, wait_seconds: 30 });
    expect(whole.structured).toMatchObject({ status: 'succeeded', text: 'Well, then goodbye.' });
    expect(upstream.calls[number - 1]?.abortedAt).toBeUndefined();
  });

  test('a comparison in the background is read model by model, and by pages', async () => {
    speakAndHold();
    const number = upstream.calls.length + 1;
    const models = [vendorModels.openai, model, vendorModels.google];
    const queued = await mcp.call('compare_models', { models, prompt: 'Hi', background: true });
    expect(queued.structured).toMatchObject({ status: 'queued', progress: { finished: 0, total: 3 } });
    const jobId: string = queued.structured.job_id;
    await upstream.arrived(number);

    const running = await mcp.call('get_job', { job_id: jobId });
    expect(running.structured).toMatchObject({ kind: 'comparison', status: 'running' });
    expect(running.structured.results[1]).toMatchObject({ model, status: 'running' });
    const little = await mcp.call('get_job', { job_id: jobId, limit: 1 });
    // The others may have answered by now.
    expect(little.structured.progress.total).toBe(3);
    expect(little.structured.progress.finished).toBeLessThan(3);
    expect(little.structured.next_cursor).toBeUndefined();

    upstream.release();
    const whole = await mcp.call('get_job', { job_id: jobId, wait_seconds: 30 });
    expect(whole.structured).toMatchObject({ status: 'succeeded', summary: { succeeded: 3, failed: 0 } });
    expect(whole.structured.results.map((result: { model: string }) => result.model)).toEqual(models);

    const page = await mcp.call('get_job', { job_id: jobId, limit: 2 });
    expect(page.structured.results).toHaveLength(2);
    const rest = await mcp.call('get_job', { job_id: jobId, limit: 2, cursor: page.structured.next_cursor });
    expect(rest.structured.results.map((result: { model: string }) => result.model)).toEqual([vendorModels.google]);
    expect(rest.structured.next_cursor).toBeUndefined();
  });

  test('an id that nobody was given is told as such, by get_job and by cancel_job', async () => {
    for (const id of ['gen', 'cmp', 'bat'].map((kind) => `${kind}_0198c0de-0000-7000-8000-00000000dead`)) {
      for (const tool of ['get_job', 'cancel_job']) {
        const { isError, text } = await mcp.call(tool, { job_id: id });
        expect(isError).toBe(true);
        expect(text).toContain(`There is no ${id.startsWith('bat_') ? 'batch' : 'job'} "${id}".`);
        expect(text).toContain('(error: invalid_request)');
      }
    }
  });

  test('cancelling what has ended leaves it as it ended', async () => {
    const { structured } = await mcp.call('generate', { model, prompt: 'Hi' });
    const cancelled = await mcp.call('cancel_job', { job_id: structured.job_id });
    expect(cancelled.structured).toMatchObject({ status: 'succeeded' });
    expect(cancelled.text).toContain('had succeeded before');
    const read = await mcp.call('get_job', { job_id: structured.job_id });
    expect(read.structured).toMatchObject({ status: 'succeeded', text: 'echo: Hi' });
  });
});

test('a job that waits says its place, and is cancelled before the vendor hears of it', async () => {
  const mcp = await deployment.connect({ transport: 'stdio', era: '2025-11-25' });
  const ollama = vendorModels.ollama;
  deployment.vendors.say(() => ({ text: 'slow '.repeat(400), inputTokens: 1, outputTokens: 400 }));
  const before = deployment.vendors.calls().length;
  const first = await mcp.call('generate', { model: ollama, prompt: 'first', background: true });
  await deployment.vendors.arrived(before + 1);

  const second = await mcp.call('generate', { model: ollama, prompt: 'second', background: true });
  const waiting = await mcp.call('get_job', { job_id: second.structured.job_id });
  expect(waiting.structured).toMatchObject({ status: 'queued', position: 1 });
  expect(waiting.text).toContain('next in line');
  const soFar = async () => (await mcp.call('get_job', { job_id: first.structured.job_id })).structured.partial_text;
  await expect.poll(soFar, { timeout: 10_000 }).toMatch(/^(slow )+/);
  const cancelled = await mcp.call('cancel_job', { job_id: second.structured.job_id });
  expect(cancelled.structured.status).toBe('cancelled');
  const stopped = await mcp.call('cancel_job', { job_id: first.structured.job_id });
  expect(stopped.structured.status).toBe('cancelled');

  deployment.vendors.say(recite);
  const last = await mcp.call('generate', { model: ollama, prompt: 'third' });
  expect(last.isError).toBe(false);
  expect(
    deployment.vendors
      .calls()
      .slice(before)
      .map(({ prompt }) => prompt),
  ).toEqual(['first', 'third']);
});

test('a client that goes away does not take its job along', async () => {
  speakAndHold();
  const number = upstream.calls.length + 1;
  const known = await deployment.requestIds();
  const [leaving, staying] = await Promise.all([
    deployment.connect({ transport: 'stdio', era: '2025-11-25' }),
    deployment.connect({ transport: 'stdio', era: '2026-07-28' }),
  ]);
  const lost = failureOf(leaving.call('generate', { model, prompt: 'Hi' }));
  await upstream.arrived(number);
  const [jobId] = (await deployment.requestIds()).filter((id) => !known.includes(id));

  await leaving.close();
  expect(await lost).toBeInstanceOf(Error);
  upstream.release();

  const { structured } = await staying.call('get_job', { job_id: jobId, wait_seconds: 30 });
  expect(structured).toMatchObject({ status: 'succeeded', text: 'Well, then goodbye.' });
  expect(upstream.calls[number - 1]?.abortedAt).toBeUndefined();
});

test('cancelling a comparison while its judge thinks ends the judge', async () => {
  const mcp = await deployment.connect({ transport: 'stdio', era: '2026-07-28' });
  speakAndHold();
  const number = upstream.calls.length + 1;
  const models = [vendorModels.openai, vendorModels.google];
  const { structured } = await mcp.call('compare_models', { models, judge: model, prompt: 'Hi', background: true });
  await upstream.arrived(number);
  const cancelledAt = Date.now();
  const cancelled = await mcp.call('cancel_job', { job_id: structured.job_id });

  await expectAborted([number], cancelledAt);
  expect(cancelled.structured.status).toBe('cancelled');
  const read = await mcp.call('get_job', { job_id: structured.job_id, wait_seconds: 10 });
  expect(read.structured.results.map((result: { model: string }) => result.model)).toEqual(models);
  upstream.release();
});
