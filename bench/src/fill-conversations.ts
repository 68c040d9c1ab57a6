import Sqlite from 'better-sqlite3';
import pg from 'pg';

export const [conversations, longest] = [100_000, 10_000];

export const clientOf = (index: number) => `client-${index % 10}`;
export const idOf = (index: number) =>
  `conv_${index.toString(16).padStart(8, '0')}-0000-7000-8000-${index.toString(16).padStart(12, '0')}`;
export const longId = idOf(conversations);

/** Made-up words of one to four syllables, so that thousands begin with the same two or three letters. */
const vocabulary = Array.from({ length: 60_000 }, (_, index) => {
  let state = index;
  const syllables = Array.from({ length: index < 200 ? 1 : 2 + (index % 3) }, () => {
    state = (Math.imul(state, 48_271) + index + 11) >>> 0;
    return `${'bcdfghjklmnprstvw'[state % 17]}${'aeiou'[(state >>> 8) % 5]}${state % 3 === 0 ? 'nlr'[(state >>> 16) % 3] : ''}`;
  });
  return syllables.join('');
});

/** Words as texts have them: a few in every message, most in hardly any. The generator is seeded by the index. */
function toText(index: number): string {
  let state = index + 1;
  const next = () => (state = (state * 1_103_515_245 + 12_345) % 2_147_483_648) / 2_147_483_648;
  const words = Array.from({ length: 20 }, () => `word${Math.floor(next() ** 3 * 20_000)}`);
  const made = Array.from({ length: 20 }, () => vocabulary[Math.floor(next() ** 3 * vocabulary.length)]);
  const region = index % 100 < 3 ? ' sometimes' : '';
  return `Please tell me about ${words.join(' ')} ${made.join(' ')}${region}${index < 3_000 ? ' oldest' : ''}.`;
}

type Row = (string | number | null)[];
/** Rows of one conversation and of its messages, in the order of these columns. */
type Filled = { conversation: Row; messages: Row[] };
const conversationColumns = ['id', 'client', 'title', 'version', 'created_at', 'updated_at'];
const messageColumns = [
  'conversation_id',
  'position',
  'role',
  'content',
  'model',
  'request_id',
  'cost_nano_usd',
  'created_at',
];

function* createConversations(): Generator<Filled> {
  const begin = 1_700_000_000_000;
  const toMessage = (id: string, position: number, text: string, at: number): Row => {
    const content = JSON.stringify([{ type: 'text', text }]);
    const answer = ['openai/gpt-5-mini', `gen_${id}_${position}`, 1_000];
    const isAnswer = position % 2 === 1;
    return [id, position, isAnswer ? 'assistant' : 'user', content, ...(isAnswer ? answer : [null, null, null]), at];
  };
  for (let index = 0; index < conversations; index += 1) {
    const [id, at] = [idOf(index), begin + index * 1_000];
    const texts = [toText(index), `Gladly: ${toText(index + conversations)}`];
    yield {
      conversation: [id, clientOf(index), `Conversation ${index}`, 1, at, at],
      messages: texts.map((text, position) => toMessage(id, position, text, at)),
    };
  }
  const at = begin + conversations * 1_000;
  const positions = Array.from({ length: longest }, (_, position) => position);
  yield {
    conversation: [longId, clientOf(0), 'The long one', longest / 2, at, at],
    messages: positions.map((position) => toMessage(longId, position, `${toText(position)} lengthy`, at)),
  };
}

const atOnce = 2_000;

function* inBatches(): Generator<Filled[]> {
  let batch: Filled[] = [];
  for (const filled of createConversations()) {
    batch.push(filled);
    if (batch.length < atOnce) continue;
    yield batch;
    batch = [];
  }
  yield batch;
}

/** Straight into the tables, in transactions: by the repository it would take many minutes. The triggers keep the search. */
export async function fillSqlite(path: string): Promise<void> {
  const file = new Sqlite(path);
  file.pragma('synchronous = OFF');
  const insert = (table: string, columns: readonly string[]) =>
    file.prepare(`INSERT INTO ${table} (${columns.join()}) VALUES (${columns.map(() => '?').join()})`);
  const [conversation, message] = [insert('conversations', conversationColumns), insert('messages', messageColumns)];
  const add = file.transaction((batch: readonly Filled[]) => {
    for (const filled of batch) {
      conversation.run(filled.conversation);
      for (const row of filled.messages) message.run(row);
    }
  });
  for (const batch of inBatches()) add(batch);
  file.close();
}

export async function fillPostgres(url: string): Promise<void> {
  const server = new pg.Client(url);
  await server.connect();
  const insert = (table: string, columns: readonly string[], rows: readonly Row[]) =>
    server.query(
      `INSERT INTO ${table} (${columns.join()}) SELECT ${columns.join()} FROM json_populate_recordset(NULL::${table}, $1)`,
      [JSON.stringify(rows.map((row) => Object.fromEntries(columns.map((name, place) => [name, row[place]]))))],
    );
  for (const batch of inBatches()) {
    await insert(
      'conversations',
      conversationColumns,
      batch.map(({ conversation }) => conversation),
    );
    await insert(
      'messages',
      messageColumns,
      batch.flatMap(({ messages }) => messages),
    );
  }
  await server.query('VACUUM ANALYZE');
  await server.end();
}
