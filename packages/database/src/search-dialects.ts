import { raw, type Sql, sqltag as sql } from '@prisma/client/runtime/client';
import type { Client } from './client.ts';
import type { DatabaseKind } from './database-url.ts';

/** A word that is looked for, or the beginning of one. Comes from a user, and is never empty. */
export interface SearchedWord {
  text: string;
  isBeginning: boolean;
}

/** How each database finds messages by their words. Each word is quoted, so that none is an operator. */
export interface SearchDialect {
  /**
   * Rows of `conversations` in this scope that have such a message, newest first. `hasSnippets`: showing where costs little
   * more than finding them.
   */
  find<Row>(
    client: Client,
    words: readonly SearchedWord[],
    scope: Sql,
    limit: number,
  ): Promise<{ rows: Row[]; hasSnippets: boolean }>;
  /** A query for `id` and `snippet`: the newest such message of each conversation, around the words. */
  snippets(words: readonly SearchedWord[], ids: readonly string[]): Sql;
}

const columns = sql`id, client, title, version, created_at, updated_at`;
const newestFirst = sql`ORDER BY updated_at DESC, id DESC`;

/** So many messages are joined with their conversations and sorted within milliseconds. */
const fewMatches = 10_000;
/** Where more match, the newest conversations are asked one by one, first so many and then so many: each takes some 100 µs. */
const askedOneByOne = [50, 250];
/** Where words are begun, so many of the newest are asked together first. */
const askedAtOnce = 250;
/** A row of the search is its conversation's number times this, plus the message's position. A parameter would not be whole. */
const positions = raw('1048576');
/** The rows of one conversation that match. `id`: what names it in the query around. */
const inConversation = (id: Sql, match: string) => sql`
  message_search MATCH 'conversation : ' ||
    (SELECT number FROM conversation_numbers WHERE conversation_id = ${id}) || ' AND ' || ${match}`;

const sqlite: SearchDialect = {
  async find<Row>(client: Client, words: readonly SearchedWord[], scope: Sql, limit: number) {
    const match = toMatch(words);
    // All that begins so would be put together anew for every conversation that is asked.
    const canAskEach = !words.some(({ isBeginning }) => isBeginning);
    for (const asked of canAskEach && (await isMany(client, match)) ? askedOneByOne : []) {
      const newest = await client.$queryRaw<Row[]>(sql`
        SELECT ${columns} FROM
          (SELECT ${columns} FROM conversations WHERE ${scope} ${newestFirst} LIMIT ${asked}) AS newest
        WHERE EXISTS (SELECT 1 FROM message_search WHERE ${inConversation(sql`newest.id`, match)})
        ${newestFirst} LIMIT ${limit}`);
      if (newest.length === limit) return { rows: newest, hasSnippets: true };
    }
    if (!canAskEach) {
      const newest = await findAmongNewest<Row>(client, match, scope, limit);
      if (newest.length === limit) return { rows: newest, hasSnippets: false };
    }
    const rows = await client.$queryRaw<Row[]>(sql`
      SELECT ${columns} FROM conversations
      WHERE ${scope} AND id IN (SELECT conversation_id FROM conversation_numbers
        WHERE number IN (SELECT DISTINCT rowid / ${positions} FROM message_search WHERE message_search MATCH ${match}))
      ${newestFirst} LIMIT ${limit}`);
    return { rows, hasSnippets: canAskEach };
  },
  snippets: (words, ids) => sql`
    SELECT value AS id, (SELECT snippet(message_search, 1, '**', '**', '…', 16) FROM message_search
      WHERE ${inConversation(sql`value`, toMatch(words))} ORDER BY rowid DESC LIMIT 1) AS snippet
    FROM json_each(${JSON.stringify(ids)})`,
};

/**
 * Of the newest conversations those that match, asked for all at once: what begins so is put together once, and of the matches
 * only those are read that lie between the lowest and the highest number of these conversations.
 */
async function findAmongNewest<Row>(client: Client, match: string, scope: Sql, limit: number): Promise<Row[]> {
  const asked = sql`SELECT ${columns} FROM conversations WHERE ${scope} ${newestFirst} LIMIT ${askedAtOnce}`;
  const [range] = await client.$queryRaw<{ low: bigint | number | null; high: bigint | number | null }[]>(sql`
    SELECT min(number) AS low, max(number) AS high FROM conversation_numbers
    WHERE conversation_id IN (SELECT id FROM (${asked}))`);
  if (range?.low == null || range.high == null) return [];
  return client.$queryRaw<Row[]>(sql`
    SELECT ${columns} FROM (${asked}) AS newest
    WHERE (SELECT number FROM conversation_numbers WHERE conversation_id = newest.id) IN
      (SELECT rowid / ${positions} FROM message_search WHERE message_search MATCH ${match}
        AND rowid BETWEEN ${range.low} * ${positions} AND ${range.high} * ${positions} + ${positions} - 1)
    ${newestFirst} LIMIT ${limit}`);
}

async function isMany(client: Client, match: string): Promise<boolean> {
  const [count] = await client.$queryRaw<{ matches: bigint | number }[]>(sql`
    SELECT count(*) AS matches FROM
      (SELECT 1 FROM message_search WHERE message_search MATCH ${match} LIMIT ${fewMatches + 1})`);
  return Number(count?.matches ?? 0) > fewMatches;
}

/** FTS5: a word in quotation marks is a text to be found, whatever is in it. */
function toMatch(words: readonly SearchedWord[]): string {
  const quoted = words.map(({ text, isBeginning }) => `"${text.replaceAll('"', '""')}"${isBeginning ? ' *' : ''}`);
  return `text : (${quoted.join(' AND ')})`;
}

const postgresql: SearchDialect = {
  async find<Row>(client: Client, words: readonly SearchedWord[], scope: Sql, limit: number) {
    const rows = await client.$queryRaw<Row[]>(sql`
      SELECT ${columns} FROM conversations
      WHERE ${scope} AND EXISTS (SELECT 1 FROM message_search AS found
        WHERE found.conversation_id = conversations.id AND found.words @@ to_tsquery('simple', ${toTsQuery(words)}))
      ${newestFirst} LIMIT ${limit}`);
    return { rows, hasSnippets: true };
  },
  snippets: (words, ids) => sql`
    SELECT asked.id, (SELECT ts_headline('simple', found.text, to_tsquery('simple', ${toTsQuery(words)}),
        'StartSel=**, StopSel=**, MaxWords=16, MinWords=8')
      FROM message_search AS found
      WHERE found.conversation_id = asked.id AND found.words @@ to_tsquery('simple', ${toTsQuery(words)})
      ORDER BY found.position DESC LIMIT 1) AS snippet
    FROM unnest(CAST(${[...ids]} AS text[])) AS asked(id)`,
};

/** A word between apostrophes is text to `to_tsquery`, with apostrophes and backslashes doubled. */
function toTsQuery(words: readonly SearchedWord[]): string {
  const quoted = words.map(
    ({ text, isBeginning }) => `'${text.replaceAll(/['\\]/g, '$&$&')}'${isBeginning ? ':*' : ''}`,
  );
  return quoted.join(' & ');
}

/** The few places where the search's SQL is not the same on both databases. */
export const searchDialects: Record<DatabaseKind, SearchDialect> = { sqlite, postgresql };
