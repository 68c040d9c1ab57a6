import { ModelManagerError } from '@aimm/contracts';
import { expect, it } from 'vitest';
import { toText } from '../src/comparison/format-comparison.ts';

const result = {
  requestId: 'gen_1',
  provider: 'p',
  model: 'm',
  text: '',
  finishReason: { unified: 'tool_calls' as const },
  usage: {},
  costNanoUsd: null,
  latency: { queueMs: 0, providerMs: 1, totalMs: 1 },
  calls: 1,
  cached: false,
  warnings: [],
};

it('an answer of a comparison shows which functions it asks for', () => {
  const toolCalls = [{ type: 'tool_call' as const, id: 'call_1', name: 'look', arguments: { place: 'x' } }];
  expect(toText({ result: { ...result, toolCalls } })).toBe('look({"place":"x"})');
  expect(toText({ result: { ...result, text: 'Let me see.', toolCalls } })).toBe('Let me see.\nlook({"place":"x"})');
});

it('one that failed says why, in the words of the command line', () => {
  const error = new ModelManagerError('timeout', 'Late.', { hint: 'Give it a longer timeout_seconds.' }).toShape();
  expect(toText({ error })).toBe('Failed: Late. Give it a longer --timeout.');
});
