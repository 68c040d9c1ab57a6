import { type ErrorCode, ModelManagerError } from '@aimm/contracts';
import { expect, test } from 'vitest';
import { judgeCall } from '../src/call-verdict.ts';

const patience = { firstByteTimeoutMs: 2_000, idleTimeoutMs: 1_000 };
const judge = (code: ErrorCode, tookMs = 0, retryAfterMs?: number) =>
  judgeCall(new ModelManagerError(code, 'no', { retryAfterMs }), tookMs, patience);

test('an answer is one, also where it is a no to this request alone', () => {
  expect(judgeCall(undefined, 5, patience)).toBe('answered');
  const codes = ['invalid_request', 'unknown_model', 'context_length_exceeded', 'content_filtered'] as const;
  expect(codes.map((code) => judge(code))).toEqual(codes.map(() => 'answered'));
});

test('what breaks on the provider’s side is a failure, and nobody there is one of the whole provider', () => {
  expect([judge('server_error'), judge('overloaded'), judge('network')]).toEqual(['failed', 'failed', 'unreachable']);
});

test('who asks us to wait is not failing', () => {
  expect([judge('rate_limited'), judge('rate_limited', 0, 100), judge('overloaded', 0, 100)]).toEqual([
    'unknown',
    'unknown',
    'unknown',
  ]);
});

test('a timeout is the provider’s where it was given its own time', () => {
  expect([judge('timeout', 999), judge('timeout', 1_000)]).toEqual(['unknown', 'failed']);
});

test('keys, cancels and our own faults say nothing of the provider', () => {
  const codes = ['authentication', 'permission', 'quota_exceeded', 'cancelled', 'internal', 'unavailable'] as const;
  expect(codes.map((code) => judge(code))).toEqual(codes.map(() => 'unknown'));
});
