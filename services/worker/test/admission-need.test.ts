import type { Catalog } from '@aimm/catalog';
import { createTokenEstimator, loadCatalog } from '@aimm/catalog';
import { type ErrorCode, type GeneratePayload, ModelManagerError, type Usage } from '@aimm/contracts';
import { expect, test } from 'vitest';
import type { AccountedCall } from '../src/account-for-call.ts';
import { createAdmissionNeeds } from '../src/admission-need.ts';

const { catalog } = loadCatalog({ env: { OPENAI_RPM: '77' } });
const tokens = createTokenEstimator();

const payload = (settings = {}): GeneratePayload => ({
  requestId: 'gen_1',
  client: 'tests',
  tags: [],
  lane: 'interactive',
  enqueuedAt: 0,
  deadlineAt: 1,
  provider: 'openai',
  request: { model: 'm', messages: [{ role: 'user', content: [{ type: 'text', text: 'hello' }] }], settings },
  attempts: 1,
  timeoutMs: 1,
  stream: false,
  onUnknownOutcome: 'retry',
  warnings: [],
});
const call = (given: Partial<AccountedCall>): AccountedCall => ({
  text: '',
  reasoning: '',
  toolCalls: [],
  warnings: [],
  usage: {},
  providerMs: 1,
  costNanoUsd: null,
  isCounted: true,
  ...given,
});

test('a call needs its prompt and what it may answer; later what the model is used to answer', () => {
  const needs = createAdmissionNeeds({ catalog, tokens });
  const prompt = tokens.estimate(payload().request, 'openai');
  expect(needs.toNeed(payload()).tokens).toBe(prompt + 500);
  expect(needs.toNeed(payload({ maxOutputTokens: 4_000 })).tokens).toBe(prompt + 4_000);
  expect(needs.note(payload(), call({ usage: { inputTokens: 8, outputTokens: 100 } }))).toBe(108);
  expect(needs.toNeed(payload({ maxOutputTokens: 4_000 })).tokens).toBe(prompt + 100);
  expect(needs.toNeed(payload({ maxOutputTokens: 20 })).tokens).toBe(prompt + 20);
  needs.note(payload(), call({ usage: { inputTokens: 8, outputTokens: 600 } }));
  expect(needs.toNeed(payload()).tokens).toBe(prompt + 200);
});

test('what was reserved stays so where a call was ended and nobody counted its answer', () => {
  const needs = createAdmissionNeeds({ catalog, tokens });
  const noteEnd = (code: ErrorCode, usage: Usage) =>
    needs.note(payload(), call({ usage, error: new ModelManagerError(code, 'ended') }));
  expect(noteEnd('cancelled', { inputTokens: 8 })).toBeUndefined();
  expect(noteEnd('cancelled', { inputTokens: 8, outputTokens: 3 })).toBe(11);
  expect(noteEnd('content_filtered', { inputTokens: 8 })).toBe(8);
  expect(noteEnd('rate_limited', {})).toBe(0);
});

test('models that clients made up push out none that is in use, and are not remembered without end', () => {
  const needs = createAdmissionNeeds({ catalog, tokens });
  const of = (model: string) => ({ ...payload(), request: { ...payload().request, model } });
  const answer = (model: string, outputTokens = 100) =>
    needs.note(of(model), call({ usage: { inputTokens: 8, outputTokens } }));
  const prompt = tokens.estimate(payload().request, 'openai');
  answer('in use');
  answer('made up first');
  for (let number = 0; number < 3_000; number += 1) {
    answer(`made up ${number}`);
    if (number % 500 === 0) answer('in use', 200);
  }
  // Forgotten and learnt anew it would be 200.
  expect(needs.toNeed(of('in use')).tokens).toBeLessThan(prompt + 200);
  expect(needs.toNeed(of('made up 2999')).tokens).toBe(prompt + 100);
  // As one that never answered.
  expect(needs.toNeed(of('made up first')).tokens).toBe(prompt + 500);
});

test('a client has a scope of its own only where it has limits', () => {
  const scopes = (of: Catalog) => createAdmissionNeeds({ catalog: of, tokens }).toNeed(payload()).scopes;
  expect(scopes(catalog).map(({ kind, id }) => `${kind} ${id}`)).toEqual(['provider openai', 'model openai/m']);
  expect(scopes(catalog)[0]?.requestsPerMinute).toBe(77);
  const limited: Catalog = { ...catalog, findClientLimits: () => ({ concurrency: 2 }) };
  expect(scopes(limited)[2]).toEqual({ kind: 'client', id: 'tests', concurrency: 2 });
});
