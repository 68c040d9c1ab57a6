import * as fc from 'fast-check';
import { expect, test, vi } from 'vitest';
import { type BatchServer, type Fate, startBatchServer } from './support/batch-server.ts';
import { type BatchKind, wholeWires } from './support/batch-wires.ts';
import { ask, createTestProvider, failureOf } from './support/providers.ts';

vi.setConfig({ testTimeout: 60_000 });

const kinds: BatchKind[] = ['openai', 'anthropic', 'google', 'mistral'];
const signal = new AbortController().signal;
const counts = { input: 10, output: 3, cacheRead: 0, reasoning: 0 };

const ids = fc.uniqueArray(fc.stringMatching(/^[a-zA-Z0-9_-]{1,27}$/), { minLength: 1, maxLength: 12 });
const fates = fc.array(fc.constantFrom('answered', 'refused', 'broken', 'unmentioned'), {
  minLength: 12,
  maxLength: 12,
});
/** Text that lines, forms and decoders could stumble over. */
const texts = fc.array(fc.oneof(fc.string({ unit: 'binary', minLength: 1 }), fc.constant('\n"\\u2028\u2028\r\n--')), {
  minLength: 12,
  maxLength: 12,
});

test.each(kinds)(
  '%s: whatever is asked comes back under its id, once each and with its own answer, however the lines fall',
  async (kind) => {
    const server: BatchServer = await startBatchServer(kind);
    const { batches } = createTestProvider(kind, server.url);
    if (batches === undefined) throw new Error('no batches');
    const whole = wholeWires[kind];
    try {
      await fc.assert(
        fc.asyncProperty(ids, fates, texts, fc.nat(), async (given, ends, said, seed) => {
          server.batches.length = 0;
          const name = `batch-${seed}`;
          const plan = new Map(given.map((id, index) => [id, { end: ends[index], text: said[index] ?? 'x' }]));
          server.fateOf = (theirs): Fate => {
            const id = kind === 'anthropic' ? theirs.slice(name.length + 1) : theirs;
            const { end, text = '' } = plan.get(id) ?? {};
            if (end === 'answered') return { answer: whole.text(text, counts) };
            if (end === 'broken') return { answer: { nothing: true } };
            return end === 'refused' ? { status: 400, body: { error: { message: 'no' } } } : 'unmentioned';
          };
          server.tamper = (lines) => lines.flatMap((line, index) => (index % 2 === 0 ? [line, '{', line] : [line]));
          const requests = given.map((id) => ({ id, request: ask(`x${plan.get(id)?.text ?? ''}`) }));
          const { handle } = await batches.submit({ name, requests, signal });
          server.end('ended');
          const got: string[] = [];
          for await (const result of batches.results(handle, signal)) {
            got.push(result.id);
            const { end, text } = plan.get(result.id) ?? {};
            expect('response' in result ? result.response.text : undefined).toBe(end === 'answered' ? text : undefined);
          }
          const mentioned = given.filter((id) => plan.get(id)?.end !== 'unmentioned');
          expect(got.toSorted()).toEqual(mentioned.toSorted());
        }),
        { numRuns: 25, seed: 7 },
      );
    } finally {
      await server.close();
    }
  },
);

test('an id that a vendor could not give back is refused before anything is sent', async () => {
  const { batches } = createTestProvider('anthropic', 'http://127.0.0.1:9');
  await fc.assert(
    fc.asyncProperty(
      fc.string().filter((id) => !/^[a-zA-Z0-9_-]{1,27}$/.test(id)),
      async (id) => {
        const asked = batches?.submit({ name: 'x', requests: [{ id, request: ask('hi') }], signal });
        expect(await failureOf(asked ?? Promise.resolve())).toMatchObject({ code: 'invalid_request' });
      },
    ),
    { numRuns: 50, seed: 7 },
  );
});
