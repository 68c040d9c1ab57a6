import { createDatabase, type Database } from '@aimm/database';
import Sqlite from 'better-sqlite3';
import { percentile } from './load.ts';

const [conversations, longest] = [100_000, 10_000];
const targetMs = 50;
const rounds = 100;

interface Figure {
  name: string;
  p50: number;
  p95: number;
  slowest: number;
}

/** What listing, searching and paging take in an SQLite file with 100,000 conversations, one of them of 10,000 messages. */
export async function measureConversations(path: string): Promise<Figure[]> {
  const url = `file:${path}`;
  const database = await createDatabase({ url });
  fill(path);
  try {
    return await measure(database);
  } finally {
    await database.close();
  }
}

const client = (index: number) => `client-${index % 10}`;
const idOf = (index: number) =>
  `conv_${index.toString(16).padStart(8, '0')}-0000-7000-8000-${index.toString(16).padStart(12, '0')}`;
const longId = idOf(conversations);

/** Words as texts have them: a few in every message, most in hardly any. The generator is seeded by the index. */
function toText(index: number): string {
  let state = index + 1;
  const next = () => (state = (state * 1_103_515_245 + 12_345) % 2_147_483_648) / 2_147_483_648;
  const words = Array.from({ length: 40 }, () => `word${Math.floor(next() ** 3 * 20_000)}`);
  const region = index % 100 < 3 ? ' sometimes' : '';
  return `Please tell me about ${words.join(' ')}${region}${index < 3_000 ? ' oldest' : ''}.`;
}

/** Straight into the tables, in transactions: by the repository it would take many minutes. The triggers keep the search. */
function fill(path: string): void {
  const file = new Sqlite(path);
  file.pragma('synchronous = OFF');
  const conversation = file.prepare(
    'INSERT INTO conversations (id, client, title, version, created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?)',
  );
  const message = file.prepare(
    'INSERT INTO messages (conversation_id, position, role, content, model, request_id, cost_nano_usd, created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
  );
  const say = (id: string, position: number, text: string, at: number) => {
    const isAnswer = position % 2 === 1;
    const content = JSON.stringify([{ type: 'text', text }]);
    message.run(
      id,
      position,
      isAnswer ? 'assistant' : 'user',
      content,
      isAnswer ? 'openai/gpt-5-mini' : null,
      isAnswer ? `gen_${id}_${position}` : null,
      isAnswer ? 1_000 : null,
      at,
    );
  };
  const begin = 1_700_000_000_000;
  for (let start = 0; start < conversations; start += 5_000) {
    file.transaction(() => {
      for (let index = start; index < start + 5_000; index += 1) {
        const at = begin + index * 1_000;
        conversation.run(idOf(index), client(index), `Conversation ${index}`, 1, at, at);
        say(idOf(index), 0, toText(index), at);
        say(idOf(index), 1, `Gladly: ${toText(index + conversations)}`, at);
      }
    })();
  }
  file.transaction(() => {
    const at = begin + conversations * 1_000;
    conversation.run(longId, client(0), 'The long one', longest / 2, at, at);
    for (let position = 0; position < longest; position += 1) say(longId, position, `${toText(position)} lengthy`, at);
  })();
  file.close();
}

async function measure({ conversations: kept }: Database): Promise<Figure[]> {
  const figures: Figure[] = [];
  const time = async (name: string, work: (round: number) => Promise<unknown[]>) => {
    const took: number[] = [];
    for (let round = 0; round < rounds + 5; round += 1) {
      const startedAt = performance.now();
      const found = await work(round);
      // The first ones read the file.
      if (round >= 5) took.push(performance.now() - startedAt);
      if (found.length === 0) throw new Error(`${name}: nothing was found`);
    }
    took.sort((a, b) => a - b);
    figures.push({ name, p50: percentile(took, 0.5), p95: percentile(took, 0.95), slowest: took.at(-1) ?? 0 });
  };
  const limit = 21;
  await time('list, newest', () => kept.list({ limit }));
  await time('list, of one client', (round) => kept.list({ client: client(round), limit }));
  const middle = { updatedAt: 1_700_000_000_000 + 50_000_000, id: idOf(50_000) };
  await time('list, from the middle on', (round) =>
    kept.list({ limit, after: { ...middle, updatedAt: middle.updatedAt - round * 10_000 } }),
  );
  await time('search, rare words', (round) => kept.list({ limit, search: `word${15_000 + round * 7}` }));
  await time('search, words in every message', () => kept.list({ limit, search: 'tell about' }));
  await time('search, words in some 3 %', () => kept.list({ limit, search: 'sometimes' }));
  await time('search, a word begun', (round) => kept.list({ limit, search: `word${150 + round}*` }));
  await time('search, begun in every message', () => kept.list({ limit, search: 'tel*' }));
  await time('search, common, of one client', (round) =>
    kept.list({ limit, client: client(round), search: 'tell about' }),
  );
  await time('search, only in the oldest', () => kept.list({ limit, search: 'oldest' }));
  await time('search, only in the long one', () => kept.list({ limit, search: 'lengthy' }));
  await time('page of the long one', (round) =>
    kept.messages(longId, { after: (round * 97) % (longest - 60), limit: 51 }),
  );
  return figures;
}

export function formatConversations(figures: readonly Figure[]): string {
  const ms = (value: number) => value.toFixed(2).padStart(9);
  const lines = figures.map(
    ({ name, p50, p95, slowest }) =>
      `  ${name.padEnd(32)}${ms(p50)}${ms(p95)}${ms(slowest)}  ${p95 < targetMs ? 'reached' : 'missed'}`,
  );
  return [
    `Conversations on SQLite: ${conversations.toLocaleString('en-US')}, one of ${longest.toLocaleString('en-US')} messages; ms (to reach: p95 < ${targetMs})`,
    `  ${''.padEnd(32)}${'p50'.padStart(9)}${'p95'.padStart(9)}${'slowest'.padStart(9)}`,
    ...lines,
  ].join('\n');
}
