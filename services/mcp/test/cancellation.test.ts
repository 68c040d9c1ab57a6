import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import { createFakeManager } from './support/fake-manager.ts';
import { answer } from './support/fixtures.ts';
import { callTool, connect, eras } from './support/connect.ts';

describe.each(eras)('in version %s', (era) => {
  it('cancelling a call cancels its request', async () => {
    const manager = createFakeManager();
    const client = await connect(manager, { era });
    const controller = new AbortController();
    const call = callTool(client, 'generate', { prompt: 'Hi' }, { signal: controller.signal });
    const { options, fail } = await manager.nextGeneration();
    const aborted = once(options?.signal ?? new EventTarget(), 'abort');
    controller.abort('user pressed stop');
    await expect(call).rejects.toBeDefined();
    await aborted;
    fail(new Error('cancelled'));
  });

  it('a client that goes away leaves its request running: it can be read by id', async () => {
    const manager = createFakeManager();
    const client = await connect(manager, { era });
    const call = callTool(client, 'generate', { prompt: 'Hi' });
    const { options, succeed } = await manager.nextGeneration();
    await client.close();
    await expect(call).rejects.toBeDefined();
    succeed(answer);
    expect(options?.signal?.aborted).toBe(false);
  });

  it('cancelling one call leaves others alone', async () => {
    const manager = createFakeManager();
    const client = await connect(manager, { era });
    const controller = new AbortController();
    const first = callTool(client, 'generate', { prompt: 'one' }, { signal: controller.signal });
    const one = await manager.nextGeneration();
    const second = callTool(client, 'generate', { prompt: 'two' });
    const two = await manager.nextGeneration();
    controller.abort();
    await expect(first).rejects.toBeDefined();
    one.fail(new Error('cancelled'));
    two.succeed(answer);
    expect((await second).structured).toMatchObject({ status: 'succeeded' });
    expect(two.options?.signal?.aborted).toBe(false);
  });

  it('giving up a wait for a job does not cancel the job', async () => {
    const asked = Promise.withResolvers<void>();
    const gone = Promise.withResolvers<void>();
    const manager = createFakeManager({
      getJob: (_caller, _id, options) => {
        options?.signal?.addEventListener('abort', () => gone.resolve());
        asked.resolve();
        return Promise.withResolvers<never>().promise;
      },
    });
    const client = await connect(manager, { era });
    const controller = new AbortController();
    const args = { job_id: 'gen_0198c0de-0000-7000-8000-000000000001', wait_seconds: 30 };
    const call = callTool(client, 'get_job', args, { signal: controller.signal });
    await asked.promise;
    controller.abort();
    await expect(call).rejects.toBeDefined();
    await gone.promise;
    expect(manager.calls.map(({ method }) => method)).not.toContain('cancelJob');
  });

  it('a call cancelled while the stack starts is never asked', async () => {
    const starting = Promise.withResolvers<ReturnType<typeof createFakeManager>>();
    const reached = Promise.withResolvers<void>();
    const manager = createFakeManager();
    const client = await connect(
      () => {
        reached.resolve();
        return starting.promise;
      },
      { era },
    );
    const controller = new AbortController();
    const call = callTool(client, 'generate', { prompt: 'Hi' }, { signal: controller.signal });
    await reached.promise;
    controller.abort();
    await expect(call).rejects.toBeDefined();
    await client.listTools();
    starting.resolve(manager);
    await client.listTools();
    expect(manager.calls).toEqual([]);
  });
});
