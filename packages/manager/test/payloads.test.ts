import { describe, expect, it } from 'vitest';
import type { Resources } from '../src/resources.ts';
import { toEnvelope } from '../src/payloads.ts';

const hourMs = 3_600_000;
const resources = { queue: { replies: { stream: 'replies' } }, now: () => 0 } as unknown as Resources;
const model = (timeoutMs: number, attempts: number) => ({ provider: { timeoutMs, attempts } });
const livesFor = (ask: Parameters<typeof toEnvelope>[2], ...models: ReturnType<typeof model>[]) =>
  toEnvelope(resources, { client: 'ci', admin: false }, ask, models).deadlineAt;

describe('a request', () => {
  it('lives for an hour where its calls end before', () => {
    expect(livesFor({}, model(600_000, 3))).toBe(hourMs);
    expect(livesFor({ maxWaitMs: 60_000, timeoutMs: 60_000 }, model(2 * hourMs, 3))).toBe(hourMs);
  });

  it('lives as long as it may wait, and its model’s calls may take as its provider is configured', () => {
    expect(livesFor({}, model(2 * hourMs, 4))).toBe(8 * hourMs);
    expect(livesFor({ maxWaitMs: hourMs }, model(2 * hourMs, 1))).toBe(7 * hourMs);
  });

  it('lives long enough for the slowest of the models that it may be asked of', () => {
    expect(livesFor({}, model(600_000, 3), model(hourMs, 3))).toBe(3 * hourMs);
    expect(livesFor({ timeoutMs: hourMs }, model(600_000, 1), model(600_000, 5))).toBe(5 * hourMs);
  });
});
