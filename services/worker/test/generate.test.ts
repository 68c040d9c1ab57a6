import { createTokenEstimator, loadCatalog } from '@aimm/catalog';
import {
  type Checkpoint,
  type GeneratePayload,
  type GenerationRequest,
  type LedgerRow,
  ModelManagerError,
  type Outcome,
} from '@aimm/contracts';
import type { ModelProvider, StreamPart } from '@aimm/providers';
import { CallFailedError, type Cooldowns, decide, type JobContext, type Opened } from '@aimm/queue';
import { describe, expect, test } from 'vitest';
import { createAdmissionNeeds } from '../src/admission-need.ts';
import { createKeyRing } from '../src/key-ring.ts';
import type { GenerateDependencies } from '../src/generation/run.ts';
import { createGenerate } from '../src/handlers/generate.ts';

const { catalog } = loadCatalog({ env: {} });
const tokens = createTokenEstimator();

const payload: GeneratePayload = {
  requestId: 'gen_1',
  client: 'tests',
  tags: [],
  lane: 'interactive',
  enqueuedAt: Date.now(),
  deadlineAt: Date.now() + 60_000,
  provider: 'mistral',
  request: { model: 'm', messages: [{ role: 'user', content: [{ type: 'text', text: 'hello' }] }], settings: {} },
  attempts: 3,
  timeoutMs: 30_000,
  stream: false,
  onUnknownOutcome: 'retry',
  warnings: [],
};

const answer: StreamPart = {
  type: 'finish',
  finishReason: { unified: 'stop' },
  usage: { inputTokens: 10, outputTokens: 5 },
};
const died = new Error('its worker died');

/** A job as Redis keeps it, which one worker after the other may run, and a vendor that fails as the test says. */
function createJob(failures: readonly ModelManagerError[], request = payload.request) {
  const kept: { checkpoint?: Checkpoint; outcome?: Outcome; isCancelled?: boolean } = {};
  const ledger = new Map<number, LedgerRow['status']>();
  const asked: GenerationRequest[] = [];
  const provider: Pick<ModelProvider, 'isAvailable' | 'stream'> = {
    isAvailable: () => true,
    async *stream(given) {
      asked.push(given);
      const failure = failures[asked.length - 1];
      if (failure !== undefined) throw failure;
      yield answer;
    },
  };
  const ring = createKeyRing({
    keys: [{ provider: provider as ModelProvider }],
    unreadable: [],
    onChange: () => undefined,
  });
  const pass = { answered: () => undefined, ended: () => undefined, leave: () => undefined };
  const cooldowns: Pick<Cooldowns, 'enter' | 'find'> = { enter: async () => ({ pass }), find: () => undefined };
  const open = (fresh: Checkpoint): Opened => {
    const { checkpoint, outcome } = kept;
    if (outcome !== undefined) return { state: 'settled', outcome, checkpoint };
    if (checkpoint !== undefined) return { state: 'resumed', checkpoint };
    kept.checkpoint = fresh;
    return { state: 'fresh' };
  };

  /** `stalledCount`: how often its workers have died. `dies`: this one does, at its first word to the ledger. */
  const run = async ({ stalledCount = 0, dies = false } = {}) => {
    const context = {
      signal: new AbortController().signal,
      now: Date.now,
      stalledCount,
      open: async (fresh: Checkpoint) => open(fresh),
      async start(checkpoint: Checkpoint) {
        if (kept.isCancelled === true) return { state: 'cancelled' as const };
        kept.checkpoint = checkpoint;
        delete kept.outcome;
        return { state: 'fresh' as const };
      },
      spent: () => undefined,
      save: async (checkpoint: Checkpoint) => void (kept.checkpoint = checkpoint),
      async settle(outcome: Outcome, checkpoint?: Checkpoint) {
        kept.outcome = outcome;
        kept.checkpoint = checkpoint ?? kept.checkpoint;
        return [];
      },
      reply: () => undefined,
      keepPartialText: () => undefined,
      decide: (error: ModelManagerError) =>
        decide(error, { ...payload, attempt: 1, now: Date.now(), leaving: false, random: 0 }),
      hold: async () => undefined,
    };
    const dependencies = {
      catalog,
      tokens,
      cooldowns,
      needs: createAdmissionNeeds({ catalog, tokens }),
      providers: { find: () => ring, isDemo: () => false },
      ledger: {
        async record(rows: readonly LedgerRow[]) {
          if (dies) throw died;
          for (const { callNumber, status } of rows) ledger.set(callNumber, status);
        },
      },
      turns: { record: async () => undefined },
      batches: { record: async () => undefined },
      producer: { addGeneration: async () => undefined },
      budgets: { reopen: async () => undefined },
      pace: { note: () => undefined },
      metrics: { ended() {}, recovered() {}, repeated() {}, paused() {} },
    };
    // The handler asks for no more of either.
    const generate = createGenerate(dependencies as unknown as GenerateDependencies);
    return generate({ ...payload, request }, context as unknown as JobContext).then(
      ({ value }) => value.finishReason.unified,
      (thrown: unknown) => (thrown instanceof CallFailedError ? thrown.decision.error.code : thrown),
    );
  };
  return { kept, run, asked, calls: () => asked.length, rows: () => [...ledger.entries()] };
}

