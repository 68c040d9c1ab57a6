import type { GeneratePayload } from '@aimm/contracts';
import { describe, expect, test } from 'vitest';
import { toNextHop } from '../src/fallback.ts';
import { generationJobId } from '../src/producer.ts';

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
