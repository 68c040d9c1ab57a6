import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { ModelManagerError } from '@aimm/contracts';
import { describe, expect, it, onTestFinished } from 'vitest';
import { callTool, connect } from './support/connect.ts';
import { createReadyManager } from './support/fake-manager.ts';
import { batch, batchGenerations, batchId } from './support/fixtures.ts';

async function start(args: Record<string, unknown>, options: { mayReadFiles?: boolean } = {}) {
  const manager = createReadyManager();
  const result = await callTool(await connect(manager, options), 'start_batch', {
    models: ['openai/gpt-5-mini'],
    ...args,
  });
  return { result, ask: manager.calls.find(({ method }) => method === 'startBatch')?.args[1] };
}

const said = (text: string) => [{ role: 'user', content: [{ type: 'text', text }] }];

describe('start_batch', () => {
  it('asks every prompt of every model, and answers with what it will cost', async () => {
    const { result, ask } = await start({
      prompts: ['a', 'b'],
      models: ['x/one', 'y/two'],
      temperature: 0.5,
      assertions: ['contains: snow', { type: 'max_cost', usd: 0.01 }],
      judge: 'z/judge',
      judge_mode: 'pairwise',
      max_cost_usd: 1.5,
      name: 'nightly',
      tags: ['t'],
    });
    expect(ask).toMatchObject({
      items: [
        { id: '1', messages: said('a') },
        { id: '2', messages: said('b') },
      ],
      models: ['x/one', 'y/two'],
      settings: { temperature: 0.5 },
      assertions: [
        { type: 'contains', value: 'snow' },
        { type: 'max_cost', nanoUsd: 10_000_000 },
      ],
      judge: { model: 'z/judge', mode: 'pairwise' },
      maxCostNanoUsd: 1_500_000_000,
      name: 'nightly',
      tags: ['t'],
    });
    expect(result.structured).toMatchObject({
      job_id: batchId,
      status: 'running',
      items: 2,
      total: 2,
      estimated_cost_usd: 0.002,
      spent_usd: 0.0009,
      columns: [{ column: 0, model: 'openai/gpt-5-mini', passed: 0, asserted: 1 }],
    });
    expect(result.text.join('\n')).toContain('1 of 2 generations done, $0.00090 spent of an estimated $0.0020');
  });

  it('refuses criteria of a judge that are longer than a prompt may be', async () => {
    const { result, ask } = await start({ prompts: ['a'], judge: 'z/judge', criteria: 'x'.repeat(1_000_001) });
    expect(result.text.join('\n')).toContain('The text of this request is 1,000,001 bytes long');
    expect(ask).toBeUndefined();
  });

  it('takes items with ids, variables and settings of their own, under the instructions of the batch', async () => {
    const items = [
      { id: 'x', prompt: 'in {{lang}}', vars: { lang: 'de' }, temperature: 1 },
      {
        messages: [
          { role: 'system', content: 'own' },
          { role: 'user', content: 'q' },
        ],
        assert: ['contains: z'],
      },
    ];
    const { ask } = await start({ items, system: 'Be brief.' });
    const system = (text: string) => ({ role: 'system', content: [{ type: 'text', text }] });
    expect(ask).toMatchObject({
      items: [
        { id: 'x', messages: [system('Be brief.'), ...said('in de')], settings: { temperature: 1 } },
        { id: '2', messages: [system('own'), ...said('q')], assertions: [{ type: 'contains', value: 'z' }] },
      ],
    });
  });

  it('reads a file only where its client runs on the same machine', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'aimm-batch-'));
    onTestFinished(() => rm(dir, { recursive: true, force: true }));
    const file = join(dir, 'rows.csv');
    await writeFile(file, 'name\nfox\nowl\n');
    const args = { file, template: 'What does the {{name}} eat?' };
    const { ask } = await start(args, { mayReadFiles: true });
    expect(ask).toMatchObject({
      items: [{ messages: said('What does the fox eat?') }, { messages: said('What does the owl eat?') }],
    });
    const refused = await start(args);
    expect(refused.ask).toBeUndefined();
    expect(refused.result.text.join()).toContain('does not read files');
    expect((await start({ file: 'rows.csv' }, { mayReadFiles: true })).result.text.join()).toContain('absolute path');
  });

  it('a file is opened when it is read: one that is not there is a fault of the call, and none is left open', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'aimm-batch-'));
    onTestFinished(() => rm(dir, { recursive: true, force: true }));
    const file = join(dir, 'late.jsonl');
    const read: unknown[] = [];
    let prepare = () => delay(30);
    const manager = createReadyManager({
      startBatch: async (_caller, { items }) => {
        // As long as models are chosen and the database answers.
        await prepare();
        for await (const item of items) read.push(item);
        return batch;
      },
    });
    const client = await connect(manager, { mayReadFiles: true });
    const args = { models: ['openai/gpt-5-mini'], file };
    const missing = await callTool(client, 'start_batch', args);
    expect(missing.isError).toBe(true);
    expect(missing.text.join()).toContain(`${file} cannot be read (ENOENT)`);
    prepare = () => writeFile(file, '{"prompt": "a"}');
    expect(await callTool(client, 'start_batch', args)).toMatchObject({ isError: false });
    expect(read).toMatchObject([{ messages: said('a') }]);
  });

  it('answers with its id once it runs, also where nobody can say how it goes on', async () => {
    const away = new ModelManagerError('unavailable', 'The database cannot be reached.', { retryable: true });
    const manager = createReadyManager({ getJob: () => Promise.reject(away) });
    const args = { models: ['openai/gpt-5-mini'], prompts: ['a'], wait_seconds: 300 };
    const { isError, text, structured } = await callTool(await connect(manager), 'start_batch', args);
    expect(isError).toBe(false);
    expect(structured).toMatchObject({ job_id: batchId, status: 'running' });
    expect(text.join()).toContain(batchId);
  });

  it.each([
    [{}, 'give one of prompts, items and file'],
    [{ prompts: ['a'], items: [{ prompt: 'b' }] }, 'give one of prompts, items and file'],
    [{ prompts: ['a'], criteria: 'short' }, 'judge'],
    [{ prompts: ['a'], models: [] }, 'models'],
    [{ items: [{ promt: 'a' }] }, 'entry 1'],
    [{ prompts: ['a'], assertions: ['nonsense: x'] }, 'contains'],
  ])('refuses %j with what is wrong', async (args, words) => {
    const { result, ask } = await start(args);
    expect(result.isError).toBe(true);
    expect(result.text.join('\n')).toContain(words);
    expect(ask).toBeUndefined();
  });
});

