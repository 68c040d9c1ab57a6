import type { GeneratePayload, LedgerRow } from '@aimm/contracts';
import { expect, test } from 'vitest';
import { createCallLog } from '../src/call-log.ts';
import { call } from '../src/generation/calling.ts';
import type { GenerationRun } from '../src/generation/run.ts';

const payload: GeneratePayload = {
  requestId: 'gen_1',
  client: 'tests',
  tags: [],
  lane: 'interactive',
  enqueuedAt: 0,
  deadlineAt: 60_000,
  provider: 'openai',
  request: { model: 'm', messages: [{ role: 'user', content: [{ type: 'text', text: 'hi' }] }], settings: {} },
  attempts: 3,
  timeoutMs: 30_000,
  stream: true,
  onUnknownOutcome: 'retry',
  warnings: [],
};

test('what a call used is in the ledger even where its end can be written nowhere in Redis', async () => {
  const rows: LedgerRow[] = [];
  const log = createCallLog(payload, { stalledCount: 0, demo: false, now: () => 1, onEnd: () => undefined });
  log.start();
  const usage = { inputTokens: 3, outputTokens: 5 };
  const provider = {
    async *stream() {
      yield { type: 'text', text: 'hello' };
      yield { type: 'finish', usage, finishReason: { unified: 'stop' } };
    },
  };
  const run = {
    payload,
    fitted: payload,
    log,
    demo: false,
    refused: new Set(),
    way: {},
    ring: {
      keys: [{}],
      candidates: () => [{ provider }],
      next: () => ({ provider }),
      hold: () => () => undefined,
      report: () => undefined,
    },
    context: {
      signal: new AbortController().signal,
      now: () => 1,
      reply: () => undefined,
      keepPartialText: () => undefined,
      spent: () => undefined,
      settle: () => Promise.reject(new Error('MISCONF Errors writing to the AOF file: No space left on device')),
    },
    dependencies: {
      needs: { note: () => 8 },
      catalog: { priceCall: () => ({ costNanoUsd: 7, priceVersion: 'test' }) },
      ledger: { record: (given: LedgerRow[]) => void rows.push(...given) },
    },
    // Of a run only what a call and its end ask.
  } as unknown as GenerationRun;
  await expect(call(run)).rejects.toThrow('MISCONF');
  expect(rows).toEqual([expect.objectContaining({ callNumber: 1, status: 'succeeded', costNanoUsd: 7, ...usage })]);
});
