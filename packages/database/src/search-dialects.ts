import { type Sql, sqltag as sql } from '@prisma/client/runtime/client';
import type { Client } from './client.ts';
import type { DatabaseKind } from './database-url.ts';
import { createWordFinder } from './find-words.ts';
import { positions, searchTexts } from './search-texts.ts';

/** A word that is looked for, or the beginning of one. Comes from a user, and is never empty. */
export interface SearchedWord {
  text: string;
  isBeginning: boolean;
}

/** How each database finds messages by their words. Each word is quoted, so that none is an operator. */
export interface SearchDialect {
  /** Rows of `conversations` in this scope that have such a message, newest first. `snippets`, by id: those that are known with them. */
  find<Row extends { id: string }>(
    client: Client,
    words: readonly SearchedWord[],
    scope: Sql,
    limit: number,
  ): Promise<{ rows: Row[]; snippets?: Map<string, string> }>;
  /** A query for `id` and `snippet`: the newest such message of each conversation, around the words. */
  snippets(words: readonly SearchedWord[], ids: readonly string[]): Sql;
}

const columns = sql`id, client, title, version, created_at, updated_at`;
const newestFirst = sql`ORDER BY updated_at DESC, id DESC`;

/** So many messages are joined with their conversations and sorted within milliseconds. */
const fewMatches = 10_000;
/** Where more match, the newest conversations are asked one by one, first so many and then so many: each takes some 100 µs. */
const askedOneByOne = [50, 250];
/** Where words are begun, so many of the newest are looked through first. */
const lookedThrough = 250;
/** Where that does not do, so many of the newest are held against all messages that match. */
const walkedThrough = 2_000;
/** Of each of them so many messages, on PostgreSQL. */
const messagesOfEach = 20;
/** The rows of one conversation that match. `id`: what names it in the query around. */
const inConversation = (id: Sql, match: string) => sql`
  message_search MATCH 'conversation : ' ||
    (SELECT number FROM conversation_numbers WHERE conversation_id = ${id}) || ' AND ' || ${match}`;

const sqlite: SearchDialect = {
  async find<Row extends { id: string }>(client: Client, words: readonly SearchedWord[], scope: Sql, limit: number) {
    if (words.some(({ isBeginning }) => isBeginning)) return findBegun<Row>(client, words, scope, limit);
    const [match, findWords] = [toMatch(words), createWordFinder(words)];
    for (const asked of (await isMany(client, match)) ? askedOneByOne : []) {
      const newest = await client.$queryRaw<Row[]>(sql`
        SELECT ${columns} FROM
          (SELECT ${columns} FROM conversations WHERE ${scope} ${newestFirst} LIMIT ${asked}) AS newest
        WHERE EXISTS (SELECT 1 FROM message_search WHERE ${inConversation(sql`newest.id`, match)})
        ${newestFirst} LIMIT ${limit}`);
      if (newest.length === limit) return { rows: newest, snippets: await readSnippets(client, newest, findWords) };
    }
    const rows = await findAll<Row>(client, match, scope, limit);
    return { rows, snippets: await readSnippets(client, rows, findWords) };
  },
  snippets: (words, ids) => sql`
    SELECT value AS id, (SELECT snippet(message_search, 1, '**', '**', '…', 16) FROM message_search
      WHERE ${inConversation(sql`value`, toMatch(words))} ORDER BY rowid DESC LIMIT 1) AS snippet
    FROM json_each(${JSON.stringify(ids)})`,
};

/**
 * For each question FTS5 puts together all messages with any word that begins so, which takes seconds where those are thousands
 * of words. What is in so many messages is among the newest conversations as well, so their texts are looked through first.
 */
async function findBegun<Row extends { id: string }>(
  client: Client,
  words: readonly SearchedWord[],
  scope: Sql,
  limit: number,
): Promise<{ rows: Row[]; snippets: Map<string, string> }> {
  const findWords = createWordFinder(words);
  const newest = await client.$queryRaw<Row[]>(sql`
    SELECT ${columns} FROM conversations WHERE ${scope} ${newestFirst} LIMIT ${lookedThrough}`);
  const ids = newest.map(({ id }) => id);
  const { found, isComplete } = await searchTexts(client, ids, findWords, { limit });
  if (found.size === limit || (isComplete && newest.length < lookedThrough)) {
    return { rows: newest.filter(({ id }) => found.has(id)), snippets: found };
  }
  const rows = await findAll<Row>(client, toMatch(words), scope, limit);
  return { rows, snippets: await readSnippets(client, rows, findWords) };
}

/** Of what is among the newest messages of each; to ask FTS5 for them takes some milliseconds for each. */
async function readSnippets(
  client: Client,
  rows: readonly { id: string }[],
  findWords: (text: string) => string | undefined,
): Promise<Map<string, string>> {
  const ids = rows.map(({ id }) => id);
  const { found } = await searchTexts(client, ids, findWords, { limit: ids.length, goesOn: true });
  return found;
}

