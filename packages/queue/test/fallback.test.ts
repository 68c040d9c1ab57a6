import type { GeneratePayload } from '@aimm/contracts';
import { describe, expect, test } from 'vitest';
import { toNextHop, toPoolMove, toSuccessor } from '../src/fallback.ts';
import { generationJobId } from '../src/generation-jobs.ts';

const hop = (model: string) => ({ provider: 'mistral', model, timeoutMs: 1, attempts: 2, warnings: [] });
const payload: GeneratePayload = {
  requestId: 'gen_1',
  client: 'me',
  tags: ['a'],
  lane: 'interactive',
  enqueuedAt: 0,
  deadlineAt: 1_000,
  startBy: 500,
  provider: 'openai',
  request: { model: 'gpt', messages: [{ role: 'user', content: [{ type: 'text', text: 'hi' }] }], settings: {} },
  attempts: 3,
  timeoutMs: 100,
  stream: true,
  onUnknownOutcome: 'retry',
  warnings: [],
  fallbacks: [hop('first'), hop('second')],
};
const error = { code: 'server_error', message: 'broken', retryable: true } as const;

describe('a fallback', () => {
  test('asks the next model with the same messages under the same request, as a job of its own', () => {
    const next = toNextHop(payload, error, 2, 0);
    expect(next).toMatchObject({
      requestId: 'gen_1',
      provider: 'mistral',
      request: { model: 'first', messages: payload.request.messages },
      fallbackFrom: 'openai/gpt',
    });
    expect(generationJobId(next ?? payload)).not.toBe(generationJobId(payload));
  });

  test('says what failed first, also after several hops, and counts the calls on', () => {
    const second = toNextHop(toNextHop(payload, error, 2, 0) ?? payload, error, 1, 0);
    expect(second).toMatchObject({ request: { model: 'second' }, fallbackFrom: 'openai/gpt', callsBefore: 3, hop: 2 });
    expect(second?.warnings.map(({ message }) => message)).toEqual([
      expect.stringContaining('openai/gpt failed (server_error: broken)'),
      expect.stringContaining('mistral/first failed'),
    ]);
  });

  test('tells that a call before it was cut off, once over all hops', () => {
    const calls = [
      { number: 1, startedAt: 1, state: 'outcome_unknown' },
      { number: 2, startedAt: 2, state: 'failed' },
    ] as const;
    const outcome = { status: 'failed', error, continues: true } as const;
    const next = toSuccessor(payload, { ...outcome, next: 'mistral/first' }, { calls, rows: [] });
    const last = next && toSuccessor(next, { ...outcome, next: 'mistral/second' }, { calls, rows: [] });
    for (const hop of [next, last])
      expect(hop?.warnings.filter(({ code }) => code === 'repeated_call')).toEqual([
        { code: 'repeated_call', message: expect.stringContaining('may have been billed') },
      ]);
  });

  test('ends where the list ends', () => {
    expect(toNextHop({ ...payload, fallbacks: [] }, error, 1, 0)).toBeUndefined();
  });

  test.each(['cancelled', 'invalid_request', 'outcome_unknown'] as const)('does not follow %s', (code) => {
    expect(toNextHop(payload, { ...error, code }, 1, 0)).toBeUndefined();
  });

  test('does not follow once nobody wants the answer any more', () => {
    expect(toNextHop(payload, error, 1, 1_000)).toBeUndefined();
  });
});

describe('a fallback that is set aside', () => {
  const isAside = (_provider: string, model: string) => model === 'first';

  test('is passed over, and kept for later', () => {
    const next = toNextHop(payload, error, 1, 0, { isAside });
    expect(next).toMatchObject({ request: { model: 'second' }, hop: 1, fallbacks: [{ model: 'first' }] });
    expect(next?.warnings.at(-1)?.message).toContain('(mistral/first set aside, too)');
  });

  test('is asked where all are: there it waits its turn', () => {
    expect(toNextHop(payload, error, 1, 0, { isAside: () => true })).toMatchObject({ request: { model: 'first' } });
  });

  test('that was chosen once is so again, whatever has changed', () => {
    const first = toNextHop(payload, error, 1, 0, { isAside });
    expect(toNextHop(payload, error, 1, 0, { to: 'mistral/second' })).toEqual(first);
  });
});

describe('what another model could mend', () => {
  const sized = {
    ...payload,
    contextWindow: 100,
    fallbacks: [{ ...hop('small'), contextWindow: 100 }, hop('unknown'), { ...hop('large'), contextWindow: 200 }],
  };
  const tooLong = { ...error, code: 'context_length_exceeded' } as const;
  const filtered = { ...error, code: 'content_filtered' } as const;

  test('is a prompt that is too long only where there is more room, or nobody knows', () => {
    const next = toNextHop(sized, tooLong, 1, 0);
    expect(next).toMatchObject({ request: { model: 'unknown' }, fallbacks: [{ model: 'large' }] });
    expect(next).not.toHaveProperty('contextWindow');
    const { fallbacks } = sized;
    expect(toNextHop({ ...sized, fallbacks: fallbacks.slice(0, 1) }, tooLong, 1, 0)).toBeUndefined();
  });

  test('is a refusal only where somebody said so', () => {
    expect(toNextHop(payload, filtered, 1, 0)).toBeUndefined();
    expect(toNextHop({ ...payload, fallBackOnFilter: true }, filtered, 1, 0)).toMatchObject({ hop: 1 });
  });
});

describe('a move inside a pool', () => {
  const pooled = { ...payload, pool: 'llama', fallbacks: [{ ...hop('equal'), equal: true }, hop('other')] };

  test('is no fallback: nothing is told, nothing is lost, and it can move back', () => {
    const moved = toPoolMove(pooled, 'mistral/equal');
    expect(moved).toMatchObject({
      provider: 'mistral',
      request: { model: 'equal' },
      hop: 1,
      startBy: 500,
      pool: 'llama',
    });
    expect(moved).not.toHaveProperty('fallbackFrom');
    expect(moved?.warnings).toEqual([]);
    const back = toPoolMove(moved ?? pooled, 'openai/gpt');
    expect(back).toMatchObject({ ...pooled, hop: 2, fallbacks: pooled.fallbacks });
  });

  test('goes to equal models only', () => {
    expect(toPoolMove(pooled, 'mistral/other')).toBeUndefined();
  });

  test('ends where the pool is left', () => {
    expect(toNextHop({ ...pooled, fallbacks: [hop('other')] }, error, 1, 0)).not.toHaveProperty('pool');
    expect(toNextHop(pooled, error, 1, 0)).toMatchObject({ pool: 'llama', fallbackFrom: 'openai/gpt' });
  });
});
