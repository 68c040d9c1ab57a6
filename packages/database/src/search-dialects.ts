import { type Sql, sqltag as sql } from '@prisma/client/runtime/client';
import type { Client } from './client.ts';
import type { DatabaseKind } from './database-url.ts';

/**
 * How each database finds messages by their words. `words` are never empty and come from a user: each is quoted, so that none
 * is an operator. The last one may be the beginning of a word.
 */
export interface SearchDialect {
  /** Rows of `conversations` in this scope that have such a message, newest first. */
  find<Row>(client: Client, words: readonly string[], scope: Sql, limit: number): Promise<Row[]>;
  /** A query for `id` and `snippet`: the newest such message of each conversation, around the words. */
  snippets(words: readonly string[], ids: readonly string[]): Sql;
}

const columns = sql`id, client, title, version, created_at, updated_at`;
const newestFirst = sql`ORDER BY updated_at DESC, id DESC`;

/** So many messages are joined with their conversations and sorted within milliseconds. */
const fewMatches = 5_000;
/** Where more match, the newest conversations are asked one by one, so many of them: each takes some 50 µs. */
const askedOneByOne = 300;
/** SQLite keeps an index of beginnings of this length; shorter ones would read most of the words there are. */
const shortestBeginning = 3;

/** The id of a conversation as the one word that stands for it in the index. */
const wordOf = (id: Sql) => sql`replace(substr(${id}, 6), '-', '')`;

const sqlite: SearchDialect = {
  async find<Row>(client: Client, words: readonly string[], scope: Sql, limit: number) {
    const match = toMatch(words);
    const [count] = await client.$queryRaw<{ matches: bigint | number }[]>(sql`
      SELECT count(*) AS matches FROM
        (SELECT 1 FROM message_search WHERE message_search MATCH ${match} LIMIT ${fewMatches + 1})`);
    if (Number(count?.matches ?? 0) > fewMatches) {
      const newest = await client.$queryRaw<Row[]>(sql`
        SELECT ${columns} FROM
          (SELECT ${columns} FROM conversations WHERE ${scope} ${newestFirst} LIMIT ${askedOneByOne}) AS newest
        WHERE EXISTS (SELECT 1 FROM message_search
          WHERE message_search MATCH 'conversation : "' || ${wordOf(sql`newest.id`)} || '" AND ' || ${match})
        ${newestFirst} LIMIT ${limit}`);
      if (newest.length === limit) return newest;
    }
    return client.$queryRaw<Row[]>(sql`
      SELECT ${columns} FROM conversations
      WHERE ${scope} AND id IN (SELECT conversation_id FROM message_search WHERE message_search MATCH ${match})
      ${newestFirst} LIMIT ${limit}`);
  },
  snippets: (words, ids) => sql`
    SELECT value AS id, (SELECT snippet(message_search, 3, '**', '**', '…', 16) FROM message_search
      WHERE message_search MATCH 'conversation : "' || ${wordOf(sql`value`)} || '" AND ' || ${toMatch(words)}
      ORDER BY rowid DESC LIMIT 1) AS snippet
    FROM json_each(${JSON.stringify(ids)})`,
};

/** FTS5: a word in quotation marks is a text to be found, whatever is in it. */
function toMatch(words: readonly string[]): string {
  const quoted = words.map((word) => `"${word.replaceAll('"', '""')}"`);
  const isBeginning = [...(words.at(-1) ?? '')].length >= shortestBeginning;
  return `text : (${quoted.join(' AND ')}${isBeginning ? ' *' : ''})`;
}

const postgresql: SearchDialect = {
  find: <Row>(client: Client, words: readonly string[], scope: Sql, limit: number) =>
    client.$queryRaw<Row[]>(sql`
      SELECT ${columns} FROM conversations
      WHERE ${scope} AND EXISTS (SELECT 1 FROM message_search AS found
        WHERE found.conversation_id = conversations.id AND found.words @@ to_tsquery('simple', ${toTsQuery(words)}))
      ${newestFirst} LIMIT ${limit}`),
  snippets: (words, ids) => sql`
    SELECT asked.id, (SELECT ts_headline('simple', found.text, to_tsquery('simple', ${toTsQuery(words)}),
        'StartSel=**, StopSel=**, MaxWords=16, MinWords=8')
      FROM message_search AS found
      WHERE found.conversation_id = asked.id AND found.words @@ to_tsquery('simple', ${toTsQuery(words)})
      ORDER BY found.position DESC LIMIT 1) AS snippet
    FROM unnest(CAST(${[...ids]} AS text[])) AS asked(id)`,
};

/** A word between apostrophes is text to `to_tsquery`, with apostrophes and backslashes doubled. */
function toTsQuery(words: readonly string[]): string {
  const quoted = words.map((word) => `'${word.replaceAll(/['\\]/g, '$&$&')}'`);
  return `${quoted.join(' & ')}:*`;
}

/** The few places where the search's SQL is not the same on both databases. */
export const searchDialects: Record<DatabaseKind, SearchDialect> = { sqlite, postgresql };
