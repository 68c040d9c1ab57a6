import type { BatchResult } from '@aimm/batch';
import type { BatchColumn, BatchGeneration, BatchView } from '@aimm/contracts';
import { sumUpColumns } from './sum-up-columns.ts';

const models = [
  ['openai', 'gpt-5-mini'],
  ['anthropic', 'claude-sonnet-4-5'],
  ['google', 'gemini-2.5-flash'],
  ['mistral', 'mistral-medium-latest'],
  ['ollama', 'llama3.3:70b'],
] as const;

const answers = [
  'Paris is the capital of France, and has been since the tenth century.',
  'The capital of France is Paris.',
  'Paris.',
  'France’s capital city is **Paris**, on the Seine.\n\nIt has about two million inhabitants, and eleven million with its surroundings.',
  'I believe that the capital of France is Lyon.',
];

/** A batch of so many items over so many models, judged by scores; the same for the same numbers. */
export function createSampleBatch(itemCount: number, modelCount: number, { answer }: { answer?: string } = {}) {
  const random = createRandom(7);
  const asked = models.slice(0, modelCount).map(([provider, model], number): BatchColumn => ({
    number,
    provider,
    model,
    lane: number === 1 ? 'provider_batch' : 'queue',
  }));
  const judging = asked.map(({ number }): BatchColumn => ({
    number: modelCount + number,
    provider: 'openai',
    model: 'gpt-5',
    lane: 'queue',
    judges: [number],
  }));
  const columns = [...asked, ...judging];
  const results = Array.from({ length: itemCount }, (_, item): BatchResult => {
    const id = item % 10 === 3 ? `q-${item + 1}` : String(item + 1);
    const generations = asked.map((column) => createAnswer(item, id, column.number, random, answer));
    const verdicts = generations.map((generation): BatchGeneration => {
      const common = { item, itemId: id, column: modelCount + generation.column };
      if (generation.status !== 'succeeded') return { ...common, status: 'skipped' };
      const score = Math.round(10 * random()) / 2 + 4.5 - generation.column * 0.5;
      return {
        ...common,
        status: 'succeeded',
        costNanoUsd: 90_000,
        providerMs: 900,
        verdict: { score, reason: 'Right, and to the point.' },
      };
    });
    const lang = ['English', 'Deutsch', '日本語'][item % 3] ?? '';
    return {
      item: {
        id,
        messages: [
          { role: 'system', content: [{ type: 'text', text: 'Answer in one sentence.' }] },
          {
            role: 'user',
            content: [{ type: 'text', text: `What is the capital of France? Answer in ${lang}. (${item + 1})` }],
          },
        ],
        vars: { lang, n: item + 1 },
      },
      generations: [...generations, ...verdicts],
    };
  });
  const generations = results.flatMap((result) => result.generations);
  return { view: toView(sumUpColumns(columns, generations), itemCount), results };
}

function createAnswer(
  item: number,
  itemId: string,
  column: number,
  random: () => number,
  answer?: string,
): BatchGeneration {
  const common = { item, itemId, column, requestId: `gen_${item}_${column}` };
  if (random() < 0.03)
    return {
      ...common,
      status: 'failed',
      error: {
        code: 'rate_limited',
        message: 'The provider is asked too often.',
        hint: 'Try again in a minute.',
        retryable: true,
      },
    };
  const text =
    answer ??
    `${answers[Math.floor(random() * answers.length)]}${random() < 0.1 ? `\n${'It is a long story. '.repeat(60)}` : ''}`;
  const costNanoUsd = column === 4 ? null : Math.round((1 + random()) * 200_000 * 3 ** (3 - column));
  const providerMs = Math.round((400 + random() * 900) * (1 + column * 0.6));
  return {
    ...common,
    status: 'succeeded',
    text,
    finishReason: { unified: 'stop' },
    usage: { inputTokens: 21, outputTokens: Math.ceil(text.length / 4) },
    costNanoUsd,
    queueMs: 12,
    firstTokenMs: Math.round(providerMs / 3),
    providerMs,
    assertions: [
      {
        name: 'contains',
        passed: text.includes('Paris'),
        ...(!text.includes('Paris') && { reason: 'does not contain "Paris"' }),
      },
      {
        name: 'max_latency',
        passed: providerMs < 1_800,
        ...(providerMs >= 1_800 && { reason: `took ${providerMs} ms, more than 1800 ms` }),
      },
    ],
    endedAt: 1_790_000_000_000 + item * 1_000,
  };
}

function toView(columns: BatchView['columns'], items: number): BatchView {
  const counts: BatchView['counts'] = { waiting: 0, queued: 0, succeeded: 0, failed: 0, cancelled: 0, skipped: 0 };
  for (const { counts: each } of columns) {
    counts.succeeded += each.succeeded;
    counts.failed += each.failed;
    counts.skipped += each.skipped;
  }
  return {
    batchId: 'bat_01990000-0000-7000-8000-000000000001',
    client: 'tests',
    name: 'Capitals in three languages',
    status: 'completed',
    items,
    total: items * columns.length,
    counts,
    estimatedCostNanoUsd: 40_000_000_000,
    costNanoUsd: columns.reduce((sum, { costNanoUsd }) => sum + costNanoUsd, 0),
    columns,
    createdAt: 1_790_000_000_000,
    endedAt: 1_790_000_600_000,
  };
}

/** Numbers from 0 to 1 that are the same every time. */
function createRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    return state / 2_147_483_648;
  };
}

export async function* stream<T>(values: readonly T[]): AsyncGenerator<T> {
  yield* values;
}

export async function join(pieces: AsyncIterable<string>): Promise<string> {
  let whole = '';
  for await (const piece of pieces) whole += piece;
  return whole;
}
