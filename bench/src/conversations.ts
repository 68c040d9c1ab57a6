import { createDatabase, type Database } from '@aimm/database';
import { clientOf, conversations, fillPostgres, fillSqlite, idOf, longest, longId } from './fill-conversations.ts';
import { percentile } from './load.ts';

const targetMs = 50;
const rounds = 100;

interface Figure {
  name: string;
  p50: number;
  p95: number;
  slowest: number;
}

/**
 * What listing, searching and paging take in a database with 100,000 conversations, one of them of 10,000 messages.
 *
 * @param url of an empty database; SQLite's is what the target is for
 */
export async function measureConversations(url: string): Promise<Figure[]> {
  const database = await createDatabase({ url });
  try {
    await (url.startsWith('file:') ? fillSqlite(url.slice('file:'.length)) : fillPostgres(url));
    return await measure(database);
  } finally {
    await database.close();
  }
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
  await time('list, of one client', (round) => kept.list({ client: clientOf(round), limit }));
  const middle = { updatedAt: 1_700_000_000_000 + 50_000_000, id: idOf(50_000) };
  await time('list, from the middle on', (round) =>
    kept.list({ limit, after: { ...middle, updatedAt: middle.updatedAt - round * 10_000 } }),
  );
  await time('search, rare words', (round) => kept.list({ limit, search: `word${15_000 + round * 7}` }));
  await time('search, words in every message', () => kept.list({ limit, search: 'tell about' }));
  await time('search, words in some 3 %', () => kept.list({ limit, search: 'sometimes' }));
  await time('search, a word begun', (round) => kept.list({ limit, search: `word${150 + round}*` }));
  await time('search, begun in every message', () => kept.list({ limit, search: 'tel*' }));
  const syllables = Array.from('bcdfghjklmnprstvw').flatMap((letter) => [`${letter}a`, `${letter}e`, `${letter}o`]);
  const begun = (round: number, more = '') => `${syllables[round % syllables.length]}${more}*`;
  await time('search, one letter begun', (round) =>
    kept.list({ limit, search: `${'bcdfghjklmnprstvw'[round % 17]}*` }),
  );
  await time('search, two letters begun', (round) => kept.list({ limit, search: begun(round) }));
  await time('search, three letters begun', (round) => kept.list({ limit, search: begun(round, 'bcdfg'[round % 5]) }));
  await time('search, four letters begun', (round) =>
    kept.list({ limit, search: begun(round, `${'bcdfg'[round % 5]}a`) }),
  );
  await time('search, 20,000 words begun', () => kept.list({ limit, search: 'word*' }));
  await time('search, begun, of one client', (round) =>
    kept.list({ limit, client: clientOf(round), search: begun(round) }),
  );
  await time('search, begun, from the middle on', (round) => kept.list({ limit, search: begun(round), after: middle }));
  await time('search, begun, only in the oldest', () => kept.list({ limit, search: 'olde*' }));
  await time('search, common, of one client', (round) =>
    kept.list({ limit, client: clientOf(round), search: 'tell about' }),
  );
  await time('search, only in the oldest', () => kept.list({ limit, search: 'oldest' }));
  await time('search, only in the long one', () => kept.list({ limit, search: 'lengthy' }));
  await time('page of the long one', (round) =>
    kept.messages(longId, { after: (round * 97) % (longest - 60), limit: 51 }),
  );
  return figures;
}

export function formatConversations(figures: readonly Figure[], database = 'sqlite'): string {
  const ms = (value: number) => value.toFixed(2).padStart(9);
  const lines = figures.map(
    ({ name, p50, p95, slowest }) =>
      `  ${name.padEnd(34)}${ms(p50)}${ms(p95)}${ms(slowest)}  ${p95 < targetMs ? 'reached' : 'missed'}`,
  );
  return [
    `Conversations on ${database}: ${conversations.toLocaleString('en-US')}, one of ${longest.toLocaleString('en-US')} messages; ms (to reach: p95 < ${targetMs})`,
    `  ${''.padEnd(34)}${'p50'.padStart(9)}${'p95'.padStart(9)}${'slowest'.padStart(9)}`,
    ...lines,
  ].join('\n');
}
