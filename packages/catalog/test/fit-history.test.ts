import type { Message } from '@aimm/contracts';
import { describe, expect, test } from 'vitest';
import { findTurns, fitHistory, toPromptBudget } from '../src/index.ts';

const say = (role: Message['role'], text: string): Message => ({ role, content: [{ type: 'text', text }] });
const result: Message = { role: 'user', content: [{ type: 'tool_result', toolCallId: 'c', content: 'sunny' }] };
const call: Message = { role: 'assistant', content: [{ type: 'tool_call', id: 'c', name: 'weather', arguments: {} }] };
/** A token each. */
const estimate = (messages: readonly Message[]) => messages.length;
const textsOf = (messages: readonly Message[]) =>
  messages.map(({ content: [part] }) => (part?.type === 'text' ? part.text : part?.type));

const history = [
  say('system', 'sys'),
  say('user', 'q1'),
  say('assistant', 'a1'),
  say('user', 'q2'),
  call,
  result,
  say('assistant', 'a2'),
  say('user', 'q3'),
  say('assistant', 'a3'),
];
const messages = [...history, say('user', 'now')];
const fit = (budgetTokens: number) => fitHistory({ messages, history: history.length, budgetTokens, estimate });

describe('a history', () => {
  test('that fits is sent as it is', () => {
    expect(fit(10)).toEqual({ messages, droppedTurns: 0 });
  });

  test('that does not loses its oldest turns, each with all that belongs to it, and never what a system said', () => {
    expect(textsOf(fit(9).messages)).toEqual(['sys', 'q2', 'tool_call', 'tool_result', 'a2', 'q3', 'a3', 'now']);
    expect(fit(9).droppedTurns).toBe(1);
    expect(textsOf(fit(7).messages)).toEqual(['sys', 'q3', 'a3', 'now']);
    expect(fit(7).droppedTurns).toBe(2);
    expect(textsOf(fit(3).messages)).toEqual(['sys', 'now']);
    expect(fit(3).droppedTurns).toBe(3);
  });

  test('is all that can go: what is new stays, though it does not fit', () => {
    expect(textsOf(fit(0).messages)).toEqual(['sys', 'now']);
    const alone = [say('user', 'long'), say('assistant', 'x')];
    expect(fitHistory({ messages: alone, history: 0, budgetTokens: 0, estimate })).toEqual({
      messages: alone,
      droppedTurns: 0,
    });
  });

  test('keeps the turn that what is new answers: no result of a tool stands without its call', () => {
    const steps = Array.from({ length: 5 }, () => [call, result]).flat();
    const asked = [...history, say('user', 'q4'), ...steps, call];
    const fitted = fitHistory({ messages: [...asked, result], history: asked.length, budgetTokens: 3, estimate });
    expect(textsOf(fitted.messages)).toEqual([
      'sys',
      'q4',
      ...steps.map(({ content: [part] }) => part?.type),
      'tool_call',
      'tool_result',
    ]);
    expect(fitted.droppedTurns).toBe(3);
    const alone = asked.slice(history.length);
    expect(
      fitHistory({ messages: [...alone, result], history: alone.length, budgetTokens: 3, estimate }).droppedTurns,
    ).toBe(0);
  });

  test('keeps the summary of what is older, though a user says it', () => {
    const summed = history.with(0, say('user', 'summary'));
    const fitted = (budgetTokens: number, summaryAt = 0) =>
      fitHistory({
        messages: [...summed, say('user', 'now')],
        history: summed.length,
        summaryAt,
        budgetTokens,
        estimate,
      });
    expect(textsOf(fitted(9).messages)).toEqual(['summary', 'q2', 'tool_call', 'tool_result', 'a2', 'q3', 'a3', 'now']);
    expect(textsOf(fitted(0).messages)).toEqual(['summary', 'now']);
    expect([fitted(9).droppedTurns, fitted(0).droppedTurns]).toEqual([1, 3]);
  });

  test('of ten thousand messages takes a few estimates', () => {
    const long = Array.from({ length: 10_000 }, (_, index) => say(index % 2 === 0 ? 'user' : 'assistant', 'x'));
    let asked = 0;
    const fitted = fitHistory({
      messages: long,
      history: 10_000,
      budgetTokens: 123,
      estimate: (some) => ((asked += 1), some.length),
    });
    expect([fitted.messages.length, fitted.droppedTurns]).toEqual([122, 4_939]);
    expect(asked).toBeLessThan(20);
  });
});

test('turns begin where a user speaks; two messages of a user, or an answer without a question, are no turn of their own', () => {
  expect(findTurns(history)).toEqual([1, 3, 7]);
  expect(findTurns([say('user', 'a'), say('user', 'b'), say('assistant', 'c'), say('user', 'd')])).toEqual([0, 3]);
  expect(findTurns([say('assistant', 'a'), say('user', 'b'), say('assistant', 'c'), say('user', 'd')])).toEqual([0, 3]);
  expect(findTurns([say('system', 'a')])).toEqual([]);
});

test('a window keeps room for the answer: what the request asks for, as far as the model goes, else a part of it', () => {
  expect(toPromptBudget(100_000, { maxOutputTokens: 60_000 })).toBe(40_000);
  expect(toPromptBudget(100_000, { maxOutputTokens: 60_000, longestAnswer: 64_000 })).toBe(40_000);
  expect(toPromptBudget(200_000, { maxOutputTokens: 1_000_000, longestAnswer: 64_000 })).toBe(136_000);
  expect(toPromptBudget(100_000, { longestAnswer: 8_000 })).toBe(92_000);
  expect(toPromptBudget(100_000, { longestAnswer: 64_000 })).toBe(75_000);
  expect(toPromptBudget(8_000, {})).toBe(6_000);
});

test('whatever is asked of the answer, a quarter of the window is for the prompt', () => {
  expect(toPromptBudget(131_072, { maxOutputTokens: 131_072, longestAnswer: 131_072 })).toBe(32_768);
  expect(toPromptBudget(1_000, { maxOutputTokens: 4_000 })).toBe(250);
});
