import { expect, test } from 'vitest';
import { composeDemoAnswer } from '../src/demo-upstream/demo-answer.ts';

test('a demo model that is to judge answers in the form that judges are asked for', () => {
  const prompt = '<request>\nuser: q\n</request>\n\n<answer id="A">\nx\n</answer>\n\n<answer id="B">\ny\n</answer>';
  const verdict = JSON.parse(composeDemoAnswer('gpt-5', prompt).text);
  expect(verdict.ranking.map(({ answer }: { answer: string }) => answer).toSorted()).toEqual(['A', 'B']);
  expect(['A', 'B']).toContain(verdict.winner);
  expect(verdict.score).toBeGreaterThanOrEqual(0);
  expect(verdict.score).toBeLessThanOrEqual(10);
  expect(composeDemoAnswer('gpt-5', 'What is <answer id="A">?').text).toContain('[Demo answer');
});