it('get_job tells how a batch stands, and its results by pages', async () => {
  const manager = createReadyManager({
    getJob: async (_caller, requestId, options) => {
      manager.calls.push({ method: 'getJob', args: [options?.cursor, options?.limit] });
      const job = { requestId, kind: 'batch', status: 'running', createdAt: batch.createdAt } as const;
      return { ...job, batch, generations: batchGenerations, nextCursor: '1.0' };
    },
  });
  const args = { job_id: batchId, cursor: '0.3', limit: 2 };
  const { text, structured } = await callTool(await connect(manager), 'get_job', args);
  expect(manager.calls.at(-1)?.args).toEqual(['0.3', 2]);
  expect(structured).toMatchObject({
    job_id: batchId,
    kind: 'batch',
    status: 'running',
    next_cursor: '1.0',
    batch: { batch_status: 'running', counts: { waiting: 1, succeeded: 1 }, estimated_left_seconds: 61 },
    generations: [
      { item: 'fox', column: 0, text: 'Foxes pounce.', assertions: [{ name: 'contains', passed: false }] },
      { item: 'owl', status: 'waiting' },
    ],
  });
  expect(text.join('\n')).toContain('[fox · openai/gpt-5-mini] Foxes pounce.\n  contains: does not contain "snow"');
  expect(text.join('\n')).toContain('cursor 1.0');
});