const broken = new ModelManagerError('server_error', 'broken', { retryable: true });
const refused = new ModelManagerError('invalid_request', 'no');

test('a final failure whose worker dies before the queue knows of it ends once, as its client was told, and calls nobody again', async () => {
  const { run, calls, rows, kept } = createJob([refused]);
  expect(await run({ dies: true })).toBe(died);
  const told = kept.outcome;
  expect(await run({ stalledCount: 1 })).toBe('invalid_request');
  expect(kept.outcome).toEqual(told);
  expect(calls()).toBe(1);
  expect(rows()).toEqual([[1, 'failed']]);
});

test('a failed request that somebody runs again is asked anew, unless it was cancelled', async () => {
  const { run, calls, rows } = createJob([refused]);
  expect(await run()).toBe('invalid_request');
  expect(await run()).toBe('stop');
  expect(calls()).toBe(2);
  expect(rows()).toEqual([
    [1, 'failed'],
    [2, 'succeeded'],
  ]);

  const cancelled = createJob([new ModelManagerError('cancelled', 'The request was cancelled.')]);
  expect(await cancelled.run()).toBe('cancelled');
  expect(await cancelled.run()).toBe('cancelled');
  expect(cancelled.calls()).toBe(1);
});

test('a failed call whose worker dies before its row is written is in the ledger beside its retry', async () => {
  const { run, calls, rows } = createJob([broken]);
  expect(await run({ dies: true })).toBe(died);
  expect(rows()).toEqual([]);
  expect(await run({ stalledCount: 1 })).toBe('stop');
  expect(calls()).toBe(2);
  expect(rows()).toEqual([
    [1, 'failed'],
    [2, 'succeeded'],
  ]);
});

test('a request that is cancelled before its next call makes none', async () => {
  const { run, calls, rows, kept } = createJob([broken]);
  expect(await run()).toBe('server_error');
  kept.isCancelled = true;
  expect(await run()).toBe('cancelled');
  expect(kept.outcome).toMatchObject({ status: 'failed', error: { code: 'cancelled' } });
  expect(calls()).toBe(1);
  expect(rows()).toEqual([[1, 'failed']]);
});

describe('a provider that refuses what was kept with earlier tool calls, as of another key’s organisation', () => {
  const refusal = new ModelManagerError('invalid_request', 'no', { refused: 'kept' });
  const call = { type: 'tool_call', id: 'c1', name: 'f', arguments: {} } as const;
  const toRequest = (more: object): GenerationRequest => ({
    ...payload.request,
    messages: [
      ...payload.request.messages,
      { role: 'assistant', content: [{ ...call, ...more }] },
      { role: 'user', content: [{ type: 'tool_result', toolCallId: 'c1', content: 'sunny' }] },
    ],
  });
  const kept = toRequest({ vendor: { openai: { reasoning: [] } } });
  const bare = toRequest({});

  test('is asked once more without it, at once, and the answer says so', async () => {
    const job = createJob([refusal], kept);
    expect(await job.run()).toBe('stop');
    expect(job.asked).toEqual([kept, bare]);
    expect(job.rows()).toEqual([
      [1, 'failed'],
      [2, 'succeeded'],
    ]);
    const warning = { code: 'other', message: expect.stringContaining('mistral/m refused it') };
    expect(job.kept.outcome).toMatchObject({ status: 'succeeded', value: { warnings: [warning] } });
  });

  test.each([
    ['for another reason after that, has refused the request', [refusal, refused], kept, 2],
    ['for the same reason after that, too', [refusal, refusal], kept, 2],
    ['although nothing was kept, too', [refusal], bare, 1],
  ])('%s', async (_how, failures, request, calls) => {
    const job = createJob(failures, request);
    expect(await job.run()).toBe('invalid_request');
    expect(job.calls()).toBe(calls);
  });
});