/** Finding the messages is quick, finding the conversation of each takes 10 µs: where many match, enough of the newest do. */
async function findAll<Row>(client: Client, match: string, scope: Sql, limit: number): Promise<Row[]> {
  const matching = sql`SELECT DISTINCT rowid / ${positions} AS number FROM message_search WHERE message_search MATCH ${match}`;
  const newest = await client.$queryRaw<Row[]>(sql`
    SELECT ${columns} FROM
      (SELECT ${columns} FROM conversations WHERE ${scope} ${newestFirst} LIMIT ${walkedThrough}) AS newest
    WHERE (SELECT number FROM conversation_numbers WHERE conversation_id = newest.id) IN (${matching})
    ${newestFirst} LIMIT ${limit}`);
  if (newest.length === limit) return newest;
  return client.$queryRaw<Row[]>(sql`
    SELECT ${columns} FROM (${matching}) AS found
    CROSS JOIN conversation_numbers AS numbers ON numbers.number = found.number
    CROSS JOIN conversations ON conversations.id = numbers.conversation_id
    WHERE ${scope} ${newestFirst} LIMIT ${limit}`);
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
  async find<Row extends { id: string }>(client: Client, words: readonly SearchedWord[], scope: Sql, limit: number) {
    const query = sql`to_tsquery('simple', ${toTsQuery(words)})`;
    const newest =
      words.some(({ isBeginning }) => isBeginning) && (await lookThrough<Row>(client, query, scope, limit));
    if (newest) return { rows: newest, snippets: await readMatching(client, newest, words) };
    const rows = await client.$queryRaw<Row[]>(sql`
      SELECT ${columns} FROM conversations
      WHERE ${scope} AND EXISTS (SELECT 1 FROM message_search AS found
        WHERE found.conversation_id = conversations.id AND found.words @@ ${query})
      ${newestFirst} LIMIT ${limit}`);
    return { rows, snippets: await readMatching(client, rows, words) };
  },
  snippets: (words, ids) => sql`
    SELECT asked.id, (SELECT ts_headline('simple', found.text, to_tsquery('simple', ${toTsQuery(words)}),
        'StartSel=**, StopSel=**, MaxWords=16, MinWords=8')
      FROM message_search AS found
      WHERE found.conversation_id = asked.id AND found.words @@ to_tsquery('simple', ${toTsQuery(words)})
      ORDER BY found.position DESC LIMIT 1) AS snippet
    FROM unnest(CAST(${[...ids]} AS text[])) AS asked(id)`,
};

/**
 * For what begins so the index gives the messages of every such word: the newest conversations are looked through first, as above,
 * without it. Undefined where that does not tell.
 */
async function lookThrough<Row>(client: Client, query: Sql, scope: Sql, limit: number): Promise<Row[] | undefined> {
  const newest = await client.$queryRaw<(Row & { matches: boolean; asked: bigint })[]>(sql`
    WITH newest AS MATERIALIZED
      (SELECT ${columns} FROM conversations WHERE ${scope} ${newestFirst} LIMIT ${lookedThrough})
    SELECT ${columns}, coalesce(matches, false) AS matches, (SELECT count(*) FROM newest) AS asked
    FROM newest CROSS JOIN LATERAL
      (SELECT bool_or(words @@ ${query}) AS matches, count(*) = ${messagesOfEach} AS has_more FROM
        (SELECT words FROM message_search WHERE conversation_id = newest.id ORDER BY position DESC LIMIT ${messagesOfEach}) AS read) AS seen
    WHERE matches OR has_more ${newestFirst} LIMIT ${limit}`);
  const untold = newest.findIndex(({ matches }) => !matches);
  if (untold !== -1) return undefined;
  const isAll = newest.length === limit || Number(newest[0]?.asked ?? 0) < lookedThrough;
  return isAll && newest.length > 0 ? newest : undefined;
}

/** As on SQLite: `ts_headline` would take the text apart as the parser does, and not as the index has it. */
async function readMatching(
  client: Client,
  rows: readonly { id: string }[],
  words: readonly SearchedWord[],
): Promise<Map<string, string>> {
  const findWords = createWordFinder(words);
  const ids = rows.map(({ id }) => id);
  const found = await client.$queryRaw<{ id: string; text: string | null }[]>(sql`
    SELECT asked.id, (SELECT found.text FROM message_search AS found
      WHERE found.conversation_id = asked.id AND found.words @@ to_tsquery('simple', ${toTsQuery(words)})
      ORDER BY found.position DESC LIMIT 1) AS text
    FROM unnest(CAST(${ids} AS text[])) AS asked(id)`);
  return new Map(
    found.flatMap(({ id, text }) => {
      const snippet = text === null ? undefined : findWords(text);
      return snippet === undefined ? [] : [[id, snippet] as const];
    }),
  );
}

/** What stands between words, as the function `message_search_words` of the database has it. */
const between = /[!-/:-@[-`{-~\s\u00a0¡«»¿‐-―‘’‚“”„•…‹›、。「」『』【】！（），：；？]+/u;

/**
 * A word between apostrophes is text to `to_tsquery`; what stands between its letters tells it apart into words that follow each
 * other, and accents are left out, as in the index.
 */
function toTsQuery(words: readonly SearchedWord[]): string {
  const phrases = words.flatMap(({ text, isBeginning }) => {
    const plain = text
      .normalize('NFD')
      .replaceAll(/[\u0300-\u036f]/g, '')
      .normalize('NFC');
    const parts = plain.split(between).filter((part) => part !== '');
    const quoted = parts.map((part) => `'${part.replaceAll(/['\\]/g, '$&$&')}'`);
    return quoted.length === 0 ? [] : [`(${quoted.join(' <-> ')}${isBeginning ? ':*' : ''})`];
  });
  return phrases.join(' & ');
}

/** The few places where the search's SQL is not the same on both databases. */
export const searchDialects: Record<DatabaseKind, SearchDialect> = { sqlite, postgresql };
