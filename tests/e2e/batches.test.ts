import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Deployment, startDeployment } from '../support/deployment.ts';
import { type CallOptions, faces, type Progress } from '../support/mcp-client.ts';
import { startUpstream, type Upstream } from '../support/upstream.ts';
import { vendorModels } from '../support/vendors.ts';

let upstream: Upstream;
let deployment: Deployment;
beforeAll(async () => {
  upstream = await startUpstream();
  deployment = await startDeployment({ environment: { MISTRAL_BASE_URL: upstream.url } });
});
afterAll(async () => {
  await deployment?.end();
  await upstream?.stop();
});

interface BatchAnswer {
  job_id: string;
  status: string;
  batch?: BatchAnswer;
  counts: Record<string, number>;
  columns: { passed?: number }[];
  generations?: { item: string; text?: string }[];
  next_cursor?: string;
}

describe.each(faces)('a batch, for a client of version $era over $transport:', (face) => {
  test('is started, waited for with progress, read by pages and found in the list', async () => {
    const mcp = await deployment.connect(face);
    const call = async (name: string, args: Record<string, unknown>, onProgress?: CallOptions['onProgress']) => {
      // Holds the answer against the tool's own output schema.
      const { isError, structured } = await mcp.call(name, args, onProgress && { onProgress });
      expect(isError).toBe(false);
      return structured as BatchAnswer;
    };
    const prompts = Array.from({ length: 12 }, (_, index) => `${face.era} ${face.transport} number ${index}`);
    const models = [vendorModels.mistral];
    const started = await call('start_batch', { prompts, models, assertions: ['contains: number 1'], name: 'e2e' });
    expect(started).toMatchObject({ status: 'running', items: 12, total: 12 });
    const heard: Progress[] = [];
    const told = (progress: Progress) => void heard.push(progress);
    const job = await call('get_job', { job_id: started.job_id, wait_seconds: 30, limit: 5 }, told);
    expect(job).toMatchObject({ kind: 'batch', status: 'succeeded', next_cursor: '4.0' });
    expect(job.batch).toMatchObject({ counts: { succeeded: 12 }, columns: [{ passed: 3, asserted: 12 }] });
    const counted = heard.filter(({ message }) => /^\d+ of 12 done/.test(message ?? ''));
    expect(counted.map(({ total }) => total)).toEqual(counted.map(() => 12));
    expect(counted.length).toBeGreaterThan(0);
    const values = heard.map(({ progress }) => progress);
    expect(values).toEqual([...new Set(values)].toSorted((one, other) => one - other));
    const last = await call('get_job', { job_id: started.job_id, cursor: '9.0' });
    expect(last.generations?.map(({ text }) => text)).toEqual(prompts.slice(10).map((prompt) => `echo: ${prompt}`));
    expect(await call('list_jobs', { kind: 'batch', limit: 1 })).toMatchObject({
      jobs: [{ job_id: started.job_id, kind: 'batch', status: 'succeeded', models }],
    });
    expect(await call('cancel_job', { job_id: started.job_id })).toMatchObject({ status: 'succeeded' });
  });
});
